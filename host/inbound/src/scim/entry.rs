//! What is wanted of one user or group, and what came of it.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::session::Silent;
use crate::shared::SharedError;

/// A resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `/Users`
    User,
    /// `/Groups`
    Group,
}

/// One user or group, as the source wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The source's key: `externalId`.
    pub key: String,
    /// What it is.
    pub kind: Kind,
    /// The server's id, if it is known from earlier.
    pub id: Option<String>,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What is wanted of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// It is there, and like this.
    Present {
        /// Its attributes; `null` clears one. What is not named stays. `password` is sent when the resource is created.
        resource: Map<String, Value>,
        /// Of a group, who is in it.
        members: Option<Members>,
    },
    /// It is not there.
    Absent,
}

/// Who is in a group; by the server's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// These and nobody else: the server is asked who is in it.
    Exactly(Vec<String>),
    /// These come and those go: nobody is asked.
    Change {
        /// Who comes.
        add: Vec<String>,
        /// Who goes.
        remove: Vec<String>,
    },
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is new.
    Created {
        /// The server's id.
        id: String,
    },
    /// It was changed.
    Updated {
        /// The server's id.
        id: String,
    },
    /// It was as wanted.
    Unchanged {
        /// The server's id.
        id: String,
    },
    /// It is gone, now or before.
    Deleted,
}

/// An entry that the server will not have as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The source's key.
    pub key: String,
    /// Why.
    pub why: String,
}

/// What became of some entries.
#[derive(Debug, Default)]
pub struct Applied {
    /// Done, by key.
    pub done: Vec<(String, Done)>,
    /// Refused.
    pub refused: Vec<Refused>,
    /// Not tried, or not known to be done: to be applied again.
    pub left: Vec<Entry>,
    /// Why something is left.
    pub stopped: Option<Stop>,
}

/// Why nothing more is tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// No answer.
    #[error("the SCIM server: {0}")]
    Silent(#[from] Silent),
    /// 403.
    #[error("the SCIM server forbids it: {0}")]
    Forbidden(String),
    /// It is no SCIM server.
    #[error("this is no SCIM 2.0 server: {0}; check the base URL")]
    NotScim(String),
    /// The cost cannot be written down.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

impl Stop {
    /// When trying again makes sense; nothing where somebody has to do something first.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::Silent(Silent::Unavailable { until, .. }) => Some(*until),
            _ => None,
        }
    }
}
