//! What has changed since: each page is queued, and the token behind it moves, in one commit.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tombolo_runtime::contract::{Change, Entry};
use tombolo_store::Commit;

use super::FlowError;
use super::book::{Book, Said};
use super::change::Word;
use super::definition::Definition;
use super::guard::Accept;
use super::person::Place;
use super::reading::{Reader, Seen};
use super::report::Run;
use crate::convert;

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// To the end.
    All,
    /// The source does not know the token any more: everything has to be read.
    TokenLost,
}

/// Reads all changes behind the watermark's token. `queued` is called after each page.
pub(crate) async fn follow(
    definition: &Definition,
    book: &Book,
    reader: &Reader<'_>,
    stop: &CancellationToken,
    accept: Accept,
    run: &mut Run,
    queued: impl Fn(),
) -> Result<Followed, FlowError> {
    loop {
        if stop.is_cancelled() {
            return Err(FlowError::Stopped);
        }
        let mut mark = book.watermark().await?;
        let Some(changes) = reader.source.since(mark.token.as_deref()).await? else {
            return Ok(Followed::TokenLost);
        };
        let now = Timestamp::now();
        let number = u64::try_from(now.as_microsecond()).unwrap_or(0);
        let place = Place { rank: 1, number };
        let (mut said, mut anchors) = (Vec::new(), Commit::new());
        for change in &changes.changes {
            run.read += 1;
            let found = match change {
                Change::Changed(entry) => changed(book, reader, entry, run).await?,
                Change::Gone(anchor) => gone(book, anchor).await?,
            };
            if let Some((key, word)) = found {
                if let Word::Has(fact) = &word {
                    // At once: the next on the same page may refer to it.
                    anchors = anchors.put(book.keys.anchor(&fact.anchor), key.as_str());
                }
                said.push(Said { key, word, place });
            }
        }
        let done = !changes.more;
        // The same token and nothing said: there is nothing to remember.
        let same = mark.token.as_deref() == Some(changes.token.as_str());
        if same && said.is_empty() {
            return Ok(Followed::All);
        }
        mark.token = Some(changes.token);
        let guard = Some((&definition.limit, accept));
        let outlook = book.say(said, anchors, &mut mark, guard).await?;
        run.counts.include(&outlook.counts);
        queued();
        if done {
            return Ok(Followed::All);
        }
        if same {
            return Err(FlowError::Source(
                "it says that there are more changes and does not come to them".to_owned(),
            ));
        }
    }
}

async fn changed(
    book: &Book,
    reader: &Reader<'_>,
    entry: &Entry,
    run: &mut Run,
) -> Result<Option<(String, Word)>, FlowError> {
    match reader.read(entry).await? {
        Seen::In(reading) => {
            let key = reading.key;
            if is_anothers(book, reader, &key, &entry.anchor).await? {
                run.unusable(
                    &key,
                    "the source has this key more than once; nothing is sent of it",
                );
                return Ok(None);
            }
            Ok(Some((key, Word::Has(reading.fact))))
        }
        Seen::Out { key } => Ok(owned(book, &key, &entry.anchor)
            .await?
            .then_some((key, Word::HasNot))),
        Seen::Unusable { key, why } => {
            run.unusable(&key, why);
            Ok(None)
        }
        Seen::NoKey { why } => {
            run.unusable(&entry.anchor, why);
            Ok(None)
        }
    }
}

async fn gone(book: &Book, anchor: &str) -> Result<Option<(String, Word)>, FlowError> {
    let Some(key) = book.key_of(anchor).await? else {
        return Ok(None);
    };
    let his = owned(book, &key, anchor).await?;
    Ok(his.then_some((key, Word::HasNot)))
}

/// Whether the key is known as this object's.
async fn owned(book: &Book, key: &str, anchor: &str) -> Result<bool, FlowError> {
    let person = book.person(key).await?;
    Ok(person.is_some_and(|person| person.fact.anchor == anchor))
}

/// Whether another object that is still there has the key. One that was renamed is not there any more.
async fn is_anothers(
    book: &Book,
    reader: &Reader<'_>,
    key: &str,
    anchor: &str,
) -> Result<bool, FlowError> {
    let Some(person) = book.person(key).await? else {
        return Ok(false);
    };
    if person.fact.anchor == anchor || !person.present {
        return Ok(false);
    }
    let other = reader.source.get(&person.fact.anchor).await?;
    let other = other.map(|entry| reader.key(&convert::object(&entry)));
    Ok(matches!(other, Some(Ok(Some(found))) if found == key))
}
