//! What the sink said, written down: in the people's own state, and in the audit where the sink is not in it by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tombolo_store::key::last_text;
use tombolo_store::{Commit, Range};

use super::FlowError;
use super::book::Book;
use super::change::Change;
use super::definition::Retry;
use super::deliver::Parcel;
use super::person::{LEAVERS, Person, Place, Stage};
use super::sink::{Delivery, Outcomes, Pending, Receipt};
use crate::audit::{Account, Action, By, Outcome, Problem, Tale, Told, Trail, label};

/// When those whom another flow lacked are looked for again.
const LOOK: Duration = Duration::from_mins(5);
/// So many outcomes are asked for together.
const STAGED: usize = 20_000;

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What the sink has taken without saying what became of it, as much as is asked for at a time.
pub(crate) async fn staged(book: &Book) -> Result<Vec<Pending>, FlowError> {
    let range = Range::prefix(book.keys.all_staged()).limit(STAGED);
    let mut pending = Vec::new();
    for (stored, _) in book.store.scan(range).await? {
        let key = last_text(&stored).unwrap_or_default();
        if let Some(person) = book.person(&key).await?
            && let Stage::Staged { since } = person.stage
        {
            pending.push(Pending { key, since });
        }
    }
    Ok(pending)
}

/// See the module.
pub(crate) struct Receipts {
    pub(crate) flow: String,
    pub(crate) kind: String,
    pub(crate) retry: Retry,
    /// Whether records refer to people of this flow.
    pub(crate) own_keys: bool,
    /// None: the sink tells the audit itself.
    pub(crate) trail: Option<Arc<Trail>>,
    pub(crate) totals: Totals,
}

/// What was delivered in this life.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) done: AtomicU64,
    pub(crate) staged: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) put_off: AtomicU64,
}

impl Receipts {
    /// Takes the receipts of a batch.
    pub(crate) async fn take(
        &self,
        book: &Book,
        parcels: Vec<Parcel>,
        receipts: Vec<Receipt>,
    ) -> Result<(), FlowError> {
        let now = Timestamp::now();
        let turn = book.turn.lock().await;
        let mut commit = Commit::new();
        let mut arrived = Vec::new();
        for (parcel, receipt) in parcels.iter().zip(receipts) {
            let key = &parcel.delivery.key;
            self.count(&receipt);
            self.tell(&parcel.delivery, &receipt);
            let Some(old) = book.person(key).await? else {
                continue;
            };
            let mut person = old.clone();
            if let Receipt::Done { id: Some(id), .. } = &receipt
                && person.sink.as_ref() != Some(id)
            {
                person.sink = Some(id.clone());
                arrived.push(key.clone());
            }
            if matches!(receipt, Receipt::Done { id: None, .. }) {
                person.sink = None;
            }
            // What has changed while it was under way is delivered again.
            let current = person.stage == Stage::Queued(parcel.place)
                && person.wanted.as_ref() == Some(&parcel.digest);
            if current {
                self.settle(&mut person, parcel.place, receipt, now);
            }
            commit = book.put(commit, key, Some(&old), Some(&person), None)?;
        }
        book.commit(commit).await?;
        drop(turn);
        self.complete(book, &arrived).await
    }

    fn settle(&self, person: &mut Person, place: Place, receipt: Receipt, now: Timestamp) {
        let date = person.next_date(now);
        match receipt {
            Receipt::Done { lacks, .. } => {
                person.stage = Stage::Done;
                person.attempts = 0;
                person.sent = Some(now);
                // Another flow's people come without this one's knowing.
                let look = (!self.own_keys && !lacks.is_empty()).then(|| later(now, LOOK));
                person.due = [date, look].into_iter().flatten().min();
                person.lacks = lacks;
            }
            Receipt::Staged { at, until } => {
                person.stage = Stage::Staged { since: at };
                person.sent = Some(now);
                person.due = Some(until);
            }
            Receipt::Refused { reason } => self.refuse(person, place, reason, now),
            Receipt::Retry { after, reason } => {
                person.stage = Stage::Failing { place, reason };
                person.due = Some(later(now, after));
            }
        }
    }

    fn refuse(&self, person: &mut Person, place: Place, reason: String, now: Timestamp) {
        person.attempts += 1;
        if person.attempts >= self.retry.attempts {
            person.stage = Stage::Dead { place, reason };
            person.due = person.next_date(now);
            return;
        }
        person.stage = Stage::Failing { place, reason };
        person.due = Some(later(now, self.retry.gap(person.attempts)));
    }

