//! Comparisons of two values.

use std::cmp::Ordering;

use super::date_format;
use super::evaluate::as_integer;
use super::node::Operator;
use super::value::Value;

/// Does it hold? With a value that is null or empty nothing does, not even that it differs: "the condition check fails".
pub(super) fn holds(a: &Value, operator: Operator, b: &Value) -> bool {
    let (Ok(a), Ok(b)) = (a.single(), b.single()) else {
        return false;
    };
    if a.is_null_or_empty() || b.is_null_or_empty() {
        return false;
    }
    let Some(order) = order(a, b) else {
        return operator == Operator::NotEqual;
    };
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::AtLeast => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::AtMost => order.is_le(),
    }
}

/// Numbers as numbers and times as times, if one side is one; else texts, with case.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Integer(_), _) | (_, Value::Integer(_)) => {
            if let (Some(a), Some(b)) = (as_integer(a), as_integer(b)) {
                return Some(a.cmp(&b));
            }
        }
        (Value::Instant(_), _) | (_, Value::Instant(_)) => {
            if let (Some(a), Some(b)) = (date_format::instant(a), date_format::instant(b)) {
                return Some(a.cmp(&b));
            }
        }
        (Value::Boolean(own), other) | (other, Value::Boolean(own)) => {
            let same = if *own {
                is_true(other)
            } else {
                is_false(other)
            };
            return same.then_some(Ordering::Equal);
        }
        _ => {}
    }
    Some(a.to_text()?.as_ref().cmp(b.to_text()?.as_ref()))
}

/// `True`, in whatever case.
pub(super) fn is_true(value: &Value) -> bool {
    is_word(value, "true")
}

fn is_false(value: &Value) -> bool {
    is_word(value, "false")
}

fn is_word(value: &Value, word: &str) -> bool {
    value
        .to_text()
        .is_some_and(|text| text.trim().eq_ignore_ascii_case(word))
}
