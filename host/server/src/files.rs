//! Writing files so that nobody ever reads half of one.

use std::io::Write as _;
use std::path::Path;

/// Writes beside the file, syncs, and renames: after a crash there is the old file or the new one. An existing file's
/// permissions are kept.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that no look at the directory takes it for an app or a connector.
    let beside = dir.join(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::create(&beside)?;
        if let Ok(metadata) = std::fs::metadata(path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        std::fs::File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // The error to tell is the first one.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
