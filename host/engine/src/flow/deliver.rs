//! From the queue to the sink.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tombolo_store::key::{last_text, segments};
use tombolo_store::{Commit, Range, Store};

use super::FlowError;
use super::book::{Book, decode};
use super::change::{Change, Word, decide};
use super::definition::Definition;
use super::keys::FlowKeys;
use super::person::{LEAVERS, Person, Place, Stage};
use super::sink::{Delivery, Sink};

/// People whose time has come, looked at together.
const DUE: usize = 200;

/// One delivery, and what it was made of: what has changed meanwhile is delivered anew.
pub(crate) struct Parcel {
    pub(crate) delivery: Delivery,
    pub(crate) place: Place,
    pub(crate) digest: String,
}

/// How emptying the queue went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Emptied {
    /// Nothing waits that could go.
    Nothing,
    /// So many were delivered; there may be more.
    Some(usize),
    /// The sink takes nothing for so long.
    Paused(Duration, String),
}

/// What is next, as much as there is room for: leavers first.
pub(crate) async fn parcels(
    book: &Book,
    definition: &Definition,
    referred: &FlowKeys,
    anyone: usize,
    leavers: usize,
) -> Result<Vec<Parcel>, FlowError> {
    let mut pairs = Vec::new();
    if leavers > 0 {
        let first = Range::prefix(book.keys.queue())
            .until(book.keys.after_leavers())
            .limit(leavers);
        pairs = book.store.scan(first).await?;
    }
    let left = anyone.saturating_sub(pairs.len());
    if left > 0 {
        let rest = Range::prefix(book.keys.queue())
            .from(book.keys.after_leavers())
            .limit(left);
        pairs.extend(book.store.scan(rest).await?);
    }
    let now = Timestamp::now();
    let mut parcels = Vec::with_capacity(pairs.len());
    for (stored, change) in pairs {
        let key = last_text(&stored).unwrap_or_default();
        let change: Change = decode(&change)?;
        let person = book.person(&key).await?;
        let parcel = match person {
            Some(person) => {
                parcel(
                    &*book.store,
                    definition,
                    referred,
                    &key,
                    change,
                    person,
                    now,
                )
                .await?
            }
            None => None,
        };
        match parcel {
            Some(parcel) if place_of(&stored) == Some(parcel.place) => parcels.push(parcel),
            // Nobody's any more.
            _ => book.commit(Commit::new().delete(stored)).await?,
        }
    }
    Ok(parcels)
}

fn place_of(stored: &[u8]) -> Option<Place> {
    let parts = segments(stored)?;
    let mut numbers = parts
        .iter()
        .filter_map(tombolo_store::key::Segment::as_number);
    Some(Place {
        rank: numbers.next()?,
        number: numbers.next()?,
    })
}

async fn parcel(
    store: &dyn Store,
    definition: &Definition,
    referred: &FlowKeys,
    key: &str,
    change: Change,
    person: Person,
    now: Timestamp,
) -> Result<Option<Parcel>, FlowError> {
    let (Stage::Queued(place), Some(digest)) = (&person.stage, &person.wanted) else {
        return Ok(None);
    };
    let record = match person.aim(now) {
        Some(aim) => aim.record,
        None if person.is_in => person.fact.record.clone(),
        None => person.fact.record.left(),
    };
    let mut references = BTreeMap::new();
    let members = record.members().map(str::to_owned);
    let manager = record.manager().map(str::to_owned);
    for other in members.chain(manager) {
        if let Some(bytes) = store.get(&referred.person(&other)).await?
            && let Some(id) = decode::<Person>(&bytes)?.sink
        {
            references.insert(other, id);
        }
    }
    let request = format!("{}-{digest}-{}", definition.name, place.number);
    Ok(Some(Parcel {
        place: *place,
        digest: digest.clone(),
        delivery: Delivery {
            key: key.to_owned(),
            change,
            record,
            is_in: person.is_in,
            sink: person.sink.clone(),
            references,
            actions: definition.actions,
            leave: definition.leavers,
            request,
        },
    }))
}

