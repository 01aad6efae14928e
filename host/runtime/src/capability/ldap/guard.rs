//! Between a server and the library: whole, well-formed messages pass, and no more of them than are taken.
//!
//! The library reads a message of any length, descends into it by recursion, and queues what it has read
//! without end. A server that is not what it should be could take the host down with that. So the library
//! is given one end of a socket pair, and what it gets from there has been looked at: the length of each
//! message, the number and nesting of its elements. And it gets no further messages while many wait to be taken.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Buf as _, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::ber::{self, INTEGER, Reader, SEQUENCE};

/// What may wait to be taken: so many messages, and so many bytes, but always one.
const WAITING_MESSAGES: usize = 256;
const WAITING_BYTES: usize = 1 << 20;

/// A message needs room for its own words, whatever an answer may hold.
const SLACK: usize = 64 << 10;

/// Bytes of a message for each element that it may have. An element costs the library fifty bytes of memory,
/// however short it is.
const BYTES_PER_ELEMENT: usize = 16;

/// Why no more is read from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A message longer than an answer may be.
    TooLarge,
    /// It is not LDAP.
    Malformed,
}

/// The length of the whole message that the bytes begin with; none if there is more to come.
pub(super) fn message(bytes: &[u8], most: usize) -> Result<Option<usize>, Refusal> {
    let malformed = |ber::Malformed| Refusal::Malformed;
    let Some(header) = ber::header(bytes).map_err(malformed)? else {
        return Ok(None);
    };
    if header.tag != SEQUENCE {
        return Err(Refusal::Malformed);
    }
    if header.length > most.saturating_add(SLACK) {
        return Err(Refusal::TooLarge);
    }
    let length = header.size + header.length;
    let Some(content) = bytes.get(header.size..length) else {
        return Ok(None);
    };
    let elements = most.saturating_add(SLACK) / BYTES_PER_ELEMENT;
    ber::walk(content, elements).map_err(malformed)?;
    Ok(Some(length))
}

/// Is it a notice that nobody asked for (RFC 4511, section 4.4)? The only one there is says goodbye, which the end
/// of the connection says too.
fn is_unsolicited(message: &[u8]) -> bool {
    Reader::inside(message, SEQUENCE).and_then(|mut parts| parts.number(INTEGER)) == Ok(0)
}

#[derive(Default)]
struct Shared {
    /// Bytes of one message.
    most: AtomicUsize,
    /// The sizes of the messages that were passed on and not yet taken.
    waiting: Mutex<VecDeque<usize>>,
    room: Notify,
    ended: AtomicBool,
    refusal: Mutex<Option<Refusal>>,
}

impl Shared {
    fn has_room(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.len() < WAITING_MESSAGES && waiting.iter().sum::<usize>() < WAITING_BYTES
    }
}

/// What a connection's user sees of the guard.
#[derive(Clone)]
pub(super) struct Guard(Arc<Shared>);

impl Guard {
    /// Stands between `server` and the library, which has the other end of `library`.
    pub(super) fn post<S>(server: S, library: UnixStream) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let guard = Self(Arc::clone(&shared));
        tokio::spawn(async move {
            let (mut from_server, mut to_server) = tokio::io::split(server);
            let (mut from_library, mut to_library) = library.into_split();
            let outward = async {
                tokio::io::copy(&mut from_library, &mut to_server).await?;
                to_server.shutdown().await
            };
            let ended = tokio::select! {
                read = inward(&shared, &mut from_server, &mut to_library) => read,
                written = outward => written,
            };
            // Before the library can know of it.
            shared.ended.store(true, Ordering::Release);
            if let Err(error) = ended {
                tracing::debug!(%error, "ldap connection ended");
            }
        });
        guard
    }

    /// An operation begins: a message of its answer may have so many bytes.
    pub(super) fn begin(&self, most: usize) {
        self.0.most.store(most, Ordering::Release);
        self.0.waiting.lock().clear();
        self.0.room.notify_one();
    }

    /// A message was taken.
    pub(super) fn taken(&self) {
        self.0.waiting.lock().pop_front();
        self.0.room.notify_one();
    }

    /// Nothing more comes.
    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// Why, if it was not the server that ended it.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        *self.0.refusal.lock()
    }
}

