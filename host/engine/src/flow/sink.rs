//! Where records go.
//!
//! A sink takes deliveries and says of each what became of it. One that only stages them (Entra's inbound provisioning
//! answers 202) says later, in its outcomes. It may be given the same delivery twice, and that must do no harm.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tombolo_scim::schema::ResourceType;

use super::change::Change;
use super::definition::{Actions, Leave};
use super::form::Record;

/// What is to be done for one person.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The source's key: the external id.
    pub key: String,
    /// What happened.
    pub change: Change,
    /// The whole record. Of somebody who is out it says so.
    pub record: Record,
    /// Whether the person is in.
    pub is_in: bool,
    /// The sink's own id, if it has told it.
    pub sink: Option<String>,
    /// The sink's ids of those whom the record refers to, by key, as far as they are known.
    pub references: BTreeMap<String, String>,
    /// What may be done.
    pub actions: Actions,
    /// What becomes of those who are out.
    pub leave: Leave,
    /// The same whenever the same change is delivered again.
    pub request: String,
}

impl Delivery {
    /// The record's attributes, with the sink's ids for those whom it refers to; and the keys that it has no id for.
    pub fn referring(&self) -> (Map<String, Value>, Vec<String>) {
        let mut body = self.record.attributes.clone();
        let mut lacks = Vec::new();
        refer(&mut body, &mut |key: &str| {
            let id = self.references.get(key).cloned();
            if id.is_none() {
                lacks.push(key.to_owned());
            }
            id
        });
        (body, lacks)
    }
}

/// Puts ids in the place of the keys of managers and members; whoever has none is left out.
fn refer(body: &mut Map<String, Value>, known: &mut impl FnMut(&str) -> Option<String>) {
    let mut unknown = false;
    if let Some(manager) = body.get_mut("manager").and_then(Value::as_object_mut)
        && let Some(key) = manager.get("value").and_then(Value::as_str)
    {
        match known(key) {
            Some(id) => {
                manager.insert("value".to_owned(), id.into());
            }
            None => unknown = true,
        }
    }
    if unknown {
        body.remove("manager");
    }
    if let Some(members) = body.get_mut("members").and_then(Value::as_array_mut) {
        members.retain_mut(|member| {
            let id = member
                .get("value")
                .and_then(Value::as_str)
                .and_then(&mut *known);
            id.is_some_and(|id| {
                member["value"] = id.into();
                true
            })
        });
    }
    let extensions = body.iter_mut().filter(|(name, _)| name.contains(':'));
    for extension in extensions.filter_map(|(_, value)| value.as_object_mut()) {
        refer(extension, known);
    }
}

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The sink has it.
    Done {
        /// The sink's own id; none: it has nobody, and that is right.
        id: Option<String>,
        /// The keys that the record refers to and the sink does not have.
        lacks: Vec<String>,
    },
    /// The sink has taken it, and will say what became of it.
    Staged {
        /// When, by the sink's clock.
        at: Timestamp,
        /// When nothing that was said until then will be said any more.
        until: Timestamp,
    },
    /// The sink does not want it like this.
    Refused {
        /// Why, for a person.
        reason: String,
    },
    /// Not now.
    Retry {
        /// When.
        after: Duration,
        /// Why not now.
        reason: String,
    },
}

/// The sink as a whole fails: nothing of the batch counts as tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SinkError {
    /// Why, for a person.
    pub reason: String,
    /// When to try again.
    pub after: Duration,
}

/// How much may be delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// So many, whoever they are.
    pub anyone: usize,
    /// So many leavers: at least as many, because a reserve is kept for them.
    pub leavers: usize,
    /// When there is more.
    pub next: Option<Duration>,
}

impl Room {
    /// As many as fit into a batch.
    pub const ENOUGH: Self = Self {
        anyone: usize::MAX,
        leavers: usize::MAX,
        next: None,
    };
}

/// A delivery that the sink has staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose.
    pub key: String,
    /// When it was staged.
    pub since: Timestamp,
}

/// What became of staged deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// What was told.
    pub told: Vec<Told>,
    /// Whose will never be told, because the sink has thrown it away: it is sent again.
    pub again: Vec<String>,
}

/// What became of one staged delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whose.
    pub key: String,
    /// When it was settled: what was staged after that is another.
    pub at: Timestamp,
    /// What became of it: done, or refused.
    pub receipt: Receipt,
}

/// What a sink's records look like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Their resource type.
    pub ty: ResourceType,
    /// Whether attributes under other URNs are taken too.
    pub open: bool,
    /// Whether each record must say whether the account is active: one that does not disables it.
    pub explicit_active: bool,
}

/// See the module.
#[async_trait::async_trait]
pub trait Sink: Send + Sync {
    /// Where it leads to; the same over restarts.
    fn identity(&self) -> String;

    /// What its records look like.
    ///
    /// # Errors
    /// Why nobody can say at present.
    fn shape(&self) -> Result<Shape, String>;

    /// How many deliveries it takes at once.
    fn batch(&self) -> usize;

    /// Whether what it does is in the audit without the flow's doing.
    fn is_audited(&self) -> bool {
        false
    }

    /// How much may be delivered now.
    ///
    /// # Errors
    /// Nobody can say.
    async fn room(&self) -> Result<Room, SinkError> {
        Ok(Room::ENOUGH)
    }

    /// Delivers; as many receipts as deliveries, in their order.
    ///
    /// # Errors
    /// The sink cannot be reached, or refuses all of it.
    async fn deliver(&self, batch: &[Delivery]) -> Result<Vec<Receipt>, SinkError>;

    /// How often to ask for outcomes; none: it stages nothing.
    fn asks_every(&self) -> Option<Duration> {
        None
    }

    /// What became of these; who is not told of is asked for again.
    ///
    /// # Errors
    /// It cannot be asked.
    async fn outcomes(&self, pending: &[Pending]) -> Result<Outcomes, SinkError> {
        let _ = pending;
        Ok(Outcomes::default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn a_manager_that_is_not_there_is_left_out_and_named() {
        let mut body = map(json!({
            "manager": {"value": "9"},
            "urn:x": {"manager": {"value": "1"}},
            "members": [{"value": "1"}, {"value": "2"}],
        }));
        let mut lacked = Vec::new();
        refer(&mut body, &mut |key: &str| {
            let id = (key == "1").then(|| "id-1".to_owned());
            if id.is_none() {
                lacked.push(key.to_owned());
            }
            id
        });
        assert_eq!(
            Value::Object(body),
            json!({"urn:x": {"manager": {"value": "id-1"}}, "members": [{"value": "id-1"}]})
        );
        assert_eq!(lacked, ["9", "2"]);
    }
}
