//! The naive evaluator: whether an entry passes a filter, by the words of the contract and nothing else.
//!
//! It shares no code with the SDK's: what both have wrong would never be found.

use std::cmp::Ordering;

use tombolo_runtime::contract::{Comparison, Entry, Node, Scalar, Value};

use crate::describe::Kind;

/// Whether the entry passes; the last node is the root.
pub(crate) fn passes(kind: &Kind, entry: &Entry, nodes: &[Node]) -> bool {
    let root = nodes.len().saturating_sub(1);
    let scope = Scope {
        exact: &|name| kind.field(name).is_some_and(|field| field.case_exact),
        values: &|name| of(entry, name),
    };
    node(nodes, root, &scope)
}

/// What names mean: attributes of an entry, or parts of one value.
struct Scope<'a> {
    exact: &'a dyn Fn(&str) -> bool,
    values: &'a dyn Fn(&str) -> Vec<Value>,
}

fn of(entry: &Entry, name: &str) -> Vec<Value> {
    let held = entry.attributes.iter().find(|held| held.name == name);
    held.map(|held| held.values.clone()).unwrap_or_default()
}

fn node(nodes: &[Node], at: usize, scope: &Scope<'_>) -> bool {
    let child = |at: u32| usize::try_from(at).is_ok_and(|at| node(nodes, at, scope));
    match &nodes[at] {
        Node::Test((name, comparison, wanted)) => {
            let values = (scope.values)(name);
            let any = |comparison| {
                values.iter().any(|value| match value {
                    Value::Simple(held) => compare(held, comparison, wanted, (scope.exact)(name)),
                    Value::Complex(_) => false,
                })
            };
            match comparison {
                Comparison::NotEqual => !any(Comparison::Equal),
                other => any(*other),
            }
        }
        Node::Present(name) => !(scope.values)(name).is_empty(),
        Node::All(children) => children.iter().all(|at| child(*at)),
        Node::Any(children) => children.iter().any(|at| child(*at)),
        Node::Negate(inner) => !child(*inner),
        Node::Element((name, inner)) => (scope.values)(name).iter().any(|value| {
            let exact = (scope.exact)(name);
            let inside = Scope {
                exact: &|_| exact,
                values: &|part| parts(value, part),
            };
            usize::try_from(*inner).is_ok_and(|at| node(nodes, at, &inside))
        }),
    }
}

fn parts(value: &Value, name: &str) -> Vec<Value> {
    match value {
        Value::Simple(scalar) if name == "value" => vec![Value::Simple(scalar.clone())],
        Value::Simple(_) => Vec::new(),
        Value::Complex(parts) => parts
            .iter()
            .filter(|part| part.name == name)
            .flat_map(|part| part.values.iter().cloned().map(Value::Simple))
            .collect(),
    }
}

/// Whether one scalar compares so with another.
pub(crate) fn compare(held: &Scalar, comparison: Comparison, wanted: &Scalar, exact: bool) -> bool {
    match (held, wanted) {
        (Scalar::Text(held), Scalar::Text(wanted)) => {
            let fold = |text: &str| {
                if exact {
                    text.to_owned()
                } else {
                    text.to_lowercase()
                }
            };
            let (held, wanted) = (fold(held), fold(wanted));
            match comparison {
                Comparison::Contains => held.contains(&wanted),
                Comparison::StartsWith => held.starts_with(&wanted),
                Comparison::EndsWith => held.ends_with(&wanted),
                _ => is(held.cmp(&wanted), comparison),
            }
        }
        (Scalar::Boolean(held), Scalar::Boolean(wanted)) => {
            comparison == Comparison::Equal && held == wanted
        }
        (Scalar::Bytes(held), Scalar::Bytes(wanted)) => {
            comparison == Comparison::Equal && held == wanted
        }
        (Scalar::Instant(held), Scalar::Instant(wanted)) => {
            match (instant(held), instant(wanted)) {
                (Some(held), Some(wanted)) => is(held.cmp(&wanted), comparison),
                _ => false,
            }
        }
        _ => match (number(held), number(wanted)) {
            (Some(held), Some(wanted)) => is(held.cmp(&wanted), comparison),
            _ => false,
        },
    }
}

