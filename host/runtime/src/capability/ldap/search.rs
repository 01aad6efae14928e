//! Searches: one page or one window of an answer, and what the server is asked beside the filter.

use ldap3::controls::{Control, RawControl};
use ldap3::{LdapError, LdapResult, SearchOptions};
use tokio::time::{Duration, Instant};

use super::ber::{ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE, element, number};
use super::connect::Connection;
use super::entry::{self, Entry};
use super::error::Error;

/// What a page holds if the caller does not say.
const DEFAULT_PAGE: u32 = 500;
const MAX_PAGE: u32 = 1000;

/// As many referrals as are told.
const MAX_REFERRALS: usize = 8;

/// RFC 2696.
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// RFC 2891.
const SORT_REQUEST: &str = "1.2.840.113556.1.4.473";
const SORT_RESPONSE: &str = "1.2.840.113556.1.4.474";
/// draft-ietf-ldapext-ldapv3-vlv-09.
const VLV_REQUEST: &str = "2.16.840.1.113730.3.4.9";
const VLV_RESPONSE: &str = "2.16.840.1.113730.3.4.10";

/// How far down to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The entry itself.
    Base,
    /// Its children.
    OneLevel,
    /// It and everything below.
    Subtree,
}

impl From<Scope> for ldap3::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Base => Self::Base,
            Scope::OneLevel => Self::OneLevel,
            Scope::Subtree => Self::Subtree,
        }
    }
}

/// What the server sorts by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) attribute: String,
    /// None: the attribute's own.
    pub(crate) rule: Option<String>,
    pub(crate) descending: bool,
}

/// A place in a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The entry of this number, from 1.
    Offset(u32),
    /// The first entry whose first key is not below this.
    AtLeast(Vec<u8>),
}

/// Which part of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// So many entries; 0 leaves it to the host.
    Page(u32),
    /// Those around a place.
    Window { at: Place, before: u32, after: u32 },
}

/// A search, or its continuation.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Where to look.
    pub(crate) base: String,
    /// How far down.
    pub(crate) scope: Scope,
    /// RFC 4515 text.
    pub(crate) filter: String,
    /// What to return; empty means all user attributes.
    pub(crate) attributes: Vec<String>,
    /// No values.
    pub(crate) types_only: bool,
    /// In which order.
    pub(crate) sort: Vec<SortKey>,
    /// How much of it.
    pub(crate) part: Part,
    /// Where the last part ended.
    pub(crate) cursor: Option<Vec<u8>>,
    /// How long it may take.
    pub(crate) time_limit: Option<Duration>,
}

impl Search {
    /// The plain search for a page.
    pub(crate) fn new(base: String, scope: Scope, filter: String, attributes: Vec<String>) -> Self {
        Self {
            base,
            scope,
            filter,
            attributes,
            types_only: false,
            sort: Vec::new(),
            part: Part::Page(0),
            cursor: None,
            time_limit: None,
        }
    }

    /// Do both ask for the same, apart from the part of it?
    pub(super) fn continues(&self, other: &Self) -> bool {
        self.scope == other.scope
            && self.base == other.base
            && self.filter == other.filter
            && self.attributes == other.attributes
            && self.types_only == other.types_only
            && self.sort == other.sort
            && matches!(self.part, Part::Page(_)) == matches!(other.part, Part::Page(_))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if matches!(self.part, Part::Window { .. }) && self.sort.is_empty() {
            return Err(Error::Request(
                "a window is one of a sorted list: give a sort key".to_owned(),
            ));
        }
        Ok(())
    }