/// Passes messages on until one of both sides ends.
async fn inward<R, W>(shared: &Shared, server: &mut R, library: &mut W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = BytesMut::with_capacity(8 << 10);
    loop {
        loop {
            while !shared.has_room() {
                shared.room.notified().await;
            }
            let most = shared.most.load(Ordering::Acquire);
            match message(&buffer, most) {
                Ok(None) => break,
                Ok(Some(length)) => {
                    let whole = &buffer[..length];
                    if !is_unsolicited(whole) {
                        shared.waiting.lock().push_back(length);
                        library.write_all(whole).await?;
                    }
                    buffer.advance(length);
                }
                Err(refusal) => {
                    *shared.refusal.lock() = Some(refusal);
                    return Err(io::Error::other(format!("refused: {refusal:?}")));
                }
            }
        }
        if server.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::{Duration, timeout};

    use super::super::ber::{OCTETS, element, number};
    use super::*;

    fn reply(id: i64, content: &[u8]) -> Vec<u8> {
        let body = element(0x64, &element(OCTETS, content));
        element(SEQUENCE, &[number(INTEGER, id), body].concat())
    }

    #[test]
    fn a_message_is_passed_whole_or_not_at_all() {
        let whole = reply(7, b"dc=x");
        assert_eq!(message(&whole, 100), Ok(Some(whole.len())));
        for end in 0..whole.len() {
            assert_eq!(message(&whole[..end], 100), Ok(None), "{end}");
        }
        let two = [whole.clone(), whole.clone()].concat();
        assert_eq!(message(&two, 100), Ok(Some(whole.len())));
    }

    #[test]
    fn what_would_cost_too_much_is_refused_at_its_first_bytes() {
        let most = 1 << 20;
        let endless = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(message(&endless, most), Err(Refusal::TooLarge));
        let deep = (0..30_000).fold(vec![4, 0], |inner, _| element(SEQUENCE, &inner));
        assert_eq!(message(&deep, most), Err(Refusal::Malformed));
        let many = element(SEQUENCE, &[4, 0].repeat(500_000));
        assert_eq!(message(&many, most), Err(Refusal::Malformed));
        assert_eq!(
            message(b"HTTP/1.1 400 Bad Request", most),
            Err(Refusal::Malformed)
        );
    }

    #[tokio::test]
    async fn a_server_is_read_no_faster_than_its_answers_are_taken() {
        let (mut server, near) = tokio::io::duplex(4 << 10);
        let (library, mut far) = UnixStream::pair().expect("a pair");
        let guard = Guard::post(near, library);
        guard.begin(1 << 20);
        let one = reply(1, &[b'x'; 8 << 10]);
        let (size, sent) = (one.len(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&sent);
        tokio::spawn(async move {
            while server.write_all(&one).await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut got = vec![0; size];
        // Until nothing comes any more: the library reads as fast as it can.
        let mut read = 0;
        while timeout(Duration::from_millis(300), far.read_exact(&mut got))
            .await
            .is_ok()
        {
            read += 1;
        }
        assert!(read <= WAITING_BYTES / size + 2, "{read}");
        let stopped = sent.load(Ordering::Relaxed);
        assert!(stopped <= read + 2, "{stopped} {read}");
        for _ in 0..read {
            guard.taken();
        }
        far.read_exact(&mut got).await.expect("it goes on");
    }

    #[tokio::test]
    async fn a_goodbye_is_not_passed_on_and_an_end_is_known() {
        let (mut server, near) = tokio::io::duplex(4 << 10);
        let (library, mut far) = UnixStream::pair().expect("a pair");
        let guard = Guard::post(near, library);
        guard.begin(1 << 20);
        server.write_all(&reply(0, b"bye")).await.expect("sent");
        server
            .write_all(&reply(1, b"an answer"))
            .await
            .expect("sent");
        drop(server);
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.expect("the end");
        assert_eq!(got, reply(1, b"an answer"));
        assert!(guard.has_ended() && guard.refusal().is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..400), most in 0_usize..1000) {
            if let Ok(Some(length)) = message(&bytes, most) {
                prop_assert!(length <= bytes.len());
                // And the library reads it without a panic or a question for more.
                prop_assert!(ldap3::asn1::parse_tag(&bytes[..length]).is_ok());
            }
            let _ = is_unsolicited(&bytes);
        }

        #[test]
        fn what_passes_is_what_the_library_can_read(content in proptest::collection::vec(any::<u8>(), 0..60)) {
            let bytes = element(SEQUENCE, &content);
            if message(&bytes, 1000).is_ok() {
                prop_assert!(ldap3::asn1::parse_tag(&bytes).is_ok());
            }
        }
    }
}