/// Delivers one batch.
pub(crate) async fn deliver(
    book: &Book,
    definition: &Definition,
    referred: &FlowKeys,
    sink: &dyn Sink,
    receipts: &super::receipts::Receipts,
) -> Result<Emptied, FlowError> {
    let any = Range::prefix(book.keys.queue()).limit(1);
    if book.store.scan(any).await?.is_empty() {
        return Ok(Emptied::Nothing);
    }
    let room = match sink.room().await {
        Ok(room) => room,
        Err(why) => return Ok(Emptied::Paused(why.after, why.reason)),
    };
    let batch = sink.batch();
    let (anyone, leavers) = (room.anyone.min(batch), room.leavers.min(batch));
    let parcels = parcels(book, definition, referred, anyone, leavers).await?;
    if parcels.is_empty() {
        let wait = room.next.unwrap_or(Duration::from_secs(5));
        return Ok(if anyone == 0 {
            Emptied::Paused(wait, "the sink's budget is used up for now".to_owned())
        } else {
            // What was there was nobody's: look again.
            Emptied::Some(0)
        });
    }
    let deliveries: Vec<Delivery> = parcels.iter().map(|p| p.delivery.clone()).collect();
    match sink.deliver(&deliveries).await {
        Ok(said) => {
            let count = parcels.len();
            receipts.take(book, parcels, said).await?;
            Ok(Emptied::Some(count))
        }
        Err(why) => Ok(Emptied::Paused(why.after, why.reason)),
    }
}

/// Looks at everybody whose time has come: a first day, a last day, another try, an outcome that did not come.
/// How many were looked at.
pub(crate) async fn fall_due(book: &Book, now: Timestamp) -> Result<usize, FlowError> {
    let range = Range::prefix(book.keys.all_due())
        .until(book.keys.due_from(now))
        .limit(DUE);
    let found = book.store.scan(range).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let _turn = book.turn.lock().await;
    let number = u64::try_from(now.as_microsecond()).unwrap_or(0);
    let mut mark = book.watermark().await?;
    let mut commit = Commit::new();
    let count = found.len();
    for (stored, _) in found {
        let key = last_text(&stored).unwrap_or_default();
        commit = commit.delete(stored);
        let Some(old) = book.person(&key).await? else {
            continue;
        };
        if old.due.is_none_or(|due| due > now) {
            continue;
        }
        let mut person = old.clone();
        person.due = person.next_date(now);
        let again = match &person.stage {
            Stage::Failing { place, .. } => Some(*place),
            Stage::Staged { .. } => Some(Place {
                rank: if person.is_in { 1 } else { LEAVERS },
                number,
            }),
            Stage::Done if !person.lacks.is_empty() => Some(Place { rank: 1, number }),
            _ => None,
        };
        if let Some(place) = again {
            person.stage = Stage::Queued(place);
        }
        let change = if old.is_in {
            Change::Mover
        } else {
            Change::Leaver
        };
        // The date may be the reason, or have come meanwhile.
        let place = Place { rank: 1, number };
        let decision = decide(Some(&person), Word::Silence, now, book.actions, place);
        let (new, change) = match (decision.person, decision.change) {
            (Some(new), Some(change)) => (Some(new), Some(change)),
            (new, None) => (new, again.map(|_| change)),
            (None, Some(_)) => (None, None),
        };
        let is_in = new.as_ref().is_some_and(|new| new.is_in);
        if old.is_in && !is_in {
            commit = commit.put(book.keys.left(now, &key), "");
            mark.population = mark.population.saturating_sub(1);
        } else if !old.is_in && is_in {
            mark.population += 1;
        }
        commit = book.put(commit, &key, Some(&old), new.as_ref(), change)?;
    }
    mark.clock = Some(now);
    book.commit(book.with_watermark(commit, &mark)?).await?;
    Ok(count)
}

/// Puts those back into the queue whom the sink has refused; all of them, or these. How many there were.
pub(crate) async fn again(book: &Book, keys: Option<&[String]>) -> Result<u64, FlowError> {
    let mut count = 0;
    let failed =
        |person: &Person| matches!(person.stage, Stage::Failing { .. } | Stage::Dead { .. });
    let mut names = Vec::new();
    if let Some(keys) = keys {
        names.extend(keys.iter().cloned());
    } else {
        let mut after = None;
        loop {
            let page = book.people(after.take(), 1000).await?;
            let Some((last, ..)) = page.last() else { break };
            after = Some(last.clone());
            let failed = page.into_iter().filter(|(_, _, person)| failed(person));
            names.extend(failed.map(|(_, key, _)| key));
        }
    }
    for key in names {
        let _turn = book.turn.lock().await;
        let Some(old) = book.person(&key).await? else {
            continue;
        };
        let (Stage::Failing { place, .. } | Stage::Dead { place, .. }) = &old.stage else {
            continue;
        };
        let mut person = old.clone();
        person.stage = Stage::Queued(*place);
        person.attempts = 0;
        person.due = person.next_date(Timestamp::now());
        let change = if old.is_in {
            Change::Mover
        } else {
            Change::Leaver
        };
        let commit = book.put(Commit::new(), &key, Some(&old), Some(&person), Some(change))?;
        book.commit(commit).await?;
        count += 1;
    }
    Ok(count)
}