    fn controls(&self, cookie: &[u8]) -> Vec<RawControl> {
        let mut controls = Vec::new();
        if !self.sort.is_empty() {
            controls.push(critical(SORT_REQUEST, sort_value(&self.sort)));
        }
        match &self.part {
            Part::Page(_) if self.scope == Scope::Base => {}
            Part::Page(limit) => {
                let size = match limit {
                    0 => DEFAULT_PAGE,
                    limit => (*limit).min(MAX_PAGE),
                };
                let value = [number(INTEGER, size.into()), element(OCTETS, cookie)].concat();
                controls.push(RawControl {
                    crit: false,
                    ..critical(PAGED_RESULTS, element(SEQUENCE, &value))
                });
            }
            Part::Window { at, before, after } => {
                let mut value = number(INTEGER, i64::from(*before).min(MAX_PAGE.into()));
                value.extend(number(INTEGER, i64::from(*after).min(MAX_PAGE.into())));
                value.extend(match at {
                    // A content count of 0: take the offset as it is, whatever the list has become.
                    Place::Offset(offset) => {
                        let offset = number(INTEGER, i64::from((*offset).max(1)));
                        element(0xa0, &[offset, number(INTEGER, 0)].concat())
                    }
                    Place::AtLeast(value) => element(0x81, value),
                });
                if !cookie.is_empty() {
                    value.extend(element(OCTETS, cookie));
                }
                controls.push(critical(VLV_REQUEST, element(SEQUENCE, &value)));
            }
        }
        controls
    }
}

pub(super) fn critical(oid: &str, value: Vec<u8>) -> RawControl {
    RawControl {
        ctype: oid.to_owned(),
        crit: true,
        val: Some(value),
    }
}

fn sort_value(keys: &[SortKey]) -> Vec<u8> {
    let keys = keys.iter().flat_map(|key| {
        let mut value = element(OCTETS, key.attribute.as_bytes());
        if let Some(rule) = &key.rule {
            value.extend(element(0x80, rule.as_bytes()));
        }
        if key.descending {
            value.extend(element(0x81, &[0xff]));
        }
        element(SEQUENCE, &value)
    });
    element(SEQUENCE, &keys.collect::<Vec<u8>>())
}

/// A part of an answer.
#[derive(Debug)]
pub(crate) struct Found {
    /// The entries.
    pub(crate) entries: Vec<Entry>,
    /// How to go on; none ends the listing.
    pub(crate) cursor: Option<Vec<u8>>,
    /// Of a window.
    pub(crate) position: Option<Position>,
}

/// Where a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The number of the entry that was aimed at.
    pub(crate) offset: u32,
    /// How many there are, says the server.
    pub(crate) total: u32,
}

/// What came over the wire.
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    /// Other servers that hold more.
    pub(super) referrals: Vec<String>,
    pub(super) result: LdapResult,
    /// The server's, of pages or windows.
    pub(super) cookie: Vec<u8>,
    pub(super) position: Option<Position>,
}

/// One exchange: a request, its entries, its result.
pub(super) async fn read(
    connection: &mut Connection,
    search: &Search,
    cookie: &[u8],
    deadline: Instant,
    max_answer: usize,
) -> Result<Read, Error> {
    connection.guard.begin(max_answer);
    // The server should stop working when nobody waits any more.
    let seconds = deadline.saturating_duration_since(Instant::now()).as_secs() + 1;
    let options = SearchOptions::new()
        .typesonly(search.types_only)
        .timelimit(i32::try_from(seconds).unwrap_or(i32::MAX));
    let ldap = connection.ldap.with_search_options(options);
    let started = ldap
        .with_controls(search.controls(cookie))
        .streaming_search(
            &search.base,
            search.scope.into(),
            &search.filter,
            search.attributes.clone(),
        )
        .await;
    let lost = |connection: &Connection, _: LdapError| connection.lost("search", false, max_answer);
    let mut stream = started.map_err(|error| lost(connection, error))?;
    let (mut entries, mut referrals) = (Vec::new(), Vec::new());
    let mut size = 0_usize;
    loop {
        let next = stream.next().await;
        connection.guard.taken();
        let Some(item) = next.map_err(|error| lost(connection, error))? else {
            break;
        };
        if item.is_ref() {
            let room = MAX_REFERRALS.saturating_sub(referrals.len());
            referrals.extend(entry::references(item).into_iter().take(room));
            continue;
        }
        if item.is_intermediate() {
            continue;
        }
        let entry = Entry::read(item).ok_or(Error::Malformed("a search"))?;
        size += entry.size();
        if size > max_answer {
            return Err(Error::TooLarge(max_answer));
        }
        entries.push(entry);
    }
    let result = stream.finish().await;
    let told = told(&result.ctrls).map_err(|Malformed| Error::Malformed("a search"))?;
    if let Some(unsorted) = told.unsorted {
        return Err(unsorted);
    }
    Ok(Read {
        entries,
        referrals,
        result,
        cookie: told.cookie,
        position: told.position,
    })
}

