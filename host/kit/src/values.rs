//! Values: whether two are the same, and how they are shown.

use std::fmt::Write as _;

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{
    Attribute, Change, Changes, Comparison, Edit, EditKind, Entry, MemberPage, Node, Page, Scalar,
    Value,
};

use crate::describe::{Field, Type};
use crate::evaluate::{instant, number};

/// Longest value that is shown whole.
const SHOWN: usize = 80;
/// Longest answer that is shown whole.
const ANSWER: usize = 400;

/// The values of an attribute; none when it is absent.
pub(crate) fn of<'e>(entry: &'e Entry, name: &str) -> &'e [Value] {
    let held = entry.attributes.iter().find(|held| held.name == name);
    held.map_or(&[], |held| &held.values)
}

/// An attribute with these values.
pub(crate) fn attribute(name: &str, values: Vec<Value>) -> Attribute {
    Attribute {
        name: name.to_owned(),
        values,
    }
}

/// One edit.
pub(crate) fn edit(kind: EditKind, name: &str, values: Vec<Value>) -> Edit {
    Edit {
        kind,
        attribute: attribute(name, values),
    }
}

/// A simple text value.
pub(crate) fn text(text: impl Into<String>) -> Value {
    Value::Simple(Scalar::Text(text.into()))
}

/// Is the scalar of the type that the description says?
pub(crate) fn is_of(data: Type, scalar: &Scalar) -> bool {
    matches!(
        (data, scalar),
        (Type::Text | Type::Reference, Scalar::Text(_))
            | (Type::Boolean, Scalar::Boolean(_))
            | (Type::Integer, Scalar::Integer(_))
            | (Type::Decimal, Scalar::Decimal(_))
            | (Type::Instant, Scalar::Instant(_))
            | (Type::Binary, Scalar::Bytes(_))
    )
}

fn same_scalar(data: Type, sent: &Scalar, held: &Scalar) -> bool {
    if !is_of(data, held) {
        return false;
    }
    match (sent, held) {
        (Scalar::Decimal(_), Scalar::Decimal(_)) => number(sent) == number(held),
        (Scalar::Instant(sent), Scalar::Instant(held)) => instant(sent) == instant(held),
        _ => sent == held,
    }
}

fn same_value(field: &Field, sent: &Value, held: &Value) -> bool {
    match (sent, held) {
        (Value::Simple(sent), Value::Simple(held)) => same_scalar(field.data, sent, held),
        (Value::Complex(sent), Value::Complex(held)) => field.parts.iter().all(|part| {
            let values = |parts: &[tombolo_runtime::contract::Part]| -> Vec<Value> {
                let found = parts.iter().filter(|found| found.name == part.name);
                found
                    .flat_map(|found| found.values.iter().cloned().map(Value::Simple))
                    .collect()
            };
            !part.is_readable() || same(part, &values(sent), &values(held))
        }),
        _ => false,
    }
}

/// Does the attribute hold what was sent, in whatever order?
pub(crate) fn same(field: &Field, sent: &[Value], held: &[Value]) -> bool {
    let mut free: Vec<&Value> = held.iter().collect();
    for value in sent {
        match free.iter().position(|held| same_value(field, value, held)) {
            Some(at) => drop(free.swap_remove(at)),
            None => return false,
        }
    }
    free.is_empty()
}

fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head: String = text.chars().take(limit / 2).collect();
    format!("{head}… ({} bytes)", text.len())
}

pub(crate) fn scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) => format!("\"{}\"", cut(&text.escape_debug().to_string(), SHOWN)),
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Integer(value) => value.to_string(),
        Scalar::Decimal(text) => format!("{}d", cut(text, SHOWN)),
        Scalar::Instant(text) => format!("@{}", cut(text, SHOWN)),
        Scalar::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Simple(simple) => scalar(simple),
        Value::Complex(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| {
                    let values: Vec<String> = part.values.iter().map(scalar).collect();
                    format!("{}: {}", part.name, values.join("+"))
                })
                .collect();
            format!("({})", parts.join(", "))
        }
    }
}

/// Values as people read them; nothing is `nothing`.
pub(crate) fn list(values: &[Value]) -> String {
    match values {
        [] => "nothing".to_owned(),
        [only] => value(only),
        many => {
            let many: Vec<String> = many.iter().map(value).collect();
            cut(&format!("[{}]", many.join(", ")), ANSWER)
        }
    }
}

/// Attributes as people read them.
pub(crate) fn attributes(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for (n, held) in attributes.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{}={}", held.name, list(&held.values));
    }
    cut(&text, ANSWER)
}

/// Edits as people read them.
pub(crate) fn edits(edits: &[Edit]) -> String {
    let words: Vec<String> = edits
        .iter()
        .map(|edit| {
            let kind = match edit.kind {
                EditKind::Put => "put",
                EditKind::Add => "add",
                EditKind::Remove => "remove",
            };
            format!(
                "{kind} {}={}",
                edit.attribute.name,
                list(&edit.attribute.values)
            )
        })
        .collect();
    cut(&words.join("; "), ANSWER)
}

/// An entry as people read it.
pub(crate) fn entry(entry: &Entry) -> String {
    let version = entry.version.as_deref().unwrap_or("-");
    format!(
        "{} (version {}): {}",
        cut(&entry.anchor, SHOWN),
        cut(version, SHOWN),
        attributes(&entry.attributes)
    )
}

/// A filter as people read it.
pub(crate) fn filter(nodes: &[Node]) -> String {
    if nodes.is_empty() {
        return "()".to_owned();
    }
    node(nodes, nodes.len() - 1, 8)
}

