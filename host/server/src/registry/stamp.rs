//! Has a file changed? Told by what the directory says of it, without reading it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the directory says of a file; none when it is not there.
///
/// The inode tells a file renamed into place from the old one even when size and time agree.
type Stamp = Option<(u64, Option<SystemTime>, u64)>;

/// The stamps of a set of files at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(BTreeMap<PathBuf, Stamp>);

impl Stamps {
    pub(crate) fn take(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(
            paths
                .into_iter()
                .map(|path| (path.clone(), stamp(&path)))
                .collect(),
        )
    }

    /// The same files and `also`, now.
    pub(crate) fn again(&self, also: &Path) -> Self {
        Self::take(self.0.keys().cloned().chain([also.to_owned()]))
    }

    /// Whether any of them, or `also`, is not as it was.
    pub(crate) fn have_changed(&self, also: &Path) -> bool {
        self.again(also) != *self
    }
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_comes_goes_grows_or_is_replaced_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let absent = Stamps::take([path.clone()]);
        assert!(!absent.have_changed(&path));
        std::fs::write(&path, "a").unwrap();
        assert!(absent.have_changed(&path));
        let there = Stamps::take([path.clone()]);
        assert!(!there.have_changed(&path));
        let other = dir.path().join("g");
        std::fs::write(&other, "b").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(there.have_changed(&path));
    }

    /// Kubernetes mounts secrets so: each a link through `..data`, which is swapped for another directory as a whole.
    #[test]
    fn a_file_behind_a_swapped_link_has_changed() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (version, text) in [("..1", "old"), ("..2", "new")] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("password"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/password", at("password")).unwrap();
        let before = Stamps::take([at("password")]);
        assert!(!before.have_changed(&at("password")));
        symlink("..2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(before.have_changed(&at("password")));
        assert_eq!(std::fs::read_to_string(at("password")).unwrap(), "new");
    }
}
