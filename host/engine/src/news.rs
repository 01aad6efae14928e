//! What hosts of one store tell each other, so that nobody has to look before there is something to see.
//!
//! It is told after the commit that made it true, and may be lost or late: then it is found out as it is without, by the
//! next beat, the next look, or a count that is read again. So it can say nothing that is not in the store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line between hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub(crate) enum News {
    /// A host has left: its work is anybody's.
    Left,
    /// A turn was given back.
    Turn {
        /// Its name.
        name: String,
    },
    /// Something was disabled or deleted that a breaker counts.
    Marked(Mark),
}

/// What a breaker counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Whose keys it is under.
    pub(crate) space: String,
    /// The resource type.
    pub(crate) ty: String,
    /// The resource.
    pub(crate) id: String,
    /// When it was begun.
    pub(crate) at: Timestamp,
}

impl News {
    pub(crate) fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What a host of another version says may mean nothing here.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_one_line_each_and_unknown_ones_are_let_go_by() {
        let turn = News::Turn {
            name: "a\nb".to_owned(),
        };
        assert!(!turn.line().contains('\n'));
        assert_eq!(News::read(&turn.line()), Some(turn));
        assert_eq!(News::read("{\"news\":\"of-tomorrow\"}"), None);
    }
}
