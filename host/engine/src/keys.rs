//! The keys under which an app's state is kept.
//!
//! | key | value |
//! |---|---|
//! | app, `r`, type, id | [`Record`](crate::record::Record): link and mirror |
//! | app, `a`, type, anchor | id: the link, read backwards |
//! | app, `u`, type, attribute, value | id: who has this unique value, or is about to |
//! | app, `x`, type, attribute, value, id | nothing: the index of match queries |
//! | app, `m`, group id, member id | the member's resource type |
//! | app, `g`, member id, group id | nothing: memberships, read backwards |
//! | app, `i`, id | [`Intent`](crate::record::Intent): at most one a resource |
//! | app, `h`, id | [`Held`](crate::held::Held): what the breaker keeps back |
//! | app, `b`, type, time, id | nothing: a disable or delete that the breaker let through |
//! | app, `p`, id | the groups that somebody was taken out of when he was disabled |
//! | app, `o`, id | [`Password`](crate::initial::Password): a first password that waits to be taken |
//! | app, `t`, id | [`Due`](crate::leave::Due): a delete that waits for its time |
//! | app, `z` | [`Pause`](crate::closed::Pause): the target is not written to |
//! | app, `s`, key | the connector's own state |
//! | app, `d`, type, anchor | nothing: an object that was deleted, where several hosts share the store |
//! | app, `is`, kind | [`State`](crate::import::state::State): its imports, and their lease |
//! | app, `im`, kind, page | who was seen on this page of a listing, eight bytes each |
//! | app, `il`, type, id | nothing: no client has written to it |
//! | app, `id`, type, id | the attributes that have drifted |
//! | app, `io`, type, id | [`Orphan`](crate::import::finding::Orphan): its object has gone |
//! | app, `ia`, type, attribute, value | the ids that have this value, which should be one |
//! | app, `w`, digest | when, and id: what was asked for in a POST, where several hosts share the store |
//!
//! Anchors and values that are long are shortened ([`short`]).
//!
//! Ids are UUIDs of version 7: the order of the keys is the order in which the
//! objects were first seen, and stays so.

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tombolo_store::Key;
use tombolo_store::key::{Segment, last_text, segments};

/// The room of intents.
pub(crate) const INTENTS: &str = "i";

/// The keys of one app.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    app: String,
}

impl Keys {
    pub(crate) fn new(app: &str) -> Self {
        Self {
            app: app.to_owned(),
        }
    }

    fn room(&self, room: &str) -> Key {
        Key::of(&self.app).text(room)
    }

    pub(crate) fn records(&self, ty: &str) -> Key {
        self.room("r").text(ty)
    }

    pub(crate) fn record(&self, ty: &str, id: &str) -> Key {
        self.records(ty).text(id)
    }

    pub(crate) fn anchor(&self, ty: &str, anchor: &str) -> Key {
        self.room("a").text(ty).text(&short(anchor))
    }

    pub(crate) fn anchors(&self, ty: &str) -> Key {
        self.room("a").text(ty)
    }

    pub(crate) fn unique(&self, ty: &str, attribute: &str, value: &str) -> Key {
        self.room("u").text(ty).text(attribute).text(&short(value))
    }

    pub(crate) fn indexed(&self, ty: &str, attribute: &str, value: &str) -> Key {
        self.room("x").text(ty).text(attribute).text(&short(value))
    }

    pub(crate) fn members(&self, group: &str) -> Key {
        self.room("m").text(group)
    }

    pub(crate) fn member(&self, group: &str, member: &str) -> Key {
        self.members(group).text(member)
    }

    pub(crate) fn groups_of(&self, member: &str) -> Key {
        self.room("g").text(member)
    }

    pub(crate) fn group_of(&self, member: &str, group: &str) -> Key {
        self.groups_of(member).text(group)
    }

    pub(crate) fn intents(&self) -> Key {
        self.room(INTENTS)
    }

    pub(crate) fn intent(&self, id: &str) -> Key {
        self.intents().text(id)
    }

    pub(crate) fn all_held(&self) -> Key {
        self.room("h")
    }

