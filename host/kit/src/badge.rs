//! The last run in one line, kept beside the file that it is about.
//!
//! It is a convenience, no proof: who can write the file can write the badge. It names the digest, so that it says nothing
//! of another build.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::report::Report;

/// What is kept of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Badge {
    /// The kit's version.
    pub kit: String,
    /// SHA-256 of the file that was tested.
    pub sha256: String,
    /// When.
    pub at: Timestamp,
    /// Whether all was good.
    pub good: bool,
    /// What the checks came to.
    pub summary: String,
}

impl Badge {
    /// Of a run that has just ended.
    pub fn of(report: &Report, at: Timestamp) -> Self {
        Self {
            kit: report.kit.to_owned(),
            sha256: report.sha256.clone(),
            at,
            good: report.is_good(),
            summary: report.summary(),
        }
    }

    /// Where the badge of a file is: `csv.wasm.kit` beside `csv.wasm`.
    pub fn path(wasm: &Path) -> PathBuf {
        let mut name = wasm.as_os_str().to_owned();
        name.push(".kit");
        name.into()
    }

    /// The badge of a file, whatever build it is about; none when there is none that can be read.
    pub fn read(wasm: &Path) -> Option<Self> {
        let text = std::fs::read(Self::path(wasm)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps it.
    pub fn write(&self, wasm: &Path) -> std::io::Result<()> {
        std::fs::write(Self::path(wasm), serde_json::to_vec_pretty(self)?)
    }

    /// `kit 1.0: 61 passed, …, 2026-11-24, sha256:1a2b3c4d5e6f`.
    pub fn line(&self) -> String {
        let day = self.at.strftime("%Y-%m-%d");
        let digest: String = self.sha256.chars().take(12).collect();
        format!("kit {}: {}, {day}, sha256:{digest}", self.kit, self.summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_badge_is_read_as_it_was_written_and_names_what_it_is_about() {
        let directory = tempfile::tempdir().unwrap();
        let wasm = directory.path().join("csv.wasm");
        assert_eq!(Badge::read(&wasm), None);
        let badge = Badge::of(&report(), "2026-11-24T10:00:00Z".parse().unwrap());
        badge.write(&wasm).unwrap();
        assert_eq!(Badge::read(&wasm), Some(badge.clone()));
        assert_eq!(
            badge.line(),
            "kit 1.0: 2 passed, 1 failed, 1 warnings, 1 not offered, chaos ok, 2026-11-24, sha256:abababababab"
        );
        std::fs::write(Badge::path(&wasm), "{").unwrap();
        assert_eq!(Badge::read(&wasm), None);
    }
}
