//! Every object of a kind, page by page.
//!
//! A walk is held by its cursor alone, which is the connector's and outlives an instance, a reload and a restart: whoever
//! writes it down goes on from there. However long the listing is, a walk keeps two cursors and one page.

use tombolo_runtime::contract::{Entry, Query};
use tombolo_runtime::{Call, CallError, Connector};

/// Entries asked for at a time.
pub(crate) const PAGE: u32 = 500;
/// A connector that goes on and on without an entry has none.
const EMPTY: u32 = 1000;

/// A walk over one kind.
pub(crate) struct Walk {
    kind: String,
    at: At,
    circle: Circle,
    empty: u32,
}

/// Where a walk is.
enum At {
    /// The next page begins behind this cursor; none: it is the first.
    Page(Option<String>),
    End(End),
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connector has shown everything.
    Whole,
    /// It leads round in a circle, or nowhere: what it has not shown may be there all the same.
    Astray,
}

impl Walk {
    /// From the beginning, or from where an earlier walk was.
    pub(crate) fn new(kind: &str, cursor: Option<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            circle: Circle::new(cursor.clone()),
            at: At::Page(cursor),
            empty: 0,
        }
    }

    /// The next page; none when the walk has ended.
    pub(crate) async fn next(
        &mut self,
        connector: &Connector,
        call: &Call,
    ) -> Result<Option<Vec<Entry>>, CallError> {
        let At::Page(cursor) = &self.at else {
            return Ok(None);
        };
        let query = Query {
            filter: None,
            attributes: Vec::new(),
            cursor: cursor.clone(),
            limit: PAGE,
        };
        let page = connector.search(call, &self.kind, query).await?;
        self.empty = if page.entries.is_empty() {
            self.empty + 1
        } else {
            0
        };
        self.at = match page.cursor {
            None => At::End(End::Whole),
            Some(next) if self.circle.closes(&next) || self.empty > EMPTY => {
                tracing::warn!(
                    kind = self.kind,
                    "the connector's listing leads round in a circle or nowhere; it is taken for cut short"
                );
                At::End(End::Astray)
            }
            Some(next) => At::Page(Some(next)),
        };
        Ok(Some(page.entries))
    }

    /// Where to go on: the cursor of the next page.
    pub(crate) fn cursor(&self) -> Option<&str> {
        match &self.at {
            At::Page(cursor) => cursor.as_deref(),
            At::End(_) => None,
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<End> {
        match &self.at {
            At::Page(_) => None,
            At::End(end) => Some(*end),
        }
    }
}

/// Finds a circle with one cursor remembered: it is moved to where the walk is after one step, two, four, … (Brent).
struct Circle {
    remembered: Option<String>,
    steps: u64,
    until: u64,
}

impl Circle {
    fn new(start: Option<String>) -> Self {
        Self {
            remembered: start,
            steps: 0,
            until: 1,
        }
    }

    /// Whether the walk has been at `next` before.
    fn closes(&mut self, next: &str) -> bool {
        if self.remembered.as_deref() == Some(next) {
            return true;
        }
        self.steps += 1;
        if self.steps == self.until {
            self.remembered = Some(next.to_owned());
            self.steps = 0;
            self.until = self.until.saturating_mul(2);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many steps it takes to see that cursors which repeat after `tail`, every `round`, do so.
    fn seen_after(tail: usize, round: usize) -> usize {
        let mut circle = Circle::new(None);
        for step in 0..10_000 {
            let at = if step < tail {
                step
            } else {
                tail + (step - tail) % round
            };
            if circle.closes(&at.to_string()) {
                return step;
            }
        }
        panic!("a circle of {round} behind {tail} was not seen");
    }

    #[test]
    fn every_circle_is_seen_within_a_few_rounds_and_a_line_is_none() {
        for tail in [0, 1, 5, 100] {
            for round in [1, 2, 3, 64] {
                let steps = seen_after(tail, round);
                assert!(steps <= 4 * (tail + round) + 4, "{tail} {round}: {steps}");
            }
        }
        let mut line = Circle::new(None);
        assert!((0..10_000).all(|n| !line.closes(&n.to_string())));
    }
}