    pub(crate) fn held(&self, id: &str) -> Key {
        self.all_held().text(id)
    }

    pub(crate) fn kept_groups(&self, id: &str) -> Key {
        self.room("p").text(id)
    }

    pub(crate) fn passwords(&self) -> Key {
        self.room("o")
    }

    pub(crate) fn password(&self, id: &str) -> Key {
        self.passwords().text(id)
    }

    pub(crate) fn pause(&self) -> Key {
        self.room("z")
    }

    pub(crate) fn all_due(&self) -> Key {
        self.room("t")
    }

    pub(crate) fn due(&self, id: &str) -> Key {
        self.all_due().text(id)
    }

    pub(crate) fn marks(&self, ty: &str) -> Key {
        self.room("b").text(ty)
    }

    /// Where the marks of this time begin.
    pub(crate) fn mark_from(&self, ty: &str, at: Timestamp) -> Key {
        let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
        self.marks(ty).number(ms)
    }

    pub(crate) fn mark(&self, ty: &str, at: Timestamp, id: &str) -> Key {
        self.mark_from(ty, at).text(id)
    }

    pub(crate) fn deleted(&self, ty: &str, anchor: &str) -> Key {
        self.room("d").text(ty).text(&short(anchor))
    }

    pub(crate) fn wish(&self, digest: &[u8]) -> Key {
        self.room("w").bytes(digest)
    }

    /// The whole index of an attribute.
    pub(crate) fn index(&self, ty: &str, attribute: &str) -> Key {
        self.room("x").text(ty).text(attribute)
    }

    pub(crate) fn import(&self, kind: &str) -> Key {
        self.room("is").text(kind)
    }

    pub(crate) fn import_marks(&self, kind: &str) -> Key {
        self.room("im").text(kind)
    }

    pub(crate) fn import_mark(&self, kind: &str, page: u64) -> Key {
        self.import_marks(kind).number(page)
    }

    pub(crate) fn locals(&self, ty: &str) -> Key {
        self.room("il").text(ty)
    }

    pub(crate) fn local(&self, ty: &str, id: &str) -> Key {
        self.locals(ty).text(id)
    }

    pub(crate) fn drifts(&self, ty: &str) -> Key {
        self.room("id").text(ty)
    }

    pub(crate) fn drift(&self, ty: &str, id: &str) -> Key {
        self.drifts(ty).text(id)
    }

    pub(crate) fn orphans(&self, ty: &str) -> Key {
        self.room("io").text(ty)
    }

    pub(crate) fn orphan(&self, ty: &str, id: &str) -> Key {
        self.orphans(ty).text(id)
    }

    pub(crate) fn ambiguities(&self, ty: &str) -> Key {
        self.room("ia").text(ty)
    }

    pub(crate) fn ambiguity(&self, ty: &str, attribute: &str, value: &str) -> Key {
        self.ambiguities(ty).text(attribute).text(&short(value))
    }

    pub(crate) fn states(&self) -> Key {
        self.room("s")
    }

    pub(crate) fn state(&self, key: &str) -> Key {
        self.states().text(key)
    }
}

/// The number in `key`.
pub(crate) fn number_of(key: &[u8]) -> Option<u64> {
    segments(key)?.iter().find_map(Segment::as_number)
}

/// Values up to this many bytes stand in keys as they are.
const LONG: usize = 600;
/// Of longer ones so many stand there, and a digest of the whole.
const HEAD: usize = 200;

/// A value as it stands in a key: whatever comes from a target or a client, the key has a place in every engine.
pub(crate) fn short(value: &str) -> Cow<'_, str> {
    if value.len() <= LONG {
        return Cow::Borrowed(value);
    }
    let head = &value[..value.floor_char_boundary(HEAD)];
    let mut text = format!("{head}\u{2026}");
    for byte in Sha256::digest(value.as_bytes()) {
        text.push_str(&format!("{byte:02x}"));
    }
    Cow::Owned(text)
}

/// The id that ends `key`; empty for a key that ends in none, which the store
/// does not hold.
pub(crate) fn id_of(key: &[u8]) -> String {
    last_text(key).unwrap_or_default()
}
