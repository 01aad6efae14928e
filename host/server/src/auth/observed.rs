//! What a refused token really said, so that an administrator can put it into the app's file.
//!
//! Entra's guide and Entra's tokens disagree about the audience, and nobody knows the subject before its first request.
//! So the last refused one of each app is kept: the claims that matter, never the token, and only if its signature was
//! right, because what anybody could have written must not be pasted anywhere. Tokens of other tenants are kept apart:
//! Microsoft signs all tenants' with the same keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

const REPEATED_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// Which section of the app's file it was held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// `[auth.federation]`
    Federation,
    /// `[auth.entra]`
    Entra,
}

/// A token that was refused although its signature was right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// When.
    pub at: Timestamp,
    /// By which section.
    pub against: Against,
    /// Why, as the audit record calls it.
    pub reason: String,
    /// `iss`
    pub issuer: Option<String>,
    /// `aud`
    pub audience: Vec<String>,
    /// `sub`
    pub subject: Option<String>,
    /// `tid`
    pub tenant: Option<String>,
    /// `kid`
    pub key: String,
    /// `exp`
    pub expires: i64,
}

/// The last ones of an app.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Last {
    /// From the app's own tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Observed>,
    /// From another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Observed>,
}

/// The last ones of every app.
#[derive(Debug)]
pub(super) struct Observations {
    file: PathBuf,
    last: Mutex<BTreeMap<String, Last>>,
}

fn file(dir: &Path) -> PathBuf {
    dir.join("observed.json")
}

impl Observations {
    pub(super) fn open(dir: &Path) -> Self {
        // A file that cannot be read is written anew: nothing depends on it.
        let last = std::fs::read(file(dir))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self {
            file: file(dir),
            last: Mutex::new(last),
        }
    }

    /// Keeps one in the place of the one before.
    pub(super) fn keep(&self, app: &str, foreign: bool, observed: Observed) {
        let mut last = self.last.lock();
        let of_app = last.entry(app.to_owned()).or_default();
        let place = if foreign {
            &mut of_app.foreign
        } else {
            &mut of_app.own
        };
        if place
            .as_ref()
            .is_some_and(|before| observed.repeats(before))
        {
            return;
        }
        *place = Some(observed);
        let text = serde_json::to_vec_pretty(&*last).map_err(std::io::Error::other);
        if let Err(why) = text.and_then(|text| crate::files::replace(&self.file, &text)) {
            warn!(file = %self.file.display(), %why, "cannot be written; `tombolo auth observe` will not know");
        }
    }
}

/// What a host on this state directory has observed of an app.
pub fn read(state: &Path, app: &str) -> std::io::Result<Last> {
    match std::fs::read(file(&super::guard::directory(state))) {
        Ok(text) => {
            let mut last: BTreeMap<String, Last> =
                serde_json::from_slice(&text).map_err(std::io::Error::other)?;
            Ok(last.remove(app).unwrap_or_default())
        }
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Last::default()),
        Err(why) => Err(why),
    }
}

impl Observed {
    /// Whether it says what another one said a moment ago: a client that tries again and again must not keep the disk
    /// busy.
    fn repeats(&self, before: &Self) -> bool {
        let same = Self {
            at: before.at,
            expires: before.expires,
            ..self.clone()
        };
        same == *before && self.at.duration_since(before.at) < REPEATED_WITHIN
    }

    /// The lines of `[auth.federation]` or `[auth.entra]` with which it would have been accepted. `audiences` and
    /// `subjects` are what stands there now; subjects that nobody asks for are left alone.
    pub fn lines(&self, audiences: &[String], subjects: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.audience.iter().any(|aud| audiences.contains(aud))
            && let Some(audience) = self.audience.first()
        {
            lines.push(format!("audiences = {}", list(audiences, audience)));
        }
        let asked = self.against == Against::Federation || !subjects.is_empty();
        if let Some(subject) = self
            .subject
            .as_ref()
            .filter(|subject| asked && !subjects.contains(subject))
        {
            lines.push(format!("subjects = {}", list(subjects, subject)));
        }
        lines
    }
}

fn list(there: &[String], new: &str) -> String {
    let items = there.iter().map(String::as_str).chain([new]);
    items.collect::<toml_edit::Array>().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed() -> Observed {
        Observed {
            at: Timestamp::UNIX_EPOCH,
            against: Against::Federation,
            reason: "audience".to_owned(),
            issuer: Some("https://login".to_owned()),
            audience: vec!["2f1c".to_owned()],
            subject: Some("quoted \" subject".to_owned()),
            tenant: None,
            key: "k".to_owned(),
            expires: 0,
        }
    }

    #[test]
    fn the_lines_to_add_keep_what_is_there_and_quote_what_is_new() {
        let lines = observed().lines(&["api://2f1c".to_owned()], &[]);
        assert_eq!(lines[0], "audiences = [\"api://2f1c\", \"2f1c\"]");
        let read: toml::Table = toml::from_str(&lines.join("\n")).unwrap();
        assert_eq!(read["subjects"][0].as_str(), Some("quoted \" subject"));
        let done = observed().lines(&["2f1c".to_owned()], &["quoted \" subject".to_owned()]);
        assert!(done.is_empty(), "{done:?}");
    }

    #[test]
    fn tokens_of_other_tenants_do_not_hide_ones_own() {
        let state = tempfile::tempdir().unwrap();
        let dir = super::super::guard::directory(state.path());
        std::fs::create_dir_all(&dir).unwrap();
        let kept = Observations::open(&dir);
        kept.keep("hr", false, observed());
        let foreign = Observed {
            tenant: Some("other".to_owned()),
            ..observed()
        };
        kept.keep("hr", true, foreign.clone());
        drop(kept);
        Observations::open(&dir).keep("other", false, observed());
        let last = read(state.path(), "hr").unwrap();
        assert_eq!(last.own, Some(observed()));
        assert_eq!(last.foreign, Some(foreign));
    }
}
