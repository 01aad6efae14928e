//! What `run` runs: a file as it is, or a directory that is built.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use notify::{EventKind, RecursiveMode, Watcher as _};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::mpsc;

/// Folders that builds write into: watching them would build for ever.
const BUILT: [&str; 8] = [
    "target",
    "node_modules",
    "dist",
    "build",
    "out",
    ".git",
    "__pycache__",
    ".venv",
];

/// A file or a directory.
pub(super) struct Sources {
    path: PathBuf,
    is_directory: bool,
}

/// Tells that something was saved; quiet when dropped.
pub(super) struct Saved {
    noticed: mpsc::Receiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl Saved {
    pub(super) async fn recv(&mut self) -> Option<()> {
        self.noticed.recv().await
    }

    pub(super) fn try_recv(&mut self) -> Result<(), mpsc::error::TryRecvError> {
        self.noticed.try_recv()
    }
}

impl Sources {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot find `{}`", path.display()))?;
        let is_directory = path.is_dir();
        Ok(Self { path, is_directory })
    }

    /// The component; of a directory, built by `tombolo connector build`, whose last word is where it is.
    pub(super) async fn build(&self) -> anyhow::Result<PathBuf> {
        if !self.is_directory {
            return Ok(self.path.clone());
        }
        let executable = std::env::current_exe().context("cannot find this executable")?;
        let output = Command::new(executable)
            .args(["--output", "json", "connector", "build"])
            .arg(&self.path)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .await
            .context("cannot start the build")?;
        if !output.status.success() {
            bail!("`{}` does not build", self.path.display());
        }
        let said: Value = serde_json::from_slice(&output.stdout)
            .context("the build did not say where the component is")?;
        let file = said["file"]
            .as_str()
            .context("the build did not say where the component is")?;
        Ok(self.path.join(file))
    }

    pub(super) fn watch(&self) -> anyhow::Result<Saved> {
        let (tell, noticed) = mpsc::channel(1);
        let (root, only) = (
            self.path.clone(),
            (!self.is_directory).then(|| self.path.clone()),
        );
        let below = root.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let Ok(event) = event else { return };
                let concerns = event.paths.iter().any(|path| match &only {
                    Some(file) => path == file,
                    None => is_source(&below, path),
                });
                if concerns && !matches!(event.kind, EventKind::Access(_)) {
                    // A full channel has a notice in it already.
                    let _ = tell.try_send(());
                }
            })?;
        if self.is_directory {
            watcher.watch(&root, RecursiveMode::Recursive)?;
        } else {
            // The directory, not the file: builds rename a new file into its place.
            let folder = root.parent().context("a file lies in a directory")?;
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Saved {
            noticed,
            _watcher: watcher,
        })
    }
}

/// Whether a path below the directory is something that an author writes.
fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(root) else {
        return false;
    };
    let built = below
        .iter()
        .any(|part| BUILT.iter().any(|name| part == *name));
    let name = below.file_name().unwrap_or_default().to_string_lossy();
    let leaving = name.starts_with('.')
        || name.ends_with('~')
        || name.ends_with(".wasm")
        || name.ends_with(".kit");
    !built && !leaving && name != "Cargo.lock"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_write_is_no_source() {
        let root = Path::new("/x");
        assert!(is_source(root, Path::new("/x/src/lib.rs")));
        for path in [
            "/x/target/debug/a",
            "/x/a.wasm",
            "/x/src/.lib.rs.swp",
            "/x/node_modules/a/b.js",
            "/y/lib.rs",
        ] {
            assert!(!is_source(root, Path::new(path)), "{path}");
        }
    }
}
