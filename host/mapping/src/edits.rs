//! What has to be edited so that one object becomes another.

use std::collections::BTreeSet;

use crate::kind::KindAttribute;
use crate::mapping::Mapping;
use crate::object::{Edit, EditKind, Object, ObjectValue};
use crate::overlay::same_values;

/// From here on a list is edited by what differs, not rewritten: a group of
/// 50,000 is not sent again for one member.
const LARGE: usize = 64;

impl Mapping {
    /// The edits of writable attributes that turn `old` into `new`, in the order
    /// of the connector's attributes. Nothing differs: no edits.
    pub fn edits(&self, old: &Object, new: &Object) -> Vec<Edit> {
        let mut edits = Vec::new();
        for attribute in self
            .kind
            .attributes
            .iter()
            .filter(|attribute| attribute.is_writable())
        {
            let (old, new) = (old.get(&attribute.name), new.get(&attribute.name));
            if !same_values(old, new) {
                edit(attribute, old, new, &mut edits);
            }
        }
        edits
    }
}

fn edit(
    attribute: &KindAttribute,
    old: &[ObjectValue],
    new: &[ObjectValue],
    edits: &mut Vec<Edit>,
) {
    let mut push = |kind, values| {
        edits.push(Edit {
            kind,
            name: attribute.name.clone(),
            values,
        });
    };
    // A put without values clears: the contract's `remove` goes by value.
    if new.is_empty() || !attribute.multi || old.len().max(new.len()) < LARGE {
        push(EditKind::Put, new.to_vec());
    } else {
        let removed = missing(old, new);
        let added = missing(new, old);
        if !removed.is_empty() {
            push(EditKind::Remove, removed);
        }
        if !added.is_empty() {
            push(EditKind::Add, added);
        }
    }
}

/// The values of `from` that are not in `other`.
fn missing(from: &[ObjectValue], other: &[ObjectValue]) -> Vec<ObjectValue> {
    let known: BTreeSet<&ObjectValue> = other.iter().collect();
    from.iter()
        .filter(|value| !known.contains(value))
        .cloned()
        .collect()
}
