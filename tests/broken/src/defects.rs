//! Defects that need more than a line: of listings and filters, of values, and of what lives too long.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use tombolo_sdk::filter::fold_case;
use tombolo_sdk::schema::Kind;
use tombolo_sdk::{
    Attributes, Comparison, Entry, Failure, Filter, Node, Page, Query, Result, Scalar, Value, state,
};

use crate::{Broken, keep};

thread_local! {
    /// What an instance keeps although it promises nothing.
    static KEPT: RefCell<Option<Entry>> = const { RefCell::new(None) };
    static HOARD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static CURSORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

static CALLS: AtomicU64 = AtomicU64::new(0);

impl Broken {
    /// A lost answer told as the target's verdict.
    pub(crate) fn honestly<T>(&self, came: Result<T>) -> Result<T> {
        came.map_err(|failure| {
            if self.is("lost-is-invalid") && failure.is(tombolo_sdk::Fault::Unavailable) {
                Failure::invalid(failure.message)
            } else {
                failure
            }
        })
    }

    /// What gets worse with every call.
    pub(crate) fn wear(&self) {
        if self.is("handles-leak") {
            std::mem::forget(tombolo_sdk::secret("key"));
        }
        if self.is("memory-leaks") {
            HOARD.with_borrow_mut(|hoard| hoard.push(vec![1; 48 << 10]));
        }
        if self.is("calls-slow-down") {
            let calls = CALLS.fetch_add(1, Ordering::Relaxed);
            spin(calls * 40_000);
        }
    }

    /// A lock in the state that only the end of the call would open.
    pub(crate) fn locked(&self) -> Result<()> {
        if self.is("locks-stay") {
            if state::get("lock")?.is_some() {
                return Err(Failure::busy("somebody else is reading"));
            }
            state::put("lock", b"")?;
            spin(40_000_000);
            state::delete("lock")?;
        }
        Ok(())
    }

    /// The first object that this instance has seen, whatever was asked for.
    pub(crate) fn remembered(&self, entry: Entry) -> Entry {
        if !self.is("instances-remember") {
            return entry;
        }
        KEPT.with_borrow_mut(|kept| kept.get_or_insert(entry).clone())
    }

    /// Writes one half, and then the other.
    pub(crate) fn stumble(&self, kind: &str, entry: &Entry) -> Result<()> {
        if self.is("writes-by-halves") {
            let mut half = entry.clone();
            half.attributes
                .retain(|held| held.name == "login" || (kind == "group" && held.name == "label"));
            half = half.with(if kind == "group" { "about" } else { "remark" }, "half");
            half.attributes
                .retain(|held| !(held.name == "label" && kind == "user"));
            half = if kind == "user" {
                half.with("label", "half")
            } else {
                half
            };
            keep::put(kind, &half)?;
            spin(40_000_000);
        }
        Ok(())
    }

    /// Changes whoever comes first.
    pub(crate) fn spoil(kind: &str, anchor: &str) -> Result<()> {
        let name = if kind == "group" { "about" } else { "remark" };
        for mut other in keep::all(kind)?
            .into_iter()
            .filter(|other| other.anchor != anchor)
            .take(3)
        {
            other.attributes.retain(|held| held.name != name);
            keep::put(kind, &other.with(name, "spoilt"))?;
        }
        Ok(())
    }

    /// Values that are not what was given.
    pub(crate) fn mangle(&self, entry: &mut Entry) {
        for held in &mut entry.attributes {
            for value in &mut held.values {
                match value {
                    Value::Simple(Scalar::Text(text)) => {
                        if self.is("values-are-trimmed") {
                            *text = text.trim().to_owned();
                        }
                        if self.is("values-are-cut") {
                            *text = text.chars().take(255).collect();
                        }
                        if self.is("markup-is-stripped") {
                            *text = text.replace(['<', '>'], "");
                        }
                        if self.is("emoji-are-questions") {
                            *text = text
                                .chars()
                                .map(|c| if c.len_utf8() > 3 { '?' } else { c })
                                .collect();
                        }
                    }
                    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
                    // the defect itself
                    Value::Simple(Scalar::Integer(number)) if self.is("numbers-are-floats") => {
                        *number = *number as f64 as i64;
                    }
                    _ => {}
                }
            }
        }
    }

    /// One page of a listing.
    pub(crate) fn page(&self, kind: &Kind, mut entries: Vec<Entry>, query: &Query) -> Result<Page> {
        let filter = query
            .filter
            .as_deref()
            .map(|nodes| self.filter(nodes))
            .transpose()?;
        let passes = |entry: &Entry| {
            filter
                .as_ref()
                .is_none_or(|filter| self.passes(filter, kind, entry))
        };
        let late = self.is("filters-come-late");
        if !late {
            entries.retain(passes);
        }
        if self.is("order-depends") && query.limit.is_multiple_of(7) {
            entries.reverse();
        }
        let total = entries.len() as u64 + u64::from(self.is("totals-are-guessed"));
        let limit = if self.is("limits-are-ignored") {
            1_000
        } else {
            query.limit
        };
        let (page, cursor) = if self.is("cursors-count") {
            let from: usize = query
                .cursor
                .as_deref()
                .unwrap_or("0")
                .parse()
                .map_err(|_| Failure::invalid("no cursor"))?;
            let to = (from + limit as usize).min(entries.len());
            let page = entries.get(from..to).unwrap_or_default().to_vec();
            (page, (to < entries.len()).then(|| to.to_string()))
        } else {
            if let Some(cursor) = &query.cursor {
                self.cursor(&entries, cursor)?;
            }
            let (page, next) = tombolo_sdk::paging::page(
                &entries,
                |e: &Entry| e.anchor.as_str(),
                query.cursor.as_deref(),
                limit,
            );
            (page.into_iter().cloned().collect(), next)
        };
        let mut page: Vec<Entry> = page;
        let mut cursor = cursor;
        if self.is("cursors-live-here") {
            CURSORS.with_borrow_mut(|cursors| cursors.extend(cursor.clone()));
        }
        if self.is("pages-lose-one") && cursor.is_some() && page.len() > 1 {
            page.remove(0);
        }
        if late {
            page.retain(passes);
            if page.is_empty() {
                cursor = None;
            }
        }
        if self.is("listings-show-less") {
            for entry in &mut page {
                entry
                    .attributes
                    .retain(|held| held.name != "label" || kind.kind == "group");
                entry.attributes.retain(|held| held.name != "about");
            }
        }
        let entries = page
            .into_iter()
            .map(|entry| self.shown(kind, entry, &query.attributes))
            .collect();
        Ok(Page {
            entries,
            cursor,
            total: Some(total),
        })
    }

    fn cursor(&self, entries: &[Entry], cursor: &str) -> Result<()> {
        if self.is("cursors-trap") {
            assert!(
                entries.iter().any(|entry| entry.anchor == cursor),
                "no such cursor"
            );
        }
        let known = CURSORS.with_borrow(|cursors| cursors.iter().any(|known| known == cursor));
        if self.is("cursors-live-here") && !known {
            return Err(Failure::invalid("that listing is over"));
        }
        Ok(())
    }

    fn filter(&self, nodes: &[Node]) -> Result<Filter> {
        if self.is("filters-trap") {
            Ok(Filter::read(nodes).expect("a tree"))
        } else {
            Filter::read(nodes)
        }
    }

    fn passes(&self, filter: &Filter, kind: &Kind, entry: &Entry) -> bool {
        let again = |filter: &Filter| self.passes(filter, kind, entry);
        match filter {
            Filter::Test(name, comparison, value) => {
                self.test(kind, entry, name, *comparison, value)
            }
            Filter::Present(name) => {
                self.is("everything-is-present") || !entry.values(name).is_empty()
            }
            Filter::All(inner) if self.is("all-is-any") && inner.len() > 1 => {
                inner.iter().any(again)
            }
            Filter::All(inner) => inner.iter().all(again),
            Filter::Any(inner) => inner.iter().any(again),
            Filter::Not(inner) if self.is("not-is-ignored") => again(inner),
            Filter::Not(inner) => !again(inner),
            Filter::Element(name, inner) if self.is("elements-are-mixed") => match inner.as_ref() {
                Filter::All(tests) => tests.iter().all(|test| {
                    Filter::Element(name.clone(), Box::new(test.clone())).matches(kind, entry)
                }),
                _ => filter.matches(kind, entry),
            },
            Filter::Element(..) => filter.matches(kind, entry),
        }
    }

    fn test(
        &self,
        kind: &Kind,
        entry: &Entry,
        name: &str,
        comparison: Comparison,
        value: &Scalar,
    ) -> bool {
        use Comparison as C;
        let none = entry.values(name).is_empty();
        let mut asked = comparison;
        match comparison {
            C::Equal if self.is("equal-is-prefix") && value.as_text().is_some() => {
                asked = C::StartsWith;
            }
            C::NotEqual if self.is("not-equal-wants-a-value") && none => return false,
            C::Contains if self.is("contains-is-prefix") => asked = C::StartsWith,
            C::StartsWith if self.is("prefix-is-contains") => asked = C::Contains,
            C::EndsWith if self.is("suffix-is-contains") => asked = C::Contains,
            C::Greater if self.is("greater-is-at-least") => asked = C::AtLeast,
            C::AtLeast if self.is("at-least-is-greater") => asked = C::Greater,
            C::Less if self.is("less-is-at-most") => asked = C::AtMost,
            C::AtMost if self.is("at-most-is-less") => asked = C::Less,
            _ => {}
        }
        if kind.attribute(name).is_none() && self.is("unknown-tests-are-true") {
            return true;
        }
        if self.is("patterns-get-through")
            && let Scalar::Text(pattern) = value
            && (pattern == "*" || pattern == "%")
        {
            return !none;
        }
        if self.is("case-always-counts") && comparison == C::Equal {
            return entry.values(name).contains(&Value::Simple(value.clone()));
        }
        if self.is("numbers-are-texts") && comparison == C::Equal {
            let plain = value
                .to_plain()
                .map(|text| fold_case(&text))
                .unwrap_or_default();
            return entry
                .scalar(name)
                .and_then(Scalar::to_plain)
                .is_some_and(|held| fold_case(&held).contains(&plain) && !plain.is_empty())
                && value.as_integer().is_some()
                || Filter::Test(name.to_owned(), asked, value.clone()).matches(kind, entry);
        }
        Filter::Test(name.to_owned(), asked, value.clone()).matches(kind, entry)
    }
}

/// Takes time.
fn spin(rounds: u64) {
    let mut sum = 0_u64;
    for n in 0..rounds {
        sum = std::hint::black_box(sum.wrapping_add(n));
    }
}
