//! One connection of one call: it moves bytes, knows how many, and is written down once, when it ends.
//!
//! Whoever works with the stream takes it out. A future that is dropped in the middle (the call's time is over) drops
//! the stream with it, and every failure leaves it dropped: a stream in doubt is never used again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::endpoint::{Endpoint, Place, Stream};
use super::error::Error;
use crate::capability::outbound::{Outbound, Outcome};

/// The most that one read answers.
const READ_BYTES: usize = 64 << 10;
/// How long a connection that ends well may take to say so.
const FAREWELL: Duration = Duration::from_millis(250);

/// A connection, as long as its call lasts.
pub(super) struct Link {
    endpoint: Arc<Endpoint>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    stream: Option<Stream>,
    /// Given back when the connection ends.
    _place: Option<Place>,
    /// The record; none when it is written.
    record: Option<Outbound>,
}

impl Link {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        (stream, place): (Stream, Place),
        record: Outbound,
    ) -> Self {
        Self {
            endpoint,
            held: Mutex::new(Held {
                stream: Some(stream),
                _place: Some(place),
                record: Some(record),
            }),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.held.lock().record.is_some()
    }

    /// Some bytes; none when the other side has said its last.
    pub(super) async fn read(&self, max: u32) -> Result<Vec<u8>, Error> {
        let mut stream = self.take()?;
        let most = usize::try_from(max).unwrap_or(READ_BYTES).min(READ_BYTES);
        if most == 0 {
            self.put_back(stream);
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(most);
        let idle = self.endpoint.idle_timeout;
        match timeout(idle, stream.read(&mut bytes, most)).await {
            Ok(Ok(())) => {
                self.moved(0, bytes.len());
                self.put_back(stream);
                Ok(bytes)
            }
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.end(Error::Still(idle))),
        }
    }

    /// All bytes, or the end of the connection.
    pub(super) async fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut stream = self.take()?;
        let idle = self.endpoint.idle_timeout;
        let mut rest = bytes;
        loop {
            let step = async {
                if rest.is_empty() {
                    stream.flush().await.map(|()| 0)
                } else {
                    stream.write(rest).await
                }
            };
            match timeout(idle, step).await {
                Ok(Ok(_)) if rest.is_empty() => break,
                Ok(Ok(0)) => return Err(self.end(Error::Closed)),
                Ok(Ok(written)) => {
                    self.moved(written, 0);
                    rest = &rest[written..];
                }
                Ok(Err(error)) => return Err(self.broken(&error)),
                Err(_) => return Err(self.end(Error::Still(idle))),
            }
        }
        self.put_back(stream);
        Ok(())
    }

    /// Protects the stream in place.
    pub(super) async fn start_tls(&self, deadline: Instant) -> Result<(), Error> {
        let stream = self.take()?;
        if !self.endpoint.upgrades(&stream) {
            // A mistake of the connector's: the connection is as good as it was.
            self.put_back(stream);
            return Err(Error::NoUpgrade);
        }
        match self.endpoint.upgrade(stream, deadline).await {
            Ok(stream) => {
                self.put_back(stream);
                Ok(())
            }
            Err(error) => Err(self.end(error)),
        }
    }

    /// The connector is done with it. TLS says so to the other side, if that takes no time.
    pub(super) async fn farewell(&self) {
        if let Ok(mut stream) = self.take() {
            let _ = timeout(FAREWELL, stream.shutdown()).await;
            drop(stream);
            self.finish(&Outcome::Done);
        }
    }

    /// The connection was broken on purpose.
    pub(super) fn sever(&self) -> Error {
        self.end(Error::Closed)
    }

    /// The call is over.
    pub(super) fn abandon(&self) {
        *self.held.lock() = Held::default();
    }

    fn take(&self) -> Result<Stream, Error> {
        self.held.lock().stream.take().ok_or(Error::Closed)
    }

    fn put_back(&self, stream: Stream) {
        let mut held = self.held.lock();
        // The call may have ended meanwhile.
        if held.record.is_some() {
            held.stream = Some(stream);
        }
    }

    fn moved(&self, sent: usize, received: usize) {
        if let Some(record) = &mut self.held.lock().record {
            record.moved(sent, received);
        }
    }

    fn broken(&self, error: &io::Error) -> Error {
        tracing::debug!(kind = %error.kind(), "net connection broken");
        self.end(Error::Closed)
    }

    fn end(&self, error: Error) -> Error {
        self.finish(&error.outcome());
        error
    }

    fn finish(&self, outcome: &Outcome) {
        let held = std::mem::take(&mut *self.held.lock());
        if let Some(record) = held.record {
            record.close(outcome);
        }
    }
}

/// The same for both kinds of stream.
impl Stream {
    /// Appends what is there, `most` bytes at most, and waits for the first.
    async fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<()> {
        let most = most as u64;
        match self {
            Self::Plain(stream) => stream.take(most).read_buf(into).await,
            Self::Secure(stream) => stream.take(most).read_buf(into).await,
        }
        .map(drop)
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes).await,
            Self::Secure(stream) => stream.write(bytes).await,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush().await,
            Self::Secure(stream) => stream.flush().await,
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Secure(stream) => stream.shutdown().await,
        }
    }
}
