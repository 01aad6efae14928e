//! RFC 4533, refreshOnly: the server sends what has changed since a cookie, and a cookie.
//!
//! What is gone it tells by name, or else by not naming it: it then names all that is still there, entries that have not
//! changed by their ids alone.

use std::collections::VecDeque;
use std::fmt::Write as _;

use ldap3::asn1::StructureTag;
use ldap3::controls::Control;
use ldap3::{SearchOptions, SearchStream};

use super::round::{Round, Source};
use super::token::{Binding, Token};
use super::{Bounds, Change, Deletions, Kind, Poll, Start};
use crate::app::Referrals;
use crate::capability::ldap::ber::{
    ENUMERATED, Malformed, OCTETS, Reader, SEQUENCE, SET, element, number,
};
use crate::capability::ldap::client::Directory;
use crate::capability::ldap::connect::Connection;
use crate::capability::ldap::entry::{self, Entry};
use crate::capability::ldap::error::Error;
use crate::capability::ldap::search::{control, critical};

const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const SYNC_INFO: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.4";

const MALFORMED: Error = Error::Malformed("a poll");

/// An answer that still comes.
pub(super) struct Stream {
    connection: Connection,
    search: SearchStream<'static, String, Vec<String>>,
    /// All that is there was named, and not only what is gone.
    all_named: bool,
}

/// Asks.
pub(super) async fn begin(
    poll: &Poll,
    mut connection: Connection,
    token: &Token,
    bounds: Bounds,
) -> Result<Round, Error> {
    connection.guard.begin(bounds.max_answer);
    let mut value = number(ENUMERATED, 1);
    if !token.cookie.is_empty() {
        value.extend(element(OCTETS, &token.cookie));
    }
    let attributes = match poll.start {
        // RFC 4511, section 4.5.1.8: no attributes.
        Start::Now => vec!["1.1".to_owned()],
        Start::Content | Start::After(_) => poll.attributes.clone(),
    };
    // The answer may be read over several calls: no time limit but the server's own.
    let ldap = connection.ldap.with_search_options(SearchOptions::new());
    let search = ldap
        .with_controls(vec![critical(SYNC_REQUEST, element(SEQUENCE, &value))])
        .streaming_search(&poll.base, poll.scope.into(), &poll.filter, attributes)
        .await;
    let search = search.map_err(|_| connection.lost("poll", false, bounds.max_answer))?;
    Ok(Round {
        binding: Binding::of(poll),
        since: token.cookie.clone(),
        rest: VecDeque::new(),
        source: Source::Stream(Box::new(Stream {
            connection,
            search,
            all_named: false,
        })),
    })
}

impl Stream {
    /// One message more; the end, if that was it.
    pub(super) async fn read(
        &mut self,
        directory: &Directory,
        since: &[u8],
        rest: &mut VecDeque<Change>,
        max_answer: usize,
    ) -> Result<Option<Source>, Error> {
        let next = self.search.next().await;
        self.connection.guard.taken();
        let lost = |connection: &Connection| connection.lost("poll", false, max_answer);
        let Some(mut item) = next.map_err(|_| lost(&self.connection))? else {
            return self.over(directory, since).await.map(Some);
        };
        if item.is_ref() {
            if directory.pool.endpoint.referrals == Referrals::Error {
                return Err(Error::Referral {
                    operation: "poll",
                    to: entry::references(item),
                });
            }
        } else if item.is_intermediate() {
            let info = info(item.0).map_err(|Malformed| MALFORMED)?;
            self.all_named |= matches!(info, Info::Present);
            if let Info::Ids(kind, ids) = info {
                rest.extend(ids.into_iter().map(|id| Change {
                    kind,
                    id,
                    entry: None,
                }));
            }
        } else {
            let controls = std::mem::take(&mut item.1);
            let (kind, id) = state(&controls).map_err(|Malformed| MALFORMED)?;
            let entry = Entry::read(item).ok_or(MALFORMED)?;
            rest.push_back(Change {
                kind,
                id,
                entry: Some(entry),
            });
        }
        Ok(None)
    }

    async fn over(&mut self, directory: &Directory, since: &[u8]) -> Result<Source, Error> {
        let mut result = self.search.finish().await;
        let controls = std::mem::take(&mut result.ctrls);
        directory.verdict("poll", result, Vec::new())?;
        let done = done(&controls).map_err(|Malformed| MALFORMED)?;
        let told = done.deletes && !self.all_named;
        let cookie = match done.cookie {
            Some(cookie) => cookie,
            // Nothing has changed: the old one stays good.
            None if !since.is_empty() => since.to_vec(),
            None => return Err(MALFORMED),
        };
        // Of what was never told, nothing can be gone.
        let ends = if told || since.is_empty() {
            Deletions::Told
        } else {
            Deletions::Implied
        };
        Ok(Source::Over {
            cookie,
            ends: Some(ends),
        })
    }

    /// Its connection goes back to the pool.
    pub(super) fn end(self: Box<Self>, directory: &Directory) {
        directory.pool.shelve(self.connection);
    }
}

