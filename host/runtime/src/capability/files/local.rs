//! Which file systems answer without anybody's help: a disk's or the memory's. One behind a network, or behind another
//! program (FUSE), may not answer for as long as it likes, and the call that asks must still end in time.

use std::path::Path;

use rustix::fs::statfs;

/// The types that Linux tells of those that are known to be local: ext2 to ext4, XFS, Btrfs, F2FS, ZFS, overlays (of
/// containers), and memory.
const LOCAL: [u32; 7] = [
    0x0000_EF53,
    0x5846_5342,
    0x9123_683E,
    0xF2F5_2010,
    0x2FC1_2FC1,
    0x794C_7630,
    0x0102_1994,
];

/// Is this directory on one of them? No, if it cannot be told.
pub(super) fn is_local(directory: &Path) -> bool {
    let Ok(found) = statfs(directory) else {
        return false;
    };
    // The kernel's number has 32 bits; the C library's is wider here and there, and signed.
    let kind = u32::try_from(found.f_type & i64::from(u32::MAX));
    kind.is_ok_and(|kind| LOCAL.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_local_and_what_the_kernel_makes_up_is_not() {
        assert!(is_local(tempfile::tempdir().unwrap().path()));
        assert!(!is_local(Path::new("/proc")));
        assert!(!is_local(Path::new("/no/such/directory")));
    }
}
