//! Writing to a file through a stream: one write at a time, each counted.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::{ReadWriteFlags, pwritev2};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

use super::quota::{Change, Growth, Quota};

/// How much a guest may hand over at once, as in the library.
const PERMIT_BYTES: usize = 64 << 10;

/// Where in the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Offset(u64),
    End,
}

/// A stream into a file of a counted directory.
pub(super) struct Writer {
    file: Arc<File>,
    quota: Arc<Quota>,
    at: At,
    state: State,
}

enum State {
    Ready,
    Writing(AbortOnDropJoinHandle<io::Result<u64>>),
    Failed(io::Error),
    Closed,
}

impl Writer {
    pub(super) fn new(file: Arc<File>, quota: Arc<Quota>, at: At) -> Self {
        Self {
            file,
            quota,
            at,
            state: State::Ready,
        }
    }

    /// Waits for the write in progress.
    async fn rest(&mut self) {
        let State::Writing(task) = &mut self.state else {
            return;
        };
        let written = task.await;
        self.state = self.after(written);
    }

    /// What a write leaves behind.
    fn after(&mut self, written: io::Result<u64>) -> State {
        match written {
            Ok(written) => {
                if let At::Offset(offset) = &mut self.at {
                    *offset += written;
                }
                State::Ready
            }
            Err(why) => State::Failed(why),
        }
    }

    fn failed(&mut self) -> StreamError {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Failed(why) => StreamError::LastOperationFailed(why.into()),
            _ => StreamError::Closed,
        }
    }
}

/// How a file grew; settled against the directory's number.
pub(super) struct Growing {
    change: Change,
    file: Arc<File>,
    before: u64,
}

impl Growing {
    /// If the directory has room for a file that will have so many bytes. May take a while.
    pub(super) fn begin(mut change: Change, file: Arc<File>, size: u64) -> io::Result<Self> {
        let before = file.metadata()?.len();
        let growth = Growth {
            bytes: size.saturating_sub(before),
            files: 0,
        };
        change.admit(growth)?;
        Ok(Self {
            change,
            file,
            before,
        })
    }

    /// What became of it, whatever it was.
    pub(super) fn settle(self) {
        // One without a name is counted by itself. One that cannot be looked at leaves the number in doubt.
        match self.file.metadata() {
            Ok(found) if found.nlink() == 0 => self.change.settle_unchanged(),
            Ok(found) => {
                let grown = i128::from(found.len()) - i128::from(self.before);
                self.change.settle(i64::try_from(grown).unwrap_or(0), 0);
            }
            Err(_) => drop(self.change),
        }
    }
}

fn write(change: Change, file: &Arc<File>, at: At, bytes: &[u8]) -> io::Result<u64> {
    let length = bytes.len() as u64;
    let start = match at {
        At::Offset(offset) => offset,
        At::End => file.metadata()?.len(),
    };
    let growing = Growing::begin(change, Arc::clone(file), start.saturating_add(length))?;
    let written = match at {
        At::Offset(offset) => file.write_all_at(bytes, offset),
        At::End => append(file, bytes),
    };
    growing.settle();
    written.map(|()| length)
}

/// At the end, wherever it is by then: others write to the file too.
fn append(file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = pwritev2(file, &[IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND)?;
        bytes = &bytes[written..];
    }
    Ok(())
}

#[async_trait::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.state {
            State::Ready => {}
            State::Closed => return Err(StreamError::Closed),
            State::Writing(_) | State::Failed(_) => {
                return Err(StreamError::trap("write without a permit"));
            }
        }
        let (file, quota, at) = (Arc::clone(&self.file), Arc::clone(&self.quota), self.at);
        if let Some(change) = quota.begin_here() {
            self.state = self.after(write(change, &file, at, &bytes));
            return Ok(());
        }
        self.state = State::Writing(spawn(async move {
            let change = quota.begin().await;
            let written = tokio::task::spawn_blocking(move || write(change, &file, at, &bytes));
            written.await.map_err(io::Error::other)?
        }));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        match self.state {
            // Nothing is kept back.
            State::Ready | State::Writing(_) => Ok(()),
            State::Failed(_) | State::Closed => Err(self.failed()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.state {
            State::Ready => Ok(PERMIT_BYTES),
            State::Writing(_) => Ok(0),
            State::Failed(_) | State::Closed => Err(self.failed()),
        }
    }

    async fn cancel(&mut self) {
        self.rest().await;
        self.state = State::Closed;
    }
}

#[async_trait::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        self.rest().await;
    }
}
