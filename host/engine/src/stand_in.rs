//! Values that a target makes up for what a client has cleared.
//!
//! A person in a directory must have a `cn` and an `sn`. A client that clears `displayName` has to read it as cleared all
//! the same (the gallery's test 16; else it sees a difference for ever), so the host remembers which value stands in.
//! While the target has that value, the attribute is shown without one. As soon as the target has another, or a client
//! writes the attribute, it is an attribute like all others.
//!
//! The same goes for what a disable has written over by the owner's wish: while the target has that, the attribute is shown as
//! it was before, and a client that matches by it finds the person.

use tombolo_mapping::{Edit, Object};

use crate::record::{Aside, Record};

/// What a record shows otherwise than the target has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Veil {
    /// What stands in for what was cleared.
    pub(crate) standing: Object,
    /// What was written over.
    pub(crate) aside: Vec<Aside>,
}

impl Veil {
    /// A record's.
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            standing: record.standing.clone(),
            aside: record.aside.clone(),
        }
    }

    /// The object as it is shown.
    pub(crate) fn over(&self, object: Object) -> Object {
        let mut object = hide(object, &self.standing);
        for aside in &self.aside {
            if object.get(&aside.name) == aside.written {
                object.set(&aside.name, aside.kept.clone());
            }
        }
        object
    }
}

/// What stands in after an update: what did so before and was not touched, and what the update was to clear and the
/// target still has. `wanted` is the object as the client wants it, `present` as it is.
pub(crate) fn after(before: &Object, edits: &[Edit], wanted: &Object, present: &Object) -> Object {
    let touched = |name: &str| edits.iter().any(|edit| edit.name == name);
    let mut standing: Object = before
        .iter()
        .filter(|(name, values)| !touched(name) && present.get(name) == *values)
        .map(|(name, values)| (name.to_owned(), values.to_vec()))
        .collect();
    for edit in edits {
        if wanted.get(&edit.name).is_empty() {
            standing.set(&edit.name, present.get(&edit.name).to_vec());
        }
    }
    standing
}

/// The object without the values that stand in.
fn hide(mut object: Object, standing: &Object) -> Object {
    for (name, values) in standing.iter() {
        if object.get(name) == values {
            object.set(name, Vec::new());
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use tombolo_mapping::{EditKind, ObjectValue, Scalar};

    use super::*;

    fn object(pairs: &[(&str, &str)]) -> Object {
        pairs
            .iter()
            .map(|(name, text)| {
                let value = ObjectValue::Simple(Scalar::Text((*text).to_owned()));
                ((*name).to_owned(), vec![value])
            })
            .collect()
    }

    fn put(name: &str, object: &Object) -> Edit {
        Edit {
            kind: EditKind::Put,
            name: name.to_owned(),
            values: object.get(name).to_vec(),
        }
    }

    #[test]
    fn what_was_cleared_and_is_still_there_is_hidden_until_it_changes() {
        let wanted = object(&[("uid", "ana")]);
        let present = object(&[("uid", "ana"), ("cn", "ana")]);
        let standing = after(&Object::new(), &[put("cn", &wanted)], &wanted, &present);
        assert_eq!(hide(present, &standing), wanted);
        // Somebody gave her a name in the directory.
        let named = object(&[("uid", "ana"), ("cn", "Ana Ruiz")]);
        assert_eq!(hide(named.clone(), &standing), named);
    }

    #[test]
    fn what_was_written_over_is_shown_as_it_was_until_somebody_else_writes_it() {
        let was = object(&[("uid", "ana"), ("title", "clerk")]);
        let veil = Veil {
            aside: vec![Aside {
                name: "uid".to_owned(),
                kept: was.get("uid").to_vec(),
                written: object(&[("uid", "x-ana")]).get("uid").to_vec(),
            }],
            ..Veil::default()
        };
        let renamed = object(&[("uid", "x-ana"), ("title", "clerk")]);
        assert_eq!(veil.over(renamed), was);
        let other = object(&[("uid", "ann"), ("title", "clerk")]);
        assert_eq!(veil.over(other.clone()), other);
    }

    #[test]
    fn another_attributes_update_leaves_it_hidden_and_its_own_ends_it() {
        let standing = object(&[("cn", "ana")]);
        let present = object(&[("cn", "ana"), ("sn", "Ruiz")]);
        let other = after(
            &standing,
            &[put("sn", &present)],
            &object(&[("sn", "Ruiz")]),
            &present,
        );
        assert_eq!(other, standing);
        let own = after(&standing, &[put("cn", &present)], &present, &present);
        assert_eq!(own, Object::new());
        let moved = object(&[("cn", "Ana")]);
        assert_eq!(after(&standing, &[], &object(&[]), &moved), Object::new());
    }

    #[test]
    fn what_was_cleared_and_is_gone_stands_in_for_nothing() {
        let wanted = object(&[]);
        assert_eq!(
            after(&Object::new(), &[put("cn", &wanted)], &wanted, &wanted),
            Object::new()
        );
    }
}
