//! A wire that breaks on command: a TCP proxy on loopback in front of one server.
//!
//! It counts *exchanges*: what the client says until the server has answered. An exchange meets at most one [`Fault`], and
//! the [`Weather`] decides which. Whether a fault comes before or after the server has done what it was asked is the whole
//! difference between "nothing happened" and "nobody knows", so each fault says it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// What happens to one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset before the server hears of it.
    Reset,
    /// The server hears nothing, and the client hears nothing, until it gives up.
    Blackhole,
    /// The server does what it is asked; the client hears nothing, until it gives up.
    LoseAnswer,
    /// The server does what it is asked; of its answer so many bytes arrive, then a reset.
    CutAnswer(usize),
    /// The answer takes so much longer.
    Delay(Duration),
}

/// Which exchanges meet a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// None.
    #[default]
    Fair,
    /// Every one.
    Always(Fault),
    /// Every so many-th one, the faults in turn.
    Every(usize, Vec<Fault>),
}

/// The proxy. Gone, with all that passes through it, when dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    cut: watch::Sender<()>,
    listening: AbortHandle,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    weather: Weather,
    exchanges: usize,
    struck: usize,
}

impl Proxy {
    /// In front of `upstream` (`127.0.0.1:PORT`), on a free port, in fair weather.
    pub async fn start(upstream: impl Into<String>) -> Result<Self> {
        let upstream = upstream.into();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let cut = watch::Sender::new(());
        let (state, orders) = (Arc::clone(&shared), cut.clone());
        let accept = async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (state, orders) = (Arc::clone(&state), orders.subscribe());
                let upstream = upstream.clone();
                connections.spawn(async move {
                    // A connection that breaks is what this is for.
                    let _ = Wire::carry(client, &upstream, &state, orders).await;
                });
                while connections.try_join_next().is_some() {}
            }
        };
        let listening = tokio::spawn(accept).abort_handle();
        Ok(Self {
            address,
            shared,
            cut,
            listening,
        })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The weather from now on: for exchanges that begin, and for connections that are made.
    pub fn set(&self, weather: Weather) {
        self.shared.state(|state| state.weather = weather);
    }

    /// Resets every open connection.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }

    /// How many exchanges have begun.
    pub fn exchanges(&self) -> usize {
        self.shared.state(|state| state.exchanges)
    }

    /// How many of them met a fault.
    pub fn struck(&self) -> usize {
        self.shared.state(|state| state.struck)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Shared {
    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The fault of the exchange that begins now.
    fn begin(&self) -> Option<Fault> {
        self.state(|state| {
            state.exchanges += 1;
            let fault = match &state.weather {
                Weather::Fair => None,
                Weather::Always(fault) => Some(*fault),
                Weather::Every(nth, faults) if state.exchanges.is_multiple_of(*nth) => faults
                    .get((state.exchanges / nth) % faults.len().max(1))
                    .copied(),
                Weather::Every(..) => None,
            };
            state.struck += usize::from(fault.is_some());
            fault
        })
    }
}

/// One connection: both halves, and the exchange that is under way.
struct Wire {
    client: TcpStream,
    server: TcpStream,
    fault: Option<Fault>,
    /// Bytes of this exchange's answer that the client has got.
    answered: usize,
    /// Whether the server spoke last, so that what the client says begins an exchange.
    idle: bool,
}

impl Wire {
    async fn carry(
        client: TcpStream,
        upstream: &str,
        shared: &Shared,
        mut cut: watch::Receiver<()>,
    ) -> Result<()> {
        if shared.state(|state| state.weather == Weather::Always(Fault::Reset)) {
            return reset(&client);
        }
        let server = TcpStream::connect(upstream)
            .await
            .with_context(|| format!("no server at {upstream}"))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut wire = Self {
            client,
            server,
            fault: None,
            answered: 0,
            idle: true,
        };
        let (mut asked, mut told) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        let (mut client_open, mut server_open) = (true, true);
        while client_open || server_open {
            let go_on = tokio::select! {
                _ = cut.changed() => false,
                count = wire.client.read(&mut asked), if client_open => {
                    let count = count?;
                    client_open = count > 0;
                    if client_open {
                        wire.ask(&asked[..count], shared).await?
                    } else if wire.silent() {
                        // Who waited in vain has given up.
                        false
                    } else {
                        wire.server.shutdown().await?;
                        true
                    }
                }
                count = wire.server.read(&mut told), if server_open => {
                    let count = count?;
                    server_open = count > 0;
                    if server_open {
                        wire.tell(&told[..count]).await?
                    } else if wire.silent() {
                        true
                    } else {
                        wire.client.shutdown().await?;
                        true
                    }
                }
            };
            if !go_on {
                reset(&wire.client)?;
                return reset(&wire.server);
            }
        }
        Ok(())
    }

    /// Whether the client is kept waiting for ever.
    fn silent(&self) -> bool {
        matches!(self.fault, Some(Fault::Blackhole | Fault::LoseAnswer))
    }

    /// Passes on what the client says; false: the connection breaks.
    async fn ask(&mut self, bytes: &[u8], shared: &Shared) -> Result<bool> {
        if self.idle && !self.silent() {
            self.fault = shared.begin();
            self.answered = 0;
        }
        self.idle = false;
        match self.fault {
            Some(Fault::Reset) => return Ok(false),
            Some(Fault::Blackhole) => {}
            _ => self.server.write_all(bytes).await?,
        }
        Ok(true)
    }

    /// Passes on what the server says; false: the connection breaks.
    async fn tell(&mut self, bytes: &[u8]) -> Result<bool> {
        let first = !std::mem::replace(&mut self.idle, true);
        let passing = match self.fault {
            Some(Fault::Blackhole | Fault::LoseAnswer) => return Ok(true),
            Some(Fault::CutAnswer(most)) => bytes.len().min(most.saturating_sub(self.answered)),
            Some(Fault::Delay(more)) if first => {
                tokio::time::sleep(more).await;
                bytes.len()
            }
            _ => bytes.len(),
        };
        self.client.write_all(&bytes[..passing]).await?;
        self.answered += passing;
        Ok(passing == bytes.len())
    }
}

/// Closed so that the other side sees a reset, not an end.
fn reset(stream: &TcpStream) -> Result<()> {
    Ok(stream.set_zero_linger()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers what it is told, and a proxy in front of it.
    async fn echo() -> (Proxy, Arc<Mutex<Vec<u8>>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let ears = Arc::clone(&ears);
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        ears.lock().expect("no panic").extend(&buffer[..count]);
                        if stream.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        let proxy = Proxy::start(address.to_string()).await.expect("a proxy");
        (proxy, heard)
    }

    /// What comes back within a while; none when nothing does, an error when the connection breaks.
    async fn say(stream: &mut TcpStream, words: &str) -> Option<std::io::Result<String>> {
        let exchange = async {
            stream.write_all(words.as_bytes()).await?;
            let mut got = vec![0; words.len()];
            let mut count = 0;
            while count < got.len() {
                match stream.read(&mut got[count..]).await? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    more => count += more,
                }
            }
            Ok(String::from_utf8_lossy(&got).into_owned())
        };
        tokio::time::timeout(Duration::from_millis(300), exchange)
            .await
            .ok()
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address())
            .await
            .expect("it listens")
    }

    #[tokio::test]
    async fn fair_weather_passes_everything_and_counts() {
        let (proxy, heard) = echo().await;
        let mut stream = connect(&proxy).await;
        for words in ["one", "two"] {
            assert_eq!(
                say(&mut stream, words).await.expect("soon").expect("whole"),
                words
            );
        }
        assert_eq!((proxy.exchanges(), proxy.struck()), (2, 0));
        assert_eq!(*heard.lock().expect("no panic"), b"onetwo");
        proxy.cut();
        assert!(say(&mut stream, "three").await.expect("soon").is_err());
    }

    #[tokio::test]
    async fn each_fault_comes_before_or_after_the_effect() {
        for (fault, reaches) in [
            (Fault::Reset, false),
            (Fault::Blackhole, false),
            (Fault::LoseAnswer, true),
            (Fault::CutAnswer(2), true),
            (Fault::Delay(Duration::from_millis(30)), true),
        ] {
            let (proxy, heard) = echo().await;
            proxy.set(Weather::Every(2, vec![fault]));
            let mut stream = connect(&proxy).await;
            let first = say(&mut stream, "first").await.expect("soon");
            assert_eq!(first.expect("whole"), "first");
            let second = say(&mut stream, "again").await;
            match fault {
                Fault::Reset | Fault::CutAnswer(_) => {
                    assert!(second.expect("soon").is_err(), "{fault:?}");
                }
                Fault::Blackhole | Fault::LoseAnswer => assert!(second.is_none(), "{fault:?}"),
                Fault::Delay(_) => assert_eq!(second.expect("soon").expect("whole"), "again"),
            }
            let heard = heard.lock().expect("no panic").ends_with(b"again");
            assert_eq!(heard, reaches, "{fault:?}");
            assert_eq!(proxy.struck(), 1, "{fault:?}");
        }
    }
}
