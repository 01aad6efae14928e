//! The command's end: the host that runs, or the store itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tombolo_engine::Engine;

use super::order::Hands;
use super::{Order, Reply, socket};
use crate::config::Layout;
use crate::store;

/// So long a database is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gives an order and hands over the items as they come; answers what it came to.
///
/// # Errors
/// The host refuses, or cannot be reached, or the store cannot be opened.
pub async fn ask(
    layout: &Layout,
    order: Order,
    mut item: impl FnMut(Value) -> anyhow::Result<()>,
) -> anyhow::Result<Value> {
    let (host, _) = layout.read_host();
    let state = layout.dir().join(&host.store);
    match UnixStream::connect(socket(&state)).await {
        Ok(stream) => by_host(stream, &order, item).await,
        Err(why)
            if matches!(
                why.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            if order.needs_apps() {
                bail!(
                    "no host runs on `{}`, and this needs its connectors\n  hint: start it with `tombolo serve {0}`",
                    layout.dir().display()
                );
            }
            if !state.exists() {
                bail!(
                    "there is no store at `{}`: no host has ever run here",
                    state.display()
                );
            }
            let opened = store::open(layout, &host, PATIENCE).await?;
            let engine = Engine::new(Arc::clone(&opened.store));
            let hands = Hands {
                engine: &engine,
                registry: None,
                flows: None,
                operator: String::new(),
            };
            let (items, mut taken) = mpsc::channel(16);
            let work = async {
                let outcome = Box::pin(hands.carry_out(order, &items)).await;
                drop(items);
                outcome
            };
            let take = async {
                while let Some(reply) = taken.recv().await {
                    if let Reply::Item(one) = reply {
                        item(one)?;
                    }
                }
                Ok::<_, anyhow::Error>(())
            };
            let (outcome, taken) = tokio::join!(work, take);
            taken?;
            outcome.map_err(anyhow::Error::msg)
        }
        Err(why) => Err(why).with_context(|| {
            format!(
                "cannot reach the host by `{}`\n  hint: run this as the user that the host runs as",
                socket(&state).display()
            )
        }),
    }
}

async fn by_host(
    mut stream: UnixStream,
    order: &Order,
    mut item: impl FnMut(Value) -> anyhow::Result<()>,
) -> anyhow::Result<Value> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line).context("the host's answer cannot be read")? {
            Reply::Item(one) => item(one)?,
            Reply::Done(end) => return Ok(end),
            Reply::Failed(why) => bail!(why),
        }
    }
    bail!("the host stopped before it had answered")
}
