//! Directories: preopened for WASI where granted, as `/NAME`, and nowhere else.
//!
//! One that may be written to has a [quota](quota): what is in it is counted, whoever put it there, and what would make it
//! more than the operator allows is refused with WASI's `quota`, POSIX's `EDQUOT`. The library leaves a seam for that:
//! [`Filed`] implements `wasi:filesystem` around the library's own implementation.
//!
//! The library moves every operation to a thread that may wait, and back: a connector that rewrites a file does so a dozen
//! times in one call, and each time it queues behind whoever computes. So a call of an app whose directories are all on
//! [local](mod@local) file systems runs, as a whole, where it may wait (`connector::clock`), and its operations are done at once.
//!
//! | module | idea |
//! |---|---|
//! | `local` | which file systems answer without anybody's help |
//! | `quota` | how much is there, and may there be more |
//! | `descriptor` | `wasi:filesystem`, counted |
//! | `stream` | writing through a stream, counted |

mod descriptor;
mod local;
mod quota;
mod stream;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::app::Directory;
use crate::guest::Guest;
pub(crate) use quota::Ledgers;
use quota::Quota;

/// What an app's instances share of its granted directories.
#[derive(Default)]
pub(crate) struct Quotas {
    /// Those that may be written to, by name.
    counted: BTreeMap<String, Arc<Quota>>,
    place: Place,
}

/// Where operations are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a thread of the executor's that may wait; the call's own must not.
    #[default]
    Aside,
    /// Where the call is: it is polled where it may wait.
    Here,
}

impl Quotas {
    /// Nothing is counted yet.
    pub(crate) fn new(app: &str, directories: &[Directory], ledgers: &Ledgers) -> Self {
        let local = |directory: &Directory| local::is_local(&directory.host);
        let place = match directories {
            [] => Place::Aside,
            all if all.iter().all(local) => Place::Here,
            _ => Place::Aside,
        };
        let writable = directories.iter().filter(|directory| directory.writable);
        let quota = |directory: &Directory| {
            let quota = Quota::new(app, directory, place, ledgers);
            (directory.name.clone(), Arc::new(quota))
        };
        Self {
            counted: writable.map(quota).collect(),
            place,
        }
    }

    /// Where the app's calls do what they do with files.
    pub(crate) fn place(&self) -> Place {
        self.place
    }
}

impl Place {
    /// Does what may take a while.
    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Here => work(),
            Self::Aside => {
                let done = tokio::task::spawn_blocking(work).await;
                done.map_err(io::Error::other)?
            }
        }
    }
}

/// Which of one instance's descriptors lie in which directory.
#[derive(Default)]
pub(crate) struct Files {
    /// By the descriptor's number in the table; those of read-only directories are not in it.
    counted: HashMap<u32, Arc<Quota>>,
}

impl Files {
    fn quota<T>(&self, descriptor: &Resource<T>) -> Option<Arc<Quota>> {
        self.counted.get(&descriptor.rep()).cloned()
    }
}

/// Opens every granted directory for one instance.
pub(crate) fn preopen(
    wasi: &mut WasiCtxBuilder,
    directories: &[Directory],
    place: Place,
) -> wasmtime::Result<()> {
    wasi.allow_blocking_current_thread(place == Place::Here);
    for directory in directories {
        let access = if directory.writable {
            FsPerms::ReadWrite
        } else {
            FsPerms::ReadOnly
        };
        wasi.preopened_dir(&directory.host, guest_path(&directory.name), access)
            .map_err(|error| {
                error.context(format!(
                    "directory `{}` cannot be opened at {}",
                    directory.name,
                    directory.host.display()
                ))
            })?;
    }
    Ok(())
}

fn guest_path(name: &str) -> String {
    format!("/{name}")
}

/// `wasi:filesystem` as one instance sees it.
pub(crate) struct Filed<'a> {
    library: WasiFilesystemCtxView<'a>,
    files: &'a mut Files,
    quotas: &'a Quotas,
}

struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Filed<'a>;
}

impl Guest {
    fn filed(&mut self) -> Filed<'_> {
        let (library, files, grants) = self.filesystem_parts();
        Filed {
            library,
            files,
            quotas: &grants.quotas,
        }
    }
}

/// Links `wasi:filesystem`, in place of the library's.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    preopens::add_to_linker::<_, HasFiles>(linker, Guest::filed)?;
    types::add_to_linker::<_, HasFiles>(linker, Guest::filed)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl preopens::Host for Filed<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let directories = preopens::Host::get_directories(&mut self.library)?;
        for (descriptor, path) in &directories {
            let mut quotas = self.quotas.counted.iter();
            if let Some((_, quota)) = quotas.find(|(name, _)| guest_path(name) == *path) {
                self.files
                    .counted
                    .insert(descriptor.rep(), Arc::clone(quota));
            }
        }
        Ok(directories)
    }
}
