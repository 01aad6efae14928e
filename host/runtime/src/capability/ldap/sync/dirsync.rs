//! Active Directory's DirSync (\[MS-ADTS\] 3.1.1.3.4.1.3): one exchange gives what the server chooses to give, and a
//! cookie that goes on from there.

use std::collections::VecDeque;
use std::fmt::Write as _;

use ldap3::SearchOptions;

use super::round::{Round, Source};
use super::token::{Binding, Token};
use super::{Bounds, Change, Deletions, Kind, Poll, Start};
use crate::app::Referrals;
use crate::capability::ldap::ber::{INTEGER, Malformed, OCTETS, Reader, SEQUENCE, element, number};
use crate::capability::ldap::client::Directory;
use crate::capability::ldap::connect::Connection;
use crate::capability::ldap::entry::{self, Entry};
use crate::capability::ldap::error::Error;
use crate::capability::ldap::pool::Lease;
use crate::capability::ldap::search::{control, critical};

const DIRSYNC: &str = "1.2.840.113556.1.4.841";

/// What a change is known by, and what tells that it is a deletion: read whatever the caller reads.
const NEEDED: [&str; 2] = ["objectGUID", "isDeleted"];

const MALFORMED: Error = Error::Malformed("a poll");

/// Asks and reads the answer; where nothing is wanted but a cookie, until there is no more.
pub(super) async fn exchange(
    poll: &Poll,
    flags: u32,
    directory: &Directory,
    mut lease: Lease,
    token: &Token,
    bounds: Bounds,
) -> Result<Round, Error> {
    let mut since = token.cookie.clone();
    loop {
        let got = once(
            poll,
            flags,
            directory,
            &mut lease.connection,
            &since,
            bounds,
        )
        .await;
        let got = match got {
            Ok(got) => got,
            Err(error) => {
                if error.code().is_some() {
                    directory.return_after(&error, lease);
                }
                return Err(error);
            }
        };
        if got.more && matches!(poll.start, Start::Now) {
            since = got.cookie;
            continue;
        }
        directory.pool.give_back(lease);
        return Ok(Round {
            binding: Binding::of(poll),
            since,
            rest: got.changes,
            source: Source::Over {
                cookie: got.cookie,
                ends: (!got.more).then_some(Deletions::Told),
            },
        });
    }
}

struct Got {
    changes: VecDeque<Change>,
    cookie: Vec<u8>,
    more: bool,
}

async fn once(
    poll: &Poll,
    flags: u32,
    directory: &Directory,
    connection: &mut Connection,
    since: &[u8],
    bounds: Bounds,
) -> Result<Got, Error> {
    connection.guard.begin(bounds.max_answer);
    let mut attributes = match poll.start {
        Start::Now => vec![NEEDED[0].to_owned()],
        Start::Content | Start::After(_) => poll.attributes.clone(),
    };
    if !attributes.is_empty() && !attributes.iter().any(|name| name == "*") {
        for needed in NEEDED {
            if !attributes
                .iter()
                .any(|name| name.eq_ignore_ascii_case(needed))
            {
                attributes.push(needed.to_owned());
            }
        }
    }
    let lost = |connection: &Connection| connection.lost("poll", false, bounds.max_answer);
    let search = connection
        .ldap
        .with_search_options(SearchOptions::new())
        .with_controls(vec![critical(DIRSYNC, request(flags, bounds, since))])
        .streaming_search(&poll.base, poll.scope.into(), &poll.filter, attributes)
        .await;
    let mut search = search.map_err(|_| lost(connection))?;
    let (mut changes, mut referrals, mut size) = (VecDeque::new(), Vec::new(), 0_usize);
    loop {
        let next = search.next().await;
        connection.guard.taken();
        let Some(item) = next.map_err(|_| lost(connection))? else {
            break;
        };
        if item.is_ref() {
            if directory.pool.endpoint.referrals == Referrals::Error && referrals.is_empty() {
                referrals = entry::references(item);
            }
            continue;
        }
        if item.is_intermediate() {
            continue;
        }
        let change = change(Entry::read(item).ok_or(MALFORMED)?).ok_or(MALFORMED)?;
        size += change.size();
        if size > bounds.max_answer {
            return Err(Error::TooLarge(bounds.max_answer));
        }
        if !matches!(poll.start, Start::Now) {
            changes.push_back(change);
        }
    }
    let mut result = search.finish().await;
    let controls = std::mem::take(&mut result.ctrls);
    directory.verdict("poll", result, referrals)?;
    let value = control(&controls, DIRSYNC).ok_or(MALFORMED)?;
    let (more, cookie) = response(value).map_err(|Malformed| MALFORMED)?;
    Ok(Got {
        changes,
        cookie,
        more,
    })
}

fn request(flags: u32, bounds: Bounds, since: &[u8]) -> Vec<u8> {
    // A hint that Active Directory takes: what it sends grows on its way through here.
    let most = i64::try_from(bounds.max_answer / 4).unwrap_or(i64::MAX);
    let most = most.min(i64::from(i32::MAX));
    // The flags are a signed number on the wire: INCREMENTAL_VALUES is its sign.
    let value = [
        number(INTEGER, i64::from(flags.cast_signed())),
        number(INTEGER, most),
        element(OCTETS, since),
    ];
    element(SEQUENCE, &value.concat())
}

/// Whether there is more, and the cookie.
fn response(value: &[u8]) -> Result<(bool, Vec<u8>), Malformed> {
    let mut parts = Reader::inside(value, SEQUENCE)?;
    let more = parts.number(INTEGER)? != 0;
    parts.number(INTEGER)?;
    Ok((more, parts.take(OCTETS)?.to_vec()))
}

fn change(entry: Entry) -> Option<Change> {
    let value = |name: &str| {
        let mut all = entry.attributes.iter();
        let (_, values) = all.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        values.first()
    };
    let id = guid(value("objectGUID")?)?;
    let gone = value("isDeleted").is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"));
    Some(Change {
        kind: if gone { Kind::Deleted } else { Kind::Changed },
        id,
        entry: Some(entry),
    })
}

/// The bytes of a GUID in the order in which Microsoft writes them.
fn guid(bytes: &[u8]) -> Option<String> {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (at, from) in ORDER.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{:02x}", bytes[from]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn the_highest_flag_is_a_sign() {
        let bounds = Bounds {
            deadline: Instant::now(),
            max_answer: 8,
            limit: 1,
        };
        let value = request(0x8000_0001, bounds, b"c");
        let expected = [0x30, 12, 2, 4, 0x80, 0, 0, 1, 2, 1, 2, 4, 1, b'c'];
        assert_eq!(value, expected);
    }

    #[test]
    fn a_tombstone_is_a_deletion() {
        let entry = |deleted: &[u8]| Entry {
            dn: "cn=x".to_owned(),
            attributes: vec![
                ("objectGUID".to_owned(), vec![(0..16).collect()]),
                ("isDeleted".to_owned(), vec![deleted.to_vec()]),
            ],
        };
        let gone = change(entry(b"TRUE")).expect("read");
        assert_eq!(gone.kind, Kind::Deleted);
        assert_eq!(gone.id, "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(change(entry(b"FALSE")).expect("read").kind, Kind::Changed);
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(value in proptest::collection::vec(any::<u8>(), 0..60), framed: bool) {
            let _ = response(&if framed { element(SEQUENCE, &value) } else { value });
        }
    }
}
