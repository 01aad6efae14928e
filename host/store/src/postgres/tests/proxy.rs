//! A wire to the server that tears at a `COMMIT`: on its way there, or with its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

const FAIR: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;

pub(super) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listening: AbortHandle,
}

#[derive(Default)]
struct Shared {
    weather: AtomicU8,
    torn: Notify,
}

impl Proxy {
    pub(super) async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared::default());
        let wires = Arc::clone(&shared);
        let accept = async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&wires);
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await {
                        carry(client, server, &shared).await;
                    }
                });
            }
        };
        let listening = tokio::spawn(accept).abort_handle();
        Self {
            port,
            shared,
            listening,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Tears at the next `COMMIT`, before or after the server has heard of it; returns when it has.
    pub(super) async fn tear(&self, before: bool) {
        let weather = if before { BEFORE } else { AFTER };
        let torn = self.shared.torn.notified();
        self.shared.weather.store(weather, Ordering::SeqCst);
        torn.await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Until one of the two has enough, or the wire tears: then both connections end with this.
async fn carry(mut client: TcpStream, mut server: TcpStream, shared: &Shared) {
    let (mut asked, mut told) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                let said = &asked[..count];
                let commits = said.windows(7).any(|word| word == b"COMMIT\0");
                let weather = if commits {
                    shared.weather.swap(FAIR, Ordering::SeqCst)
                } else {
                    FAIR
                };
                if weather == BEFORE {
                    shared.torn.notify_waiters();
                    return;
                }
                if server.write_all(said).await.is_err() {
                    return;
                }
                if weather == AFTER {
                    // It has been done when the server says so.
                    let _ = server.read(&mut told).await;
                    shared.torn.notify_waiters();
                    return;
                }
            }
            count = server.read(&mut told) => {
                let Ok(count @ 1..) = count else { return };
                if client.write_all(&told[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