/// An id as `entryUUID` writes it.
fn uuid(bytes: &[u8]) -> Result<String, Malformed> {
    let bytes: &[u8; 16] = bytes.try_into().map_err(|_| Malformed)?;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Section 2.3: what became of an entry.
fn state(controls: &[Control]) -> Result<(Kind, String), Malformed> {
    let value = control(controls, SYNC_STATE).ok_or(Malformed)?;
    let mut parts = Reader::inside(value, SEQUENCE)?;
    let kind = match parts.number(ENUMERATED)? {
        0 => Kind::Present,
        1 => Kind::Added,
        2 => Kind::Changed,
        3 => Kind::Deleted,
        _ => return Err(Malformed),
    };
    Ok((kind, uuid(parts.take(OCTETS)?)?))
}

struct Done {
    cookie: Option<Vec<u8>>,
    deletes: bool,
}

/// Section 2.4: the end.
fn done(controls: &[Control]) -> Result<Done, Malformed> {
    let value = control(controls, SYNC_DONE).ok_or(Malformed)?;
    let mut parts = Reader::inside(value, SEQUENCE)?;
    Ok(Done {
        cookie: parts.optional(OCTETS)?.map(<[u8]>::to_vec),
        deletes: parts.flag()?.unwrap_or(false),
    })
}

/// What a message between the entries says.
#[derive(Debug, PartialEq, Eq)]
enum Info {
    /// Nothing that matters to a refresh.
    Other,
    /// All that is there has been named.
    Present,
    /// Entries by their ids.
    Ids(Kind, Vec<String>),
}

/// Section 2.5.
fn info(message: StructureTag) -> Result<Info, Malformed> {
    let parts = message.expect_constructed().ok_or(Malformed)?;
    let mut value = None;
    for part in parts {
        let id = part.id;
        let bytes = part.expect_primitive().ok_or(Malformed)?;
        match id {
            0 if bytes != SYNC_INFO => return Ok(Info::Other),
            1 => value = Some(bytes),
            _ => {}
        }
    }
    let value = value.ok_or(Malformed)?;
    let (tag, content) = Reader::new(&value).any()?;
    match tag {
        // refreshPresent
        0xa2 => Ok(Info::Present),
        // syncIdSet
        0xa3 => {
            let mut parts = Reader::new(content);
            parts.optional(OCTETS)?;
            let kind = match parts.flag()? {
                Some(true) => Kind::Deleted,
                Some(false) | None => Kind::Present,
            };
            let mut set = Reader::new(parts.take(SET)?);
            let mut ids = Vec::new();
            while !set.is_empty() {
                ids.push(uuid(set.take(OCTETS)?)?);
            }
            Ok(Info::Ids(kind, ids))
        }
        // newcookie, refreshDelete
        _ => Ok(Info::Other),
    }
}

#[cfg(test)]
mod tests {
    use ldap3::asn1::{PL, TagClass};
    use proptest::prelude::*;

    use super::super::super::ber::BOOLEAN;
    use super::*;

    fn told(oid: &str, value: Vec<u8>) -> [Control; 1] {
        [Control(None, critical(oid, value))]
    }

    fn message(value: Vec<u8>) -> StructureTag {
        let part = |id, bytes| StructureTag {
            class: TagClass::Context,
            id,
            payload: PL::P(bytes),
        };
        StructureTag {
            class: TagClass::Application,
            id: 25,
            payload: PL::C(vec![part(0, SYNC_INFO.to_vec()), part(1, value)]),
        }
    }

    #[test]
    fn an_entrys_state_and_id_are_read() {
        let id: Vec<u8> = (0..16).collect();
        let value = [number(ENUMERATED, 3), element(OCTETS, &id)].concat();
        let (kind, id) = state(&told(SYNC_STATE, element(SEQUENCE, &value))).expect("read");
        assert_eq!(kind, Kind::Deleted);
        assert_eq!(id, "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert!(state(&[]).is_err());
    }

    #[test]
    fn ids_are_of_the_gone_or_of_the_present() {
        let ids = element(SET, &element(OCTETS, &[1; 16]));
        let gone = [element(BOOLEAN, &[0xff]), ids.clone()].concat();
        for (value, kind) in [(gone, Kind::Deleted), (ids, Kind::Present)] {
            let read = info(message(element(0xa3, &value))).expect("read");
            let id = "01010101-0101-0101-0101-010101010101".to_owned();
            assert_eq!(read, Info::Ids(kind, vec![id]));
        }
        assert_eq!(info(message(element(0xa2, &[]))), Ok(Info::Present));
        assert_eq!(info(message(element(0x80, b"c"))), Ok(Info::Other));
        assert!(
            info(message(element(
                0xa3,
                &element(SET, &element(OCTETS, &[1]))
            )))
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn no_answer_breaks_it(value in proptest::collection::vec(any::<u8>(), 0..60), framed: bool) {
            let _ = info(message(element(0xa3, &value)));
            let value = if framed { element(SEQUENCE, &value) } else { value };
            let _ = info(message(value.clone()));
            let _ = state(&told(SYNC_STATE, value.clone()));
            let _ = done(&told(SYNC_DONE, value));
        }
    }
}
