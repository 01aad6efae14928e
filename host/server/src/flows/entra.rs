//! Entra's inbound provisioning as a sink: records are staged, and what became of them is read from the provisioning log.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tombolo_engine::flow::sink::{
    Delivery, Outcomes as Known, Pending, Receipt, Room, Shape, Sink, SinkError, Told,
};
use tombolo_inbound::budget::{Budget, Priority};
use tombolo_inbound::bulk_upload::{Job, MOST_OPERATIONS, Packing, Record, Stop, pack};
use tombolo_inbound::outcomes::{LogError, Outcome, Outcomes, Patience};
use tombolo_scim::schema::ResourceType;

/// When to look again at what somebody has to put right first.
const BY_HAND: Duration = Duration::from_mins(1);

/// A provisioning job and its log.
pub(super) struct EntraInbound {
    pub(super) identity: String,
    pub(super) job: Job,
    pub(super) log: Outcomes,
    pub(super) budget: Budget,
    pub(super) patience: Patience,
    pub(super) ask_every: Duration,
}

fn until(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()
}

fn after(at: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    at.checked_add(time).unwrap_or(Timestamp::MAX)
}

fn stopped(stop: &Stop) -> SinkError {
    SinkError {
        reason: stop.to_string(),
        after: stop.retry_at().map_or(BY_HAND, until),
    }
}

impl EntraInbound {
    /// Sends some, who share a priority.
    async fn send(
        &self,
        some: impl Iterator<Item = &Delivery>,
        receipts: &mut HashMap<String, Receipt>,
    ) -> Option<Stop> {
        let mut records = Vec::new();
        for delivery in some {
            // Managers and members are named by the source's keys here.
            let attributes = delivery.record.attributes.clone();
            let data = delivery.record.with_nulls(attributes);
            match Record::new(&delivery.key, data, !delivery.is_in) {
                Ok(record) => records.push(record),
                Err(unfit) => {
                    let reason = unfit.to_string();
                    receipts.insert(delivery.key.clone(), Receipt::Refused { reason });
                }
            }
        }
        for batch in pack(records, Packing::default()) {
            let uploaded = self.job.send(batch).await;
            for staged in uploaded.staged {
                let at = staged.at;
                let until = after(at, self.patience.lost + self.patience.lag);
                receipts.insert(staged.key, Receipt::Staged { at, until });
            }
            for refused in uploaded.refused {
                let reason = refused.why;
                receipts.insert(refused.key, Receipt::Refused { reason });
            }
            if let Some(stop) = uploaded.stopped {
                return Some(stop);
            }
        }
        None
    }
}

#[async_trait::async_trait]
impl Sink for EntraInbound {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn shape(&self) -> Result<Shape, String> {
        Ok(Shape {
            ty: ResourceType::user(),
            open: true,
            explicit_active: true,
        })
    }

    fn batch(&self) -> usize {
        MOST_OPERATIONS
    }

    async fn room(&self) -> Result<Room, SinkError> {
        let left = async |priority| {
            let calls = self.budget.left(priority).await.map_err(|why| SinkError {
                reason: why.to_string(),
                after: BY_HAND,
            })?;
            Ok::<_, SinkError>(
                usize::try_from(calls)
                    .unwrap_or(usize::MAX)
                    .saturating_mul(MOST_OPERATIONS),
            )
        };
        Ok(Room {
            anyone: left(Priority::Normal).await?,
            leavers: left(Priority::Leaver).await?,
            next: Some(BY_HAND),
        })
    }

    async fn deliver(&self, batch: &[Delivery]) -> Result<Vec<Receipt>, SinkError> {
        let mut receipts = HashMap::new();
        // Apart, so that the leavers' reserve is theirs.
        let leavers = batch.iter().filter(|delivery| !delivery.is_in);
        let mut stop = self.send(leavers, &mut receipts).await;
        if stop.is_none() {
            let others = batch.iter().filter(|delivery| delivery.is_in);
            stop = self.send(others, &mut receipts).await;
        }
        match stop {
            Some(stop) if receipts.is_empty() => Err(stopped(&stop)),
            stop => Ok(batch
                .iter()
                .map(|delivery| {
                    receipts.remove(&delivery.key).unwrap_or_else(|| {
                        let why = stop.as_ref().map(stopped);
                        Receipt::Retry {
                            after: why.as_ref().map_or(BY_HAND, |why| why.after),
                            reason: why
                                .map_or_else(|| "it was not sent".to_owned(), |why| why.reason),
                        }
                    })
                })
                .collect()),
        }
    }

    fn asks_every(&self) -> Option<Duration> {
        Some(self.ask_every)
    }

    async fn outcomes(&self, pending: &[Pending]) -> Result<Known, SinkError> {
        let pending: Vec<_> = pending
            .iter()
            .map(|pending| tombolo_inbound::outcomes::Pending {
                key: pending.key.clone(),
                staged: pending.since,
            })
            .collect();
        let poll = self.log.poll(&pending).await.map_err(|why| SinkError {
            after: match &why {
                LogError::Unavailable { until: at, .. } => until(*at),
                _ => BY_HAND,
            },
            reason: why.to_string(),
        })?;
        if let Some(hint) = &poll.hint {
            tracing::warn!(sink = self.identity, waiting = poll.waiting, "{hint}");
        }
        Ok(Known {
            told: poll.outcomes.into_iter().map(told).collect(),
            again: poll.send_again,
        })
    }
}

fn told(outcome: Outcome) -> Told {
    let receipt = if outcome.is_in_sync {
        Receipt::Done {
            id: outcome.target_id,
            lacks: Vec::new(),
        }
    } else {
        Receipt::Refused {
            reason: outcome.sentence,
        }
    };
    Told {
        key: outcome.key,
        at: outcome.at,
        receipt,
    }
}
