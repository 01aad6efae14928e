//! A table in its file: read as a whole, replaced atomically.
//!
//! The manifest asks for serial writes, so no two calls of one app are here at once. Whoever else edits the file (a
//! person, an export job) is noticed: just before the rename the file must still be what was read; if not, the change
//! is made again on what is there now.

use crate::table::Table;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tombolo_sdk::{Failure, Result};

/// How often a change is made again when somebody else keeps changing the file.
const ATTEMPTS: u32 = 8;
/// What the name of a temporary file ends in.
const TEMPORARY: &str = ".tmp";
/// A temporary file of this age belongs to nobody: no call lives as long.
const ABANDONED: Duration = Duration::from_mins(10);

/// One file of the directory.
#[derive(Clone, Debug)]
pub(crate) struct TableFile {
    directory: PathBuf,
    name: String,
    delimiter: u8,
    /// The header of the file when it does not exist yet.
    columns: Vec<String>,
}

impl TableFile {
    /// A file by its plain name.
    pub(crate) fn new(
        directory: &Path,
        name: &str,
        delimiter: u8,
        columns: Vec<String>,
    ) -> Result<Self> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
            return Err(Failure::invalid(format!(
                "settings: {name:?} is no plain file name"
            )));
        }
        Ok(Self {
            directory: directory.to_owned(),
            name: name.to_owned(),
            delimiter,
            columns,
        })
    }

    /// The file's name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The table as it is now; a file that does not exist is an empty one.
    pub(crate) fn load(&self) -> Result<Table> {
        self.table(self.read()?)
    }

    /// Changes the table and replaces the file, all or nothing, on the disk when this returns. A change that changes
    /// nothing writes nothing. `edit` may run again, on another table.
    pub(crate) fn change<T>(&self, mut edit: impl FnMut(&mut Table) -> Result<T>) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let before = self.read()?;
            let mut table = self.table(before.clone())?;
            let answer = edit(&mut table)?;
            if before.as_deref() == Some(table.bytes()) {
                return Ok(answer);
            }
            let temporary = Temporary::write(&self.directory, &self.name, table.bytes())
                .map_err(|e| self.blame(e))?;
            if self.read()? == before {
                temporary.publish(&self.path()).map_err(|e| self.blame(e))?;
                return Ok(answer);
            }
        }
        Err(Failure::busy(format!(
            "{} is being changed by somebody else all the time",
            self.name
        ))
        .retry_after(Duration::from_secs(5)))
    }

    /// Whether a file can be written beside this one.
    pub(crate) fn probe(&self) -> Result<()> {
        Temporary::write(&self.directory, &self.name, b"")
            .map(drop)
            .map_err(|e| self.blame(e))
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    fn read(&self) -> Result<Option<Vec<u8>>> {
        match fs::read(self.path()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.blame(error)),
        }
    }

    fn table(&self, bytes: Option<Vec<u8>>) -> Result<Table> {
        match bytes {
            // An empty file is one that nobody has given a header yet.
            Some(bytes) if !bytes.is_empty() => Table::parse(&self.name, bytes, self.delimiter),
            _ => Ok(Table::new(
                &self.columns.iter().map(String::as_str).collect::<Vec<_>>(),
                self.delimiter,
            )),
        }
    }

    fn blame(&self, error: std::io::Error) -> Failure {
        Failure::from(error).within(&self.name)
    }
}

/// A complete, flushed file under a name of its own; gone again unless it is published.
struct Temporary {
    directory: PathBuf,
    path: Option<PathBuf>,
}

impl Temporary {
    fn write(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<Self> {
        let prefix = format!(".{name}.");
        sweep(directory, &prefix);
        let path = directory.join(format!("{prefix}{}{TEMPORARY}", crate::cell::nonce()));
        let temporary = Self {
            directory: directory.to_owned(),
            path: Some(path.clone()),
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(temporary)
    }

    fn publish(mut self, to: &Path) -> std::io::Result<()> {
        if let Some(path) = self.path.take() {
            if let Err(error) = fs::rename(&path, to) {
                self.path = Some(path);
                return Err(error);
            }
            // The new name is on the disk only when the directory is.
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// Takes away what killed hosts have left.
fn sweep(directory: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|n| n.starts_with(prefix) && n.ends_with(TEMPORARY));
        let age = || {
            entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()?
                .elapsed()
                .ok()
        };
        if ours && age().is_some_and(|a| a > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path) -> TableFile {
        TableFile::new(
            directory,
            "t.csv",
            b',',
            vec!["id".to_owned(), "n".to_owned()],
        )
        .expect("a file")
    }

    #[test]
    fn a_missing_file_is_created_with_its_header() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = file(directory.path());
        file.change(|t| {
            t.append(&["1", "a"]);
            Ok(())
        })
        .expect("written");
        assert_eq!(
            fs::read(directory.path().join("t.csv")).expect("there"),
            b"id,n\n1,a\n"
        );
        assert_eq!(
            fs::read_dir(directory.path()).expect("listed").count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn a_change_by_somebody_else_meanwhile_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = file(directory.path());
        let mut first = true;
        file.change(|t| {
            if std::mem::take(&mut first) {
                fs::write(directory.path().join("t.csv"), "id,n\n9,theirs\n").expect("written");
            }
            t.append(&["1", "ours"]);
            Ok(())
        })
        .expect("written");
        assert_eq!(
            fs::read(directory.path().join("t.csv")).expect("there"),
            b"id,n\n9,theirs\n1,ours\n"
        );
    }

    #[test]
    fn serial_writers_lose_nothing_and_readers_never_see_half_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = file(directory.path());
        let serial = std::sync::Mutex::new(());
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let (file, serial) = (&file, &serial);
                scope.spawn(move || {
                    for n in 0..10 {
                        let _one_at_a_time = serial.lock().expect("no writer panicked");
                        file.change(|t| {
                            t.append(&[format!("{writer}-{n}"), "x".repeat(500)]);
                            Ok(())
                        })
                        .expect("written");
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..200 {
                    let table = file.load().expect("readable");
                    table
                        .records()
                        .for_each(|r| assert_eq!(table.fields(&r)[1].len(), 500));
                }
            });
        });
        assert_eq!(file.load().expect("readable").records().count(), 40);
    }
}
