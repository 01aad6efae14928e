//! Opening the store that `tombolo.toml` names.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tombolo_store::postgres::Options;
use tombolo_store::sled::{self, Behind};
use tombolo_store::{Store, StoreError};
use tracing::warn;

use crate::config::{HostFile, Layout};

/// The waits between tries to reach a database that is not there yet; the last one repeats.
const WAITS: [u64; 4] = [1, 2, 3, 5];

/// A store, and what keeps others away from the state directory while it is open.
pub struct Opened {
    /// The store itself.
    pub store: Arc<dyn Store>,
    /// Whether other hosts may be writing to it.
    pub shared: bool,
    _state: Option<File>,
}

/// Opens it. A database that cannot be reached is waited for, `patience` long.
///
/// # Errors
/// Everything that somebody has to do something about.
pub async fn open(layout: &Layout, host: &HostFile, patience: Duration) -> anyhow::Result<Opened> {
    let state = layout.dir().join(&host.store);
    std::fs::create_dir_all(&state)
        .with_context(|| format!("cannot make `{}`", state.display()))?;
    let Some(database) = &host.database else {
        return Ok(Opened {
            store: Arc::new(embedded(&state, host.behind)?),
            shared: false,
            _state: None,
        });
    };
    let lock = lock(&state)?;
    let options = database
        .options(layout.dir())
        .with_context(|| "tombolo.toml".to_owned())?;
    Ok(Opened {
        store: reach(options, patience).await?,
        shared: true,
        _state: Some(lock),
    })
}

/// Each engine has a directory of its own, so that one can be filled from the other.
fn embedded(state: &Path, behind: Behind) -> Result<sled::SledStore, StoreError> {
    let (name, other) = match behind {
        Behind::Sled => ("store", "fjall"),
        Behind::Fjall => ("fjall", "store"),
    };
    let (own, other) = (state.join(name), state.join(other));
    if !own.exists() && other.exists() {
        warn!(
            store = %own.display(),
            "the store begins empty, and `{}` beside it is another engine's: `tombolo store migrate` fills the one from the other",
            other.display()
        );
    }
    sled::Options::new().behind(behind).open(own)
}

async fn reach(options: Options, patience: Duration) -> anyhow::Result<Arc<dyn Store>> {
    let started = Instant::now();
    let mut tries = 0;
    loop {
        match options.clone().open().await {
            Ok(store) => return Ok(Arc::new(store)),
            Err(why @ StoreError::Unavailable { .. }) if started.elapsed() < patience => {
                warn!(%why, "waiting for the store's database");
            }
            Err(why) => return Err(why.into()),
        }
        tokio::time::sleep(Duration::from_secs(WAITS[tries.min(WAITS.len() - 1)])).await;
        tries += 1;
    }
}

/// One host a state directory: what is in it beside the store is one host's own, and so is its name among the others.
fn lock(state: &Path) -> anyhow::Result<File> {
    let path = state.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another host runs on the state directory `{}`\n  hint: give each host a configuration directory of its own, or another `[store] path`",
            state.display()
        ),
        Err(TryLockError::Error(why)) => {
            Err(why).with_context(|| format!("cannot lock `{}`", path.display()))
        }
    }
}

/// Where this host runs, the same over all its lives, and different from every other host's: a name that was made up here
/// once, this machine's name, and the state directory, which is locked. A state directory that was copied to another machine
/// with the same name must lose its file `node`.
///
/// # Errors
/// The file cannot be read or written.
pub fn place(state: &Path) -> anyhow::Result<String> {
    let file = state.join("node");
    let node = match std::fs::read_to_string(&file) {
        Ok(node) => node,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            let node = uuid::Uuid::new_v4().to_string();
            crate::files::replace(&file, node.as_bytes())
                .with_context(|| format!("cannot write `{}`", file.display()))?;
            node
        }
        Err(why) => {
            return Err(why).with_context(|| format!("cannot read `{}`", file.display()));
        }
    };
    // A machine without a name has its directory all the same.
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(format!("{node} {} {}", machine.trim(), state.display()))
}
