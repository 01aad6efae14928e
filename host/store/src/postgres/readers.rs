//! Reads: a few sessions that carry many questions at once.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::reach::Reach;
use super::session::Session;
use super::trouble::Trouble;
use crate::range::Bounds;
use crate::{Pair, Range, StoreError};

/// After a failed connection the next one waits so long; whoever comes meanwhile hears of the failure at once.
const COOL: Duration = Duration::from_millis(250);
/// How often a read is asked again on another session: a session that has just died may be found by each slot's turn.
const TRIES: usize = 3;

const GET: &str = "SELECT value FROM pair WHERE key = $1";

/// See the module.
pub(super) struct Readers {
    reach: Arc<Reach>,
    quick: Slots,
    /// Long scans, apart: whoever asks for one key does not wait behind them.
    long: Slots,
}

struct Slots {
    slots: Vec<Mutex<Slot>>,
    next: AtomicUsize,
}

#[derive(Default)]
struct Slot {
    session: Option<Arc<Session>>,
    failed: Option<(Instant, Trouble)>,
}

impl Readers {
    /// A quarter of the connections for quick reads, an eighth for long ones; at least one each.
    pub(super) fn new(reach: Arc<Reach>, connections: usize) -> Self {
        Self {
            reach,
            quick: Slots::new(connections / 4),
            long: Slots::new(connections / 8),
        }
    }

    pub(super) async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.ask(&self.quick, GET, &[&key]).await?;
        rows.first().map(|row| column(row, 0)).transpose()
    }

    pub(super) async fn scan(&self, range: &Range, quick: bool) -> Result<Vec<Pair>, StoreError> {
        let Some(bounds) = range.bounds() else {
            return Ok(Vec::new());
        };
        let limit = range.max().and_then(|limit| i64::try_from(limit).ok());
        let order = if range.is_reverse() { " DESC" } else { "" };
        let (condition, low, high) = condition(&bounds);
        let text =
            format!("SELECT key, value FROM pair WHERE {condition} ORDER BY key{order} LIMIT $3");
        let slots = if quick { &self.quick } else { &self.long };
        let rows = self.ask(slots, &text, &[&low, &high, &limit]).await?;
        rows.iter()
            .map(|row| Ok((column(row, 0)?, column(row, 1)?)))
            .collect()
    }

    pub(super) async fn count(&self, range: &Range) -> Result<u64, StoreError> {
        let Some(bounds) = range.bounds() else {
            return Ok(0);
        };
        let (condition, low, high) = condition(&bounds);
        let text = format!("SELECT count(*) FROM pair WHERE {condition}");
        let rows = self.ask(&self.long, &text, &[&low, &high]).await?;
        let count: i64 = match rows.first() {
            Some(row) => column(row, 0)?,
            None => 0,
        };
        Ok(count.unsigned_abs())
    }

    /// Asks, and asks again when the session turns out to be gone: a read changes nothing.
    async fn ask(
        &self,
        slots: &Slots,
        text: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let session = slots.session(&self.reach).await;
            let session = session.map_err(|why| why.unwritten())?;
            let asked = async {
                let statement = session.statement(text).await?;
                session.rows(&statement, parameters).await
            };
            match asked.await {
                Ok(rows) => return Ok(rows),
                Err(Trouble::Refused(cause)) => return Err(StoreError::Read { cause }),
                Err(why) => {
                    if matches!(why, Trouble::Lost(_)) {
                        slots.forget(&session).await;
                    }
                    if tries == TRIES {
                        return Err(why.unwritten());
                    }
                }
            }
        }
    }
}

impl Slots {
    fn new(count: usize) -> Self {
        Self {
            slots: std::iter::repeat_with(Mutex::default)
                .take(count.max(1))
                .collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// The next session in turn, connected when it is not.
    async fn session(&self, reach: &Reach) -> Result<Arc<Session>, Trouble> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let mut slot = self.slots[turn].lock().await;
        if let Some(session) = &slot.session
            && !session.is_closed()
        {
            return Ok(Arc::clone(session));
        }
        if let Some((at, why)) = &slot.failed
            && at.elapsed() < COOL
        {
            return Err(why.clone());
        }
        match reach.session().await {
            Ok(session) => {
                let session = Arc::new(session);
                *slot = Slot {
                    session: Some(Arc::clone(&session)),
                    failed: None,
                };
                Ok(session)
            }
            Err(why) => {
                *slot = Slot {
                    session: None,
                    failed: Some((Instant::now(), why.clone())),
                };
                Err(why)
            }
        }
    }

    /// Drops a session that has failed.
    async fn forget(&self, gone: &Arc<Session>) {
        for slot in &self.slots {
            let mut slot = slot.lock().await;
            if slot.session.as_ref().is_some_and(|s| Arc::ptr_eq(s, gone)) {
                slot.session = None;
            }
        }
    }
}

/// A range's condition, with its bounds as `$1` and `$2`. An open end is no bound: it has no highest key.
fn condition((low, high): &Bounds) -> (&'static str, &[u8], &[u8]) {
    let (after, low) = match low {
        Bound::Included(key) => (false, key.as_slice()),
        Bound::Excluded(key) => (true, key.as_slice()),
        Bound::Unbounded => (false, [].as_slice()),
    };
    let (text, high) = match (after, high) {
        (false, Bound::Excluded(key)) => ("key >= $1 AND key < $2", key.as_slice()),
        (true, Bound::Excluded(key)) => ("key > $1 AND key < $2", key.as_slice()),
        (false, Bound::Included(key)) => ("key >= $1 AND key <= $2", key.as_slice()),
        (true, Bound::Included(key)) => ("key > $1 AND key <= $2", key.as_slice()),
        // The second parameter must be there to have a type.
        (false, Bound::Unbounded) => ("key >= $1 AND $2::bytea IS NOT NULL", [].as_slice()),
        (true, Bound::Unbounded) => ("key > $1 AND $2::bytea IS NOT NULL", [].as_slice()),
    };
    (text, low, high)
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r Row,
    index: usize,
) -> Result<T, StoreError> {
    row.try_get(index).map_err(|why| StoreError::Read {
        cause: why.to_string().into(),
    })
}
