//! Standard output and error: a guest has no terminal, so what it prints becomes log lines (output as `info`,
//! error, where a language's panic message goes, as `warn`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::log::Journal;
use crate::bindings::tombolo::connector::log::Level;

/// A line without an end is cut here.
const LINE_BYTES: usize = 4096;
/// How much a guest may hand over at once.
const PERMIT_BYTES: usize = 64 << 10;

/// Connects both streams of one instance to its journal.
pub(crate) fn connect(wasi: &mut WasiCtxBuilder, journal: &Arc<Journal>) {
    wasi.stdout(Stream::new(journal, Level::Info))
        .stderr(Stream::new(journal, Level::Warn));
}

#[derive(Clone)]
struct Stream(Arc<Inner>);

struct Inner {
    journal: Arc<Journal>,
    level: Level,
    line: Mutex<Vec<u8>>,
}

impl Stream {
    fn new(journal: &Arc<Journal>, level: Level) -> Self {
        Self(Arc::new(Inner {
            journal: Arc::clone(journal),
            level,
            line: Mutex::default(),
        }))
    }
}

impl Inner {
    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.emit(&mut line);
            }
        }
    }

    fn emit(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if !text.is_empty() {
            self.journal.line(self.level, text, &[]);
        }
        line.clear();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut *self.line.lock());
        self.emit(&mut line);
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