/// The value of a control in an answer.
pub(super) fn control<'a>(controls: &'a [Control], oid: &str) -> Option<&'a [u8]> {
    controls
        .iter()
        .find(|Control(_, raw)| raw.ctype == oid)
        .and_then(|Control(_, raw)| raw.val.as_deref())
}

#[derive(Default)]
struct Told {
    cookie: Vec<u8>,
    position: Option<Position>,
    unsorted: Option<Error>,
}

/// What the controls of a search's result say.
fn told(controls: &[Control]) -> Result<Told, Malformed> {
    let mut told = Told::default();
    if let Some(value) = control(controls, PAGED_RESULTS) {
        let mut parts = Reader::inside(value, SEQUENCE)?;
        parts.number(INTEGER)?;
        told.cookie = parts.take(OCTETS)?.to_vec();
    }
    if let Some(value) = control(controls, VLV_RESPONSE) {
        let mut parts = Reader::inside(value, SEQUENCE)?;
        let mut count = || parts.number(INTEGER).map(|n| u32::try_from(n).unwrap_or(0));
        let (offset, total) = (count()?, count()?);
        // Its own result says no more than the search's.
        parts.number(ENUMERATED)?;
        told.cookie = parts.optional(OCTETS)?.unwrap_or_default().to_vec();
        told.position = Some(Position { offset, total });
    }
    if let Some(value) = control(controls, SORT_RESPONSE) {
        let mut parts = Reader::inside(value, SEQUENCE)?;
        let code = u32::try_from(parts.number(ENUMERATED)?).map_err(|_| Malformed)?;
        let attribute = parts.optional(0x80)?.map(String::from_utf8_lossy);
        told.unsorted = (code != 0).then(|| Error::Sort {
            code,
            attribute: attribute.map(|name| format!("`{name}`")),
        });
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answered(oid: &str, value: Vec<u8>) -> [Control; 1] {
        [Control(None, critical(oid, value))]
    }

    #[test]
    fn a_sort_key_is_written_as_the_rfc_has_it() {
        let keys = [SortKey {
            attribute: "sn".to_owned(),
            rule: Some("2.5.13.3".to_owned()),
            descending: true,
        }];
        let expected = b"\x30\x13\x30\x11\x04\x02sn\x80\x082.5.13.3\x81\x01\xff";
        assert_eq!(sort_value(&keys), expected);
    }

    #[test]
    fn a_window_needs_an_order() {
        let mut search = Search::new(
            String::new(),
            Scope::Subtree,
            "(uid=*)".to_owned(),
            Vec::new(),
        );
        search.part = Part::Window {
            at: Place::Offset(1),
            before: 0,
            after: 9,
        };
        assert!(matches!(search.check(), Err(Error::Request(_))));
    }

    #[test]
    fn a_sort_that_failed_names_its_key() {
        let value = [number(ENUMERATED, 16), element(0x80, b"shoeSize")].concat();
        let told = told(&answered(SORT_RESPONSE, element(SEQUENCE, &value))).expect("read");
        let error = told.unsorted.expect("an error");
        assert_eq!(error.code(), Some(16));
        assert!(error.to_string().contains("shoeSize"), "{error}");
    }

    proptest! {
        #[test]
        fn no_control_breaks_it(value in proptest::collection::vec(any::<u8>(), 0..60), framed: bool) {
            for oid in [PAGED_RESULTS, SORT_RESPONSE, VLV_RESPONSE] {
                let value = if framed { element(SEQUENCE, &value) } else { value.clone() };
                let _ = told(&answered(oid, value));
            }
        }
    }
}
