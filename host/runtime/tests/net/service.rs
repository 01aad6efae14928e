//! A server of a small line protocol with STARTTLS, on a real socket.
//!
//! It greets, and answers `echo TEXT`, `sent N` (so many bytes), `stall` (nothing more), `starttls`, `quit` (and closes).

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How its connections are protected.
#[derive(Clone)]
pub(crate) enum Tls {
    None,
    /// When the client says `starttls`.
    Start(Arc<ServerConfig>),
    /// The same, and it goes on talking in the clear right behind its consent.
    Babbling(Arc<ServerConfig>),
    /// From the first byte.
    Always(Arc<ServerConfig>),
}

/// A running server; it ends with this.
pub(crate) struct Service {
    pub(crate) port: u16,
    /// Connections that were accepted, and that ended.
    connections: watch::Receiver<(usize, usize)>,
    task: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service {
    pub(crate) async fn start(tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, connections) = watch::channel((0, 0));
        let count = Arc::new(count);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.send_modify(|count| count.0 += 1);
                let (tls, count) = (tls.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    // That a client breaks off is what some tests are about.
                    let _ = serve(stream, tls).await;
                    count.send_modify(|count| count.1 += 1);
                });
            }
        });
        Self {
            port,
            connections,
            task,
        }
    }

    /// Connections so far, and how many of them are over.
    pub(crate) fn connections(&self) -> (usize, usize) {
        *self.connections.borrow()
    }

    /// Waits until so many connections are over.
    pub(crate) async fn until_ended(&self, ended: usize) {
        let mut connections = self.connections.clone();
        connections
            .wait_for(|count| count.1 >= ended)
            .await
            .unwrap();
    }
}

async fn serve(stream: TcpStream, tls: Tls) -> std::io::Result<()> {
    let (config, babble) = match tls {
        Tls::Always(config) => {
            let mut stream = BufReader::new(TlsAcceptor::from(config).accept(stream).await?);
            stream.write_all(b"ready, protected\r\n").await?;
            talk(&mut stream).await?;
            return stream.shutdown().await;
        }
        Tls::None => (None, false),
        Tls::Start(config) => (Some(config), false),
        Tls::Babbling(config) => (Some(config), true),
    };
    let mut stream = BufReader::new(stream);
    stream.write_all(b"ready\r\n").await?;
    if !talk(&mut stream).await? {
        return Ok(());
    }
    let Some(config) = config else {
        return stream.write_all(b"no\r\n").await;
    };
    let consent: &[u8] = if babble {
        b"go ahead\r\nsaid in the clear\r\n"
    } else {
        b"go ahead\r\n"
    };
    stream.write_all(consent).await?;
    let stream = TlsAcceptor::from(config)
        .accept(stream.into_inner())
        .await?;
    let mut stream = BufReader::new(stream);
    talk(&mut stream).await?;
    stream.shutdown().await
}

/// Answers until the client goes; true when it wants TLS.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
) -> std::io::Result<bool> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        match line
            .trim_end()
            .split_once(' ')
            .unwrap_or((line.trim_end(), ""))
        {
            ("echo", text) => stream.write_all(format!("{text}\r\n").as_bytes()).await?,
            ("sent", count) => {
                stream
                    .write_all(&vec![b'y'; count.parse().unwrap()])
                    .await?
            }
            ("stall", _) => std::future::pending().await,
            ("starttls", _) => return Ok(true),
            ("quit", _) => return Ok(false),
            _ => stream.write_all(b"what?\r\n").await?,
        }
        stream.flush().await?;
    }
}
