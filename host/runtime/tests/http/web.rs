//! A web server on loopback that answers byte for byte what a test says, and keeps what it was asked.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The how manieth connection it came on, from 1.
    pub connection: usize,
    /// The how manieth request on this connection, from 1.
    pub turn: usize,
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    /// The value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What the server does about a request.
pub enum Reply {
    /// These bytes, and keeps the connection.
    Bytes(Vec<u8>),
    /// These bytes, and closes it.
    Last(Vec<u8>),
    /// These bytes, and then nothing for ever.
    Silence(Vec<u8>),
    /// These bytes over and over until the client goes.
    Endless(Vec<u8>, Vec<u8>),
}

/// An ordinary answer.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    Reply::Bytes([bytes.as_bytes(), b"\r\n", body].concat())
}

pub fn ok(body: &str) -> Reply {
    answer(200, &[], body)
}

/// A running server; it ends with this.
pub struct Web {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Connections that were accepted, and that ended.
    connections: watch::Receiver<(usize, usize)>,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

impl Web {
    pub async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, handler).await
    }

    pub async fn with(
        tls: Option<ServerConfig>,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, connections) = watch::channel((0, 0));
        let (handler, kept) = (Arc::new(handler) as Arc<Handler>, Arc::clone(&seen));
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let task = tokio::spawn(async move {
            let count = Arc::new(count);
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|(accepted, _)| *accepted += 1);
                let number = count.borrow().0;
                let (handler, kept) = (Arc::clone(&handler), Arc::clone(&kept));
                let (count, acceptor) = (Arc::clone(&count), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, number, &kept, &*handler).await,
                        Some(acceptor) => match acceptor.accept(stream).into_fallible().await {
                            Ok(stream) => serve(stream, number, &kept, &*handler).await,
                            Err((_, refused)) => linger(refused).await,
                        },
                    }
                    count.send_modify(|(_, ended)| *ended += 1);
                });
            }
        });
        Self {
            port,
            seen,
            connections,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn secure_url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.borrow().0
    }

    /// Waits until every connection has ended.
    pub async fn is_left(&mut self) {
        self.connections
            .wait_for(|(accepted, ended)| accepted == ended)
            .await
            .unwrap();
    }
}

/// Lets a refused client read why. A socket that is closed with bytes unread is reset, and what the client sent
/// meanwhile (in TLS 1.3 its handshake is done, so it has sent its request) would have the reset overtake the alert.
async fn linger(mut refused: TcpStream) {
    let _ = refused.shutdown().await;
    while matches!(refused.read(&mut [0; 1024]).await, Ok(1..)) {}
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    kept: &Mutex<Vec<Seen>>,
    handler: &Handler,
) {
    for turn in 1.. {
        let Some(seen) = read(&mut stream, connection, turn).await else {
            return;
        };
        kept.lock().push(seen.clone());
        match handler(&seen) {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Last(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Silence(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.read(&mut [0; 64]).await;
                return;
            }
            Reply::Endless(first, again) => {
                let _ = stream.write_all(&first).await;
                while stream.write_all(&again).await.is_ok() {}
                return;
            }
        }
        let _ = stream.flush().await;
    }
}

async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    connection: usize,
    turn: usize,
) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen {
        connection,
        turn,
        method,
        path,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
