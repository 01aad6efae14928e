//! Directories: preopened for WASI where granted, as `/NAME`, and nowhere else.
//!
//! One that may be written to has a [quota](quota): what is in it is counted, whoever put it there, and what would make it
//! more than the operator allows is refused with WASI's `quota`, POSIX's `EDQUOT`. The library leaves a seam for that:
//! [`Filed`] implements `wasi:filesystem` around the library's own implementation.
//!
//! | module | idea |
//! |---|---|
//! | `quota` | how much is there, and may there be more |
//! | `descriptor` | `wasi:filesystem`, counted |
//! | `stream` | writing through a stream, counted |

mod descriptor;
mod quota;
mod stream;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::app::Directory;
use crate::guest::Guest;
pub(crate) use quota::Ledgers;
use quota::Quota;

/// The granted directories that may be written to, by name. An app's instances share it.
#[derive(Default)]
pub(crate) struct Quotas(BTreeMap<String, Arc<Quota>>);

impl Quotas {
    /// Nothing is counted yet.
    pub(crate) fn new(app: &str, directories: &[Directory], ledgers: &Ledgers) -> Self {
        let writable = directories.iter().filter(|directory| directory.writable);
        let quota = |directory: &Directory| {
            let quota = Quota::new(app, directory, ledgers);
            (directory.name.clone(), Arc::new(quota))
        };
        Self(writable.map(quota).collect())
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
) -> wasmtime::Result<()> {
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
            let mut quotas = self.quotas.0.iter();
            if let Some((_, quota)) = quotas.find(|(name, _)| guest_path(name) == *path) {
                self.files
                    .counted
                    .insert(descriptor.rep(), Arc::clone(quota));
            }
        }
        Ok(directories)
    }
}