fn node(nodes: &[Node], at: usize, depth: usize) -> String {
    let child = |at: u32| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        if at < nodes.len() && depth > 0 {
            node(nodes, at, depth - 1)
        } else {
            format!("node {at}")
        }
    };
    let all = |word: &str, children: &[u32]| {
        let inner: Vec<String> = children.iter().map(|at| child(*at)).collect();
        format!("{word}({})", inner.join(", "))
    };
    match &nodes[at] {
        Node::Test((name, comparison, wanted)) => {
            format!("{name} {} {}", word(*comparison), scalar(wanted))
        }
        Node::Present(name) => format!("{name} present"),
        Node::All(children) => all("all", children),
        Node::Any(children) => all("any", children),
        Node::Negate(inner) => format!("not({})", child(*inner)),
        Node::Element((name, inner)) => format!("{name}[{}]", child(*inner)),
    }
}

pub(crate) fn word(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "equal",
        Comparison::NotEqual => "not-equal",
        Comparison::Contains => "contains",
        Comparison::StartsWith => "starts-with",
        Comparison::EndsWith => "ends-with",
        Comparison::Greater => "greater",
        Comparison::AtLeast => "at-least",
        Comparison::Less => "less",
        Comparison::AtMost => "at-most",
    }
}

/// Why there is no answer, as people read it.
pub(crate) fn error(error: &CallError) -> String {
    match error {
        CallError::Failure(failure) => {
            let attribute = failure.attribute.as_deref();
            let about = attribute
                .map(|name| format!(" about {name}"))
                .unwrap_or_default();
            format!(
                "{}{about}: {}",
                fault(failure.fault),
                cut(&failure.message, ANSWER)
            )
        }
        other => other.to_string(),
    }
}

pub(crate) fn fault(fault: tombolo_runtime::contract::Fault) -> &'static str {
    use tombolo_runtime::contract::Fault as F;
    match fault {
        F::NotFound => "not-found",
        F::AlreadyExists => "already-exists",
        F::Changed => "changed",
        F::Invalid => "invalid",
        F::Unsupported => "unsupported",
        F::Unauthenticated => "unauthenticated",
        F::Forbidden => "forbidden",
        F::Busy => "busy",
        F::Unavailable => "unavailable",
        F::Timeout => "timeout",
        F::Other => "other",
    }
}

/// What an answer looks like in a report.
pub(crate) trait Show {
    fn show(&self) -> String;
}

impl Show for () {
    fn show(&self) -> String {
        "it was done".to_owned()
    }
}

impl Show for Entry {
    fn show(&self) -> String {
        entry(self)
    }
}

impl Show for Page {
    fn show(&self) -> String {
        let anchors: Vec<&str> = self.entries.iter().map(|e| e.anchor.as_str()).collect();
        format!(
            "{} entries: {}",
            anchors.len(),
            cut(&anchors.join(", "), ANSWER)
        )
    }
}

impl Show for Vec<Entry> {
    fn show(&self) -> String {
        let anchors: Vec<&str> = self.iter().map(|e| e.anchor.as_str()).collect();
        format!(
            "{} entries: {}",
            anchors.len(),
            cut(&anchors.join(", "), ANSWER)
        )
    }
}

impl Show for MemberPage {
    fn show(&self) -> String {
        format!(
            "{} members: {}",
            self.members.len(),
            cut(&self.members.join(", "), ANSWER)
        )
    }
}

impl Show for Vec<String> {
    fn show(&self) -> String {
        format!("{}: {}", self.len(), cut(&self.join(", "), ANSWER))
    }
}

impl Show for String {
    fn show(&self) -> String {
        cut(self, ANSWER)
    }
}

impl Show for Changes {
    fn show(&self) -> String {
        let changes: Vec<String> = self
            .changes
            .iter()
            .map(|change| match change {
                Change::Changed(entry) => format!("changed {}", entry.anchor),
                Change::Gone(anchor) => format!("gone {anchor}"),
            })
            .collect();
        format!(
            "{} changes, {}: {}",
            changes.len(),
            if self.more { "more to come" } else { "no more" },
            cut(&changes.join(", "), ANSWER)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(json: serde_json::Value) -> Field {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn order_does_not_matter_and_number_does() {
        let mails = field(serde_json::json!({ "name": "mail", "type": "text", "multi": true }));
        let values = |texts: &[&str]| texts.iter().map(|t| text(*t)).collect::<Vec<_>>();
        assert!(same(&mails, &values(&["a", "b"]), &values(&["b", "a"])));
        assert!(!same(&mails, &values(&["a"]), &values(&["a", "a"])));
        assert!(!same(&mails, &values(&["a"]), &values(&["A"])));
        assert!(!same(
            &mails,
            &values(&["1"]),
            &[Value::Simple(Scalar::Integer(1))]
        ));
    }

    #[test]
    fn decimals_and_instants_are_what_they_mean() {
        let price = field(serde_json::json!({ "name": "price", "type": "decimal" }));
        let decimal = |text: &str| vec![Value::Simple(Scalar::Decimal(text.to_owned()))];
        assert!(same(&price, &decimal("1.50"), &decimal("1.5")));
        let since = field(serde_json::json!({ "name": "since", "type": "instant" }));
        let at = |text: &str| vec![Value::Simple(Scalar::Instant(text.to_owned()))];
        assert!(same(
            &since,
            &at("2026-01-01T00:00:00Z"),
            &at("2026-01-01T00:00:00.000Z")
        ));
    }

    #[test]
    fn what_is_long_is_cut_and_what_controls_a_terminal_is_escaped() {
        let shown = scalar(&Scalar::Text("\u{1b}[2J".to_owned() + &"x".repeat(1000)));
        assert!(shown.len() < 200 && !shown.contains('\u{1b}'), "{shown}");
    }
}
