//! Between the mapping's vocabulary and the contract's: the same things, said
//! in the types of two rooms that do not know each other.

use tombolo_mapping::{
    Comparison, Edit, EditKind, Object, ObjectFilter, ObjectNode, ObjectValue, Scalar,
};
use tombolo_runtime::contract;

/// What an entry holds.
pub(crate) fn object(entry: &contract::Entry) -> Object {
    entry
        .attributes
        .iter()
        .map(|attribute| {
            (
                attribute.name.clone(),
                attribute.values.iter().map(value_in).collect(),
            )
        })
        .collect()
}

fn value_in(value: &contract::Value) -> ObjectValue {
    match value {
        contract::Value::Simple(scalar) => ObjectValue::Simple(scalar_in(scalar)),
        contract::Value::Complex(parts) => ObjectValue::Complex(
            parts
                .iter()
                .map(|part| {
                    (
                        part.name.clone(),
                        part.values.iter().map(scalar_in).collect(),
                    )
                })
                .collect(),
        ),
    }
}

fn scalar_in(scalar: &contract::Scalar) -> Scalar {
    match scalar.clone() {
        contract::Scalar::Text(text) => Scalar::Text(text),
        contract::Scalar::Boolean(truth) => Scalar::Boolean(truth),
        contract::Scalar::Integer(number) => Scalar::Integer(number),
        contract::Scalar::Decimal(text) => Scalar::Decimal(text),
        contract::Scalar::Instant(text) => Scalar::Instant(text),
        contract::Scalar::Bytes(bytes) => Scalar::Bytes(bytes),
    }
}

/// An object as a connector creates it.
pub(crate) fn attributes(object: &Object) -> Vec<contract::Attribute> {
    object
        .iter()
        .map(|(name, values)| attribute(name, values))
        .collect()
}

/// Changes as a connector makes them.
pub(crate) fn edits(edits: &[Edit]) -> Vec<contract::Edit> {
    edits
        .iter()
        .map(|edit| contract::Edit {
            kind: match edit.kind {
                EditKind::Put => contract::EditKind::Put,
                EditKind::Add => contract::EditKind::Add,
                EditKind::Remove => contract::EditKind::Remove,
            },
            attribute: attribute(&edit.name, &edit.values),
        })
        .collect()
}

fn attribute(name: &str, values: &[ObjectValue]) -> contract::Attribute {
    contract::Attribute {
        name: name.to_owned(),
        values: values.iter().map(value_out).collect(),
    }
}

fn value_out(value: &ObjectValue) -> contract::Value {
    match value {
        ObjectValue::Simple(simple) => contract::Value::Simple(scalar(simple)),
        ObjectValue::Complex(parts) => contract::Value::Complex(
            parts
                .iter()
                .map(|(name, values)| contract::Part {
                    name: name.clone(),
                    values: values.iter().map(scalar).collect(),
                })
                .collect(),
        ),
    }
}

/// A scalar for a connector.
pub(crate) fn scalar(scalar: &Scalar) -> contract::Scalar {
    match scalar.clone() {
        Scalar::Text(text) => contract::Scalar::Text(text),
        Scalar::Boolean(truth) => contract::Scalar::Boolean(truth),
        Scalar::Integer(number) => contract::Scalar::Integer(number),
        Scalar::Decimal(text) => contract::Scalar::Decimal(text),
        Scalar::Instant(text) => contract::Scalar::Instant(text),
        Scalar::Bytes(bytes) => contract::Scalar::Bytes(bytes),
    }
}

/// Whether an entry has this value, text compared without regard to case: a
/// target that ignores case may answer with its own spelling.
pub(crate) fn has(entry: &contract::Entry, name: &str, wanted: &contract::Scalar) -> bool {
    entry
        .attributes
        .iter()
        .filter(|attribute| attribute.name == name)
        .flat_map(|attribute| &attribute.values)
        .any(|value| match (value, wanted) {
            (contract::Value::Simple(contract::Scalar::Text(a)), contract::Scalar::Text(b)) => {
                crate::index::fold(a) == crate::index::fold(b)
            }
            (contract::Value::Simple(scalar), wanted) => scalar == wanted,
            (contract::Value::Complex(_), _) => false,
        })
}

/// A filter for a connector.
pub(crate) fn filter(filter: &ObjectFilter) -> Vec<contract::Node> {
    filter
        .0
        .iter()
        .map(|node| match node.clone() {
            ObjectNode::Test(name, how, value) => {
                contract::Node::Test((name, comparison(how), scalar(&value)))
            }
            ObjectNode::Present(name) => contract::Node::Present(name),
            ObjectNode::All(nodes) => contract::Node::All(nodes),
            ObjectNode::Any(nodes) => contract::Node::Any(nodes),
            ObjectNode::Negate(node) => contract::Node::Negate(node),
            ObjectNode::Element(name, node) => contract::Node::Element((name, node)),
        })
        .collect()
}

fn comparison(how: Comparison) -> contract::Comparison {
    match how {
        Comparison::Equal => contract::Comparison::Equal,
        Comparison::NotEqual => contract::Comparison::NotEqual,
        Comparison::Contains => contract::Comparison::Contains,
        Comparison::StartsWith => contract::Comparison::StartsWith,
        Comparison::EndsWith => contract::Comparison::EndsWith,
        Comparison::Greater => contract::Comparison::Greater,
        Comparison::AtLeast => contract::Comparison::AtLeast,
        Comparison::Less => contract::Comparison::Less,
        Comparison::AtMost => contract::Comparison::AtMost,
    }
}
