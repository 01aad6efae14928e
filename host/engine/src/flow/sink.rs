//! Where records go.
//!
//! A sink takes deliveries and says of each what became of it. One that only stages them (Entra's inbound provisioning
//! answers 202) says later, in its outcomes. It may be given the same delivery twice, and that must do no harm.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
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
    /// The sink has taken it, and will say what became of it, by then.
    Staged {
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
