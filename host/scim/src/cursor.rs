//! The place in a list where the next page begins (RFC 9865).
//!
//! A cursor is the id behind which to go on, and what that means for the query it belongs to. Nothing is kept for it: it
//! lives as long as the resources do, over restarts and on every host. A check sum over query and place makes a cursor
//! that was cut, changed or given to another query an `invalidCursor`; it is no secret, since all that a forged cursor
//! could show is another page of what its sender may read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::query::ListQuery;

/// The form of a cursor; another number when it changes.
const FORM: u8 = 1;
/// Bytes of the check sum.
const CHECK: usize = 8;

/// A place in the list that a query yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The number of the resource type, when the query is over several.
    pub kind: u8,
    /// The id behind which to go on.
    pub after: String,
    /// How many the query had when its first page was read. Counting again would cost every page as much as the list.
    pub total: u64,
}

impl Position {
    /// The cursor, of characters that need no encoding in a URL (RFC 9865, section 2). `scope` tells apart what the query
    /// itself does not: the app, the resource types.
    pub fn encode(&self, scope: &str, query: &ListQuery) -> String {
        let mut bytes = Vec::with_capacity(2 + 8 + CHECK + self.after.len());
        bytes.push(FORM);
        bytes.extend(self.check(scope, query));
        bytes.push(self.kind);
        bytes.extend(self.total.to_be_bytes());
        bytes.extend(self.after.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor; none if it is empty, which asks for the first page.
    pub fn decode(cursor: &str, scope: &str, query: &ListQuery) -> Result<Option<Self>, Error> {
        if cursor.is_empty() {
            return Ok(None);
        }
        let invalid = || {
            Error::invalid_cursor(
                "the cursor is not one that this query was given; begin again with an empty `cursor`",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let read = || {
            let rest = bytes.strip_prefix(&[FORM])?;
            let (check, rest) = rest.split_first_chunk::<CHECK>()?;
            let (kind, rest) = rest.split_first()?;
            let (total, after) = rest.split_first_chunk::<8>()?;
            let position = Self {
                kind: *kind,
                after: std::str::from_utf8(after).ok()?.to_owned(),
                total: u64::from_be_bytes(*total),
            };
            (position.check(scope, query) == *check).then_some(position)
        };
        read().map(Some).ok_or_else(invalid)
    }

    /// Over what chooses and orders the resources, and the place. Not over what is shown of them: a client may ask for
    /// smaller pages, or other attributes, half way.
    fn check(&self, scope: &str, query: &ListQuery) -> [u8; CHECK] {
        let mut sum = Sha256::new();
        let filter = query.filter.as_ref().map(ToString::to_string);
        let sort = query.sort_by.as_ref().map(ToString::to_string);
        let parts = [
            scope,
            filter.as_deref().unwrap_or_default(),
            sort.as_deref().unwrap_or_default(),
            if query.descending { "descending" } else { "" },
            &self.after,
        ];
        for part in parts {
            sum.update((part.len() as u64).to_be_bytes());
            sum.update(part.as_bytes());
        }
        sum.update([self.kind]);
        sum.update(self.total.to_be_bytes());
        let sum = sum.finalize();
        std::array::from_fn(|index| sum[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            kind: 1,
            after: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            total: 250_000,
        }
    }

    fn query(raw: &str) -> ListQuery {
        ListQuery::from_query(raw).unwrap()
    }

    #[test]
    fn a_cursor_reads_as_the_place_it_was_made_of_whatever_the_page_shows() {
        let given = query("filter=active+eq+true&sortBy=userName&count=5");
        let cursor = position().encode("hr User", &given);
        let later = query("sortBy=userName&filter=active%20eq%20true&count=9&attributes=id");
        assert_eq!(
            Position::decode(&cursor, "hr User", &later),
            Ok(Some(position()))
        );
        assert_eq!(Position::decode("", "hr User", &later), Ok(None));
        // RFC 3986's unreserved characters.
        assert!(
            cursor
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        );
    }

    #[test]
    fn a_cursor_that_was_changed_or_belongs_to_another_query_is_invalid() {
        let given = query("filter=active+eq+true");
        let cursor = position().encode("hr User", &given);
        let mut changed = cursor.clone().into_bytes();
        changed[30] = if changed[30] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let cut = &cursor[..cursor.len() - 4];
        for (cursor, scope, raw) in [
            (changed.as_str(), "hr User", "filter=active+eq+true"),
            (cut, "hr User", "filter=active+eq+true"),
            ("AQ", "hr User", "filter=active+eq+true"),
            ("never ours", "hr User", "filter=active+eq+true"),
            (&cursor, "hr Group", "filter=active+eq+true"),
            (&cursor, "hr User", "filter=active+eq+false"),
            (
                &cursor,
                "hr User",
                "filter=active+eq+true&sortOrder=descending",
            ),
        ] {
            let error = Position::decode(cursor, scope, &query(raw)).unwrap_err();
            assert_eq!(
                error.scim_type,
                Some(crate::ScimType::InvalidCursor),
                "{raw}"
            );
        }
    }
}