    /// Takes what a staging sink says of what it has taken.
    pub(crate) async fn outcomes(&self, book: &Book, outcomes: Outcomes) -> Result<(), FlowError> {
        let now = Timestamp::now();
        let number = u64::try_from(now.as_microsecond()).unwrap_or(0);
        for told in outcomes.told {
            let _turn = book.turn.lock().await;
            let Some(old) = book.person(&told.key).await? else {
                continue;
            };
            let Stage::Staged { since } = old.stage else {
                continue;
            };
            if told.at < since {
                continue;
            }
            let mut person = old.clone();
            let rank = if person.is_in { 1 } else { LEAVERS };
            self.count(&told.receipt);
            self.tell_of_outcome(&told.key, &person, &told.receipt);
            self.settle(&mut person, Place { rank, number }, told.receipt, now);
            let commit = book.put(Commit::new(), &told.key, Some(&old), Some(&person), None)?;
            book.commit(commit).await?;
        }
        let again = outcomes.again.len();
        for key in outcomes.again {
            let _turn = book.turn.lock().await;
            let Some(old) = book.person(&key).await? else {
                continue;
            };
            if !matches!(old.stage, Stage::Staged { .. }) {
                continue;
            }
            let mut person = old.clone();
            let rank = if person.is_in { 1 } else { LEAVERS };
            person.stage = Stage::Queued(Place { rank, number });
            person.due = person.next_date(now);
            let change = if old.is_in {
                Change::Mover
            } else {
                Change::Leaver
            };
            let commit = book.put(Commit::new(), &key, Some(&old), Some(&person), Some(change))?;
            book.commit(commit).await?;
        }
        if again > 0 {
            tracing::warn!(
                flow = self.flow,
                again,
                "the sink has thrown away what it had taken; it is sent again"
            );
        }
        Ok(())
    }

    /// Whoever was waiting for somebody who is there now is sent again.
    async fn complete(&self, book: &Book, arrived: &[String]) -> Result<(), FlowError> {
        let now = Timestamp::now();
        let number = u64::try_from(now.as_microsecond()).unwrap_or(0);
        for referred in arrived {
            let waiting = book
                .store
                .scan(Range::prefix(book.keys.all_lacking(referred)))
                .await?;
            for (stored, _) in waiting {
                let key = last_text(&stored).unwrap_or_default();
                let _turn = book.turn.lock().await;
                let Some(old) = book.person(&key).await? else {
                    continue;
                };
                let mut person = old.clone();
                person.lacks.retain(|lacked| lacked != referred);
                let change = if old.stage == Stage::Done && person.is_in {
                    person.stage = Stage::Queued(Place { rank: 1, number });
                    Some(Change::Mover)
                } else {
                    None
                };
                let commit = book.put(
                    Commit::new().delete(stored),
                    &key,
                    Some(&old),
                    Some(&person),
                    change,
                )?;
                book.commit(commit).await?;
            }
        }
        Ok(())
    }

    fn count(&self, receipt: &Receipt) {
        let total = match receipt {
            Receipt::Done { .. } => &self.totals.done,
            Receipt::Staged { .. } => &self.totals.staged,
            Receipt::Refused { .. } => &self.totals.refused,
            Receipt::Retry { .. } => &self.totals.put_off,
        };
        total.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, delivery: &Delivery, receipt: &Receipt) {
        let action = match delivery.change {
            Change::Joiner => Action::Create,
            Change::Mover => Action::Update,
            Change::Leaver => Action::Disable,
            Change::Rehire => Action::Enable,
        };
        let name = label(&tombolo_scim::resource::Resource::from_map(
            delivery.record.attributes.clone(),
        ));
        self.write(action, &delivery.key, name, receipt);
    }

    fn tell_of_outcome(&self, key: &str, person: &Person, receipt: &Receipt) {
        let action = if person.is_in {
            Action::Update
        } else {
            Action::Disable
        };
        let record = person.fact.record.attributes.clone();
        let name = label(&tombolo_scim::resource::Resource::from_map(record));
        self.write(action, key, name, receipt);
    }

    fn write(&self, action: Action, key: &str, name: Option<String>, receipt: &Receipt) {
        let Some(trail) = &self.trail else { return };
        let (outcome, reason) = match receipt {
            Receipt::Done { .. } => (Outcome::Success, None),
            Receipt::Staged { .. } => (Outcome::Unknown, None),
            Receipt::Refused { reason } => (Outcome::Failure, Some(reason)),
            // Not tried.
            Receipt::Retry { .. } => return,
        };
        let mut account = self.account(action, key, outcome);
        account.name = name;
        account.problem = reason.map(|reason| Problem {
            status: 400,
            code: None,
            detail: reason.clone(),
        });
        trail.later(account);
    }

    /// An account of something that the flow did by itself.
    pub(crate) fn account(&self, action: Action, key: &str, outcome: Outcome) -> Account {
        let by = By {
            credential: Some(format!("flow {}", self.flow)),
            ..By::default()
        };
        let told = Told::new(action, by, Tale::default());
        told.account(&self.flow, &self.kind, Some(key), outcome)
    }
}
