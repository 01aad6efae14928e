//! Directories: preopened for WASI where granted, as `/NAME`, and nowhere else.

use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::app::Directory;

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
        wasi.preopened_dir(&directory.host, format!("/{}", directory.name), access)
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
