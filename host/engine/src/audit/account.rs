//! What is told of one step of an operation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tombolo_scim::resource::Resource;

/// On whose behalf something is done. No credential: its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The request's id in this host's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// Entra's id of the operation: the provisioning log has it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// The name of the credential in the app's file; none: the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The administrator who gave the order on the host's own command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// What was done, or was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A new object.
    Create,
    /// Other values.
    Update,
    /// `active` became false.
    Disable,
    /// `active` became true.
    Enable,
    /// The object's end.
    Delete,
    /// Members came or went.
    Members,
    /// A password was set; it is written nowhere.
    Password,
    /// A first password was given to somebody, who from then on alone has it.
    HandOver,
    /// The target turned out to have the object no more; its link ended.
    Vanish,
    /// The breaker kept something back.
    Hold,
    /// Somebody had it dropped; or its client did.
    Reject,
    /// The app's writes were stopped.
    Pause,
    /// They were let through again.
    Resume,
    /// Old accounts were let go.
    Retention,
    /// The target was read; what came of it is in `after`.
    Import,
    /// An account that was in the target before became a client's.
    Adopt,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is so.
    Success,
    /// It was so already.
    Unchanged,
    /// It is not so, and `problem` says why.
    Failure,
    /// Nobody knows yet; an account of how it was settled follows.
    Unknown,
    /// It waits for somebody's decision.
    Held,
    /// The app is not for this resource: the host keeps what it was told, and the target has nothing of it.
    Skipped,
}

/// One call of the connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMade {
    /// Which.
    pub call: String,
    /// What it took, in microseconds.
    pub us: u64,
    /// `ok`, or what the target answered instead.
    pub answer: String,
}

/// Who came to a group and who left it, by SCIM id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// Why it failed, as the client was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The status of the answer.
    pub status: u16,
    /// SCIM's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// In words.
    pub detail: String,
}

/// See the module. Values that are only ever written, such as passwords, are not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Its id, by which it can be taken back.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// In which app.
    pub app: String,
    /// On whose behalf.
    pub by: By,
    /// What.
    pub action: Action,
    /// The resource type.
    pub kind: String,
    /// The SCIM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The target's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// A name by which people know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// A crash or a lost answer came between; the target was asked what is true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
    /// What the whole operation had taken by then, in microseconds.
    pub us: u64,
    /// The connector's calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallMade>,
    /// The attributes that changed, as they were.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub before: Map<String, Value>,
    /// The attributes that changed, as they became.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub after: Map<String, Value>,
    /// Who came and who left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
    /// The groups that a deleted resource was in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The account that this takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// What was held, approved or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

/// What became of a resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) before: Map<String, Value>,
    pub(crate) after: Map<String, Value>,
    pub(crate) members: Option<Members>,
    pub(crate) groups: Vec<String>,
}

impl Change {
    /// The attributes in which the two differ. Both come from the mirror, which has no secrets.
    pub(crate) fn between(old: &Resource, new: &Resource) -> Self {
        let (old, new) = (old.as_map(), new.as_map());
        let differing = |of: &Map<String, Value>, other: &Map<String, Value>| {
            of.iter()
                .filter(|(name, value)| other.get(*name) != Some(value))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        Self {
            before: differing(old, new),
            after: differing(new, old),
            ..Self::default()
        }
    }
}

/// A name by which people know a resource.
pub(crate) fn label(resource: &Resource) -> Option<String> {
    ["userName", "displayName", "externalId"]
        .iter()
        .find_map(|name| resource.get(name)?.as_str().map(str::to_owned))
}
