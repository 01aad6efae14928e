//! The host's end of the socket.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tombolo_engine::Engine;
use tracing::{info, warn};

use super::order::Hands;
use super::{Order, Reply, directory, socket};
use crate::flows::Flows;
use crate::registry::Registry;

/// The longest order.
const ORDER: u64 = 64 << 10;

/// The socket is there as long as this is.
pub struct Listening {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Listening {
    /// Begins to listen.
    ///
    /// # Errors
    /// The socket cannot be made; its path may be too long.
    pub fn start(
        state: &Path,
        engine: Arc<Engine>,
        registry: Arc<Registry>,
        flows: Arc<Flows>,
    ) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory(state))?;
        let path = socket(state);
        // One that a killed host left behind. The store is ours by now, so nobody listens there.
        match std::fs::remove_file(&path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let (engine, registry) = (Arc::clone(&engine), Arc::clone(&registry));
                        let flows = Arc::clone(&flows);
                        tokio::spawn(async move {
                            if let Err(why) =
                                Box::pin(serve(stream, &engine, &registry, &flows)).await
                            {
                                info!(%why, "an order was not heard to its end");
                            }
                        });
                    }
                    Err(why) => {
                        warn!(%why, "no orders can be taken");
                        return;
                    }
                }
            }
        });
        Ok(Self { path, task })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        // A missing file says the same as a removed one.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(
    mut stream: UnixStream,
    engine: &Engine,
    registry: &Registry,
    flows: &Flows,
) -> io::Result<()> {
    // The kernel's word, not the client's.
    let operator = format!("uid {}", stream.peer_cred()?.uid());
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(ORDER))
        .read_line(&mut line)
        .await?;
    let order: Order = match serde_json::from_str(&line) {
        Ok(order) => order,
        Err(why) => {
            let why = format!("the host does not know this order: {why}");
            return send(&mut writer, &Reply::Failed(why)).await;
        }
    };
    let hands = Hands {
        engine,
        registry: Some(registry),
        flows: Some(flows),
        operator,
    };
    let (items, mut taken) = mpsc::channel(16);
    let work = async {
        let outcome = Box::pin(hands.carry_out(order, &items)).await;
        drop(items);
        outcome
    };
    let write = async {
        while let Some(item) = taken.recv().await {
            send(&mut writer, &item).await?;
        }
        Ok::<_, io::Error>(())
    };
    let (outcome, sent) = tokio::join!(work, write);
    sent?;
    let end = match outcome {
        Ok(done) => Reply::Done(done),
        Err(why) => Reply::Failed(why),
    };
    send(&mut writer, &end).await
}

async fn send(writer: &mut (impl tokio::io::AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    writer.write_all(&line).await
}