fn is(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Greater => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => false,
    }
}

pub(crate) fn instant(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

/// Digits after the point that are compared: more than the kit's own values have.
const FRACTION: usize = 18;

/// A number as a whole multiple of 10⁻¹⁸.
pub(crate) fn number(scalar: &Scalar) -> Option<i128> {
    let text = match scalar {
        Scalar::Integer(number) => number.to_string(),
        Scalar::Decimal(text) => text.clone(),
        _ => return None,
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let all_digits = (whole.to_owned() + fraction)
        .bytes()
        .all(|b| b.is_ascii_digit());
    if !all_digits || fraction.len() > FRACTION || digits.is_empty() {
        return None;
    }
    let padded = format!("{whole}{fraction:0<FRACTION$}");
    padded.parse::<i128>().ok().map(|number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Scalar {
        Scalar::Decimal(text.to_owned())
    }

    #[test]
    fn numbers_are_compared_by_what_they_are() {
        assert_eq!(number(&decimal("10.50")), number(&decimal("10.5")));
        assert_eq!(number(&decimal("-0")), number(&Scalar::Integer(0)));
        assert!(number(&decimal("-1.5")) < number(&decimal("-1.25")));
        assert_eq!(number(&decimal("1e3")), None);
        assert_eq!(number(&decimal("")), None);
    }

    #[test]
    fn text_has_its_case_rule_and_types_do_not_mix() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        let equal =
            |held: &Scalar, wanted: &Scalar, exact| compare(held, Comparison::Equal, wanted, exact);
        assert!(equal(&text("Ána"), &text("áNA"), false));
        assert!(!equal(&text("Ána"), &text("áNA"), true));
        assert!(!equal(&text("1"), &Scalar::Integer(1), false));
        assert!(compare(
            &text("abc"),
            Comparison::EndsWith,
            &text("BC"),
            false
        ));
    }

    #[test]
    fn a_tree_is_evaluated_from_its_root() {
        let kind: Kind = serde_json::from_value(serde_json::json!({
            "kind": "user", "resource": "User",
            "attributes": [{ "name": "name", "type": "text" }, { "name": "mail", "type": "complex", "multi": true }]
        }))
        .unwrap();
        let part = |name: &str, value: &str| tombolo_runtime::contract::Part {
            name: name.to_owned(),
            values: vec![Scalar::Text(value.to_owned())],
        };
        let entry = Entry {
            anchor: "1".to_owned(),
            version: None,
            attributes: vec![tombolo_runtime::contract::Attribute {
                name: "mail".to_owned(),
                values: vec![
                    Value::Complex(vec![part("type", "work"), part("value", "a@x")]),
                    Value::Complex(vec![part("type", "home"), part("value", "b@x")]),
                ],
            }],
        };
        let test = |part: &str, value: &str| {
            Node::Test((
                part.to_owned(),
                Comparison::Equal,
                Scalar::Text(value.to_owned()),
            ))
        };
        let both = |kind_of: &str, value: &str| {
            [
                test("type", kind_of),
                test("value", value),
                Node::All(vec![0, 1]),
                Node::Element(("mail".to_owned(), 2)),
            ]
        };
        assert!(passes(&kind, &entry, &both("work", "A@X")));
        assert!(!passes(&kind, &entry, &both("work", "b@x")));
        assert!(passes(
            &kind,
            &entry,
            &[Node::Present("name".to_owned()), Node::Negate(0)]
        ));
        assert!(passes(&kind, &entry, &[Node::All(Vec::new())]));
        assert!(!passes(&kind, &entry, &[Node::Any(Vec::new())]));
    }
}
