//! A byte stream to a service that the operator named as a target, for a protocol that the host does not speak.
//!
//! ```no_run
//! use std::io::{BufRead, BufReader, Write};
//! use tombolo_sdk::net::Target;
//! # fn f() -> tombolo_sdk::Result<()> {
//! let mut stream = BufReader::new(Target::new("mail").connect()?);
//! let mut line = String::new();
//! stream.read_line(&mut line)?; // the greeting
//! stream.get_mut().write_all(b"STARTTLS\r\n")?;
//! line.clear();
//! stream.read_line(&mut line)?;
//! // What was read ahead was said in the clear; the host would not take it for more either.
//! let mut stream = stream.into_inner();
//! stream.start_tls()?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Stream`] is [`Read`] and [`Write`], so a synchronous protocol crate that takes a stream works on it. Where the
//! service is, whether there is TLS from the first byte on, and whose certificate has to be shown is the operator's; so
//! is how long it may stand still. A connection ends with the call that made it.

use std::io::{self, Read, Write};

use crate::host::net as raw;
use crate::{Failure, Result};

pub use raw::NetError;

/// The most that is passed to the host at once.
const CHUNK: usize = 64 << 10;

/// A service behind a named target.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
}

impl Target {
    /// The service that the manifest calls by this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// A new connection to it.
    pub fn connect(&self) -> Result<Stream> {
        Ok(Stream(raw::connect(&self.name)?))
    }
}

/// A connection. Dropped, it is closed.
#[derive(Debug)]
pub struct Stream(raw::Connection);

impl Stream {
    /// Protects the connection, where the protocol has just agreed to it (STARTTLS, SSLRequest). The target needs
    /// `tls = "start-tls"`. After a failure the connection is closed.
    pub fn start_tls(&mut self) -> Result<()> {
        Ok(self.0.start_tls()?)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self).read(into)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for &Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(CHUNK);
        let bytes = self.0.read(u32::try_from(most).unwrap_or(u32::MAX))?;
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// All that is written has left the host when `write` returns.
impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = &bytes[..bytes.len().min(CHUNK)];
        self.0.write(chunk)?;
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// In words, for the administrator who reads them.
fn words(error: &NetError) -> &str {
    match error {
        NetError::Denied => {
            "the host refused: no such `net` target is granted, or its `tls` has no upgrade"
        }
        NetError::Connect(why) | NetError::Tls(why) => why,
        NetError::Timeout => "the target did not answer in time",
        NetError::Closed => "the connection to the target was lost",
    }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Self {
        let words = words(&error).to_owned();
        match error {
            NetError::Denied => Self::forbidden(words),
            NetError::Connect(_) | NetError::Tls(_) | NetError::Closed => Self::unavailable(words),
            NetError::Timeout => Self::timeout(words),
        }
    }
}

impl From<NetError> for io::Error {
    fn from(error: NetError) -> Self {
        let kind = match error {
            NetError::Denied => io::ErrorKind::PermissionDenied,
            NetError::Connect(_) => io::ErrorKind::ConnectionRefused,
            NetError::Tls(_) => io::ErrorKind::ConnectionAborted,
            NetError::Timeout => io::ErrorKind::TimedOut,
            NetError::Closed => io::ErrorKind::ConnectionReset,
        };
        Self::new(kind, words(&error).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    #[test]
    fn what_was_lost_on_the_way_is_unavailable_either_way() {
        for (error, fault) in [
            (NetError::Denied, Fault::Forbidden),
            (NetError::Connect("no".to_owned()), Fault::Unavailable),
            (NetError::Tls("no".to_owned()), Fault::Unavailable),
            (NetError::Timeout, Fault::Timeout),
            (NetError::Closed, Fault::Unavailable),
        ] {
            assert!(Failure::from(error.clone()).is(fault), "{error:?}");
            // Through a protocol crate that knows only of I/O.
            let failure = Failure::from(io::Error::from(error.clone()));
            assert!(failure.is(fault), "{error:?}: {failure:?}");
        }
    }
}
