//! Filters as a tree, and whether an entry passes one.
//!
//! The host sends a flat list of nodes (the component model's types do not recurse). [`Filter::read`] makes the tree;
//! a connector translates it into its target's language, or lists and asks [`Filter::matches`].

use crate::schema::Kind;
use crate::{Attributes, Comparison, Entry, Failure, Node, Result, Scalar, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A filter, as a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Any value of the attribute compares so. `NotEqual` is the negation of `Equal`: true where there is no value.
    Test(String, Comparison, Scalar),
    /// The attribute has a value.
    Present(String),
    /// All of them; an empty list is true.
    All(Vec<Filter>),
    /// At least one of them; an empty list is false.
    Any(Vec<Filter>),
    /// Not that one.
    Not(Box<Filter>),
    /// One value of a complex attribute passes the inner filter, which speaks of its parts.
    Element(String, Box<Filter>),
}

impl Filter {
    /// The tree of a flat list: children come before their parents, the last node is the root.
    pub fn read(nodes: &[Node]) -> Result<Self> {
        let mut made: Vec<Option<Self>> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let filter = match node {
                Node::Test((attribute, comparison, value)) => {
                    Self::Test(attribute.clone(), *comparison, value.clone())
                }
                Node::Present(attribute) => Self::Present(attribute.clone()),
                Node::All(children) => Self::All(take_all(&mut made, children)?),
                Node::Any(children) => Self::Any(take_all(&mut made, children)?),
                Node::Negate(child) => Self::Not(Box::new(take(&mut made, *child)?)),
                Node::Element((attribute, child)) => {
                    Self::Element(attribute.clone(), Box::new(take(&mut made, *child)?))
                }
            };
            made.push(Some(filter));
        }
        made.pop()
            .flatten()
            .ok_or_else(|| Failure::invalid("the filter is empty"))
    }

    /// The value that the filter asks to be equal, when it asks nothing else: the look-up by a unique attribute.
    pub fn equality(&self) -> Option<(&str, &Scalar)> {
        match self {
            Self::Test(attribute, Comparison::Equal, value) => Some((attribute, value)),
            Self::All(children) | Self::Any(children) => match children.as_slice() {
                [only] => only.equality(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the entry passes. The kind says which attributes tell upper from lower case.
    pub fn matches(&self, kind: &Kind, entry: &Entry) -> bool {
        self.matches_with(kind, &|name| Cow::Borrowed(entry.values(name)))
    }

    /// Whether what `values` answers for each attribute passes, without making an entry first.
    pub fn matches_with<'v>(&self, kind: &Kind, values: &dyn Fn(&str) -> Cow<'v, [Value]>) -> bool {
        self.eval(
            &|name| kind.attribute(name).is_some_and(|f| f.case_exact),
            values,
        )
    }

    fn eval<'v>(
        &self,
        exact: &dyn Fn(&str) -> bool,
        values: &dyn Fn(&str) -> Cow<'v, [Value]>,
    ) -> bool {
        match self {
            Self::Test(name, Comparison::NotEqual, wanted) => {
                !any(&values(name), Comparison::Equal, wanted, exact(name))
            }
            Self::Test(name, comparison, wanted) => {
                any(&values(name), *comparison, wanted, exact(name))
            }
            Self::Present(name) => !values(name).is_empty(),
            Self::All(children) => children.iter().all(|c| c.eval(exact, values)),
            Self::Any(children) => children.iter().any(|c| c.eval(exact, values)),
            Self::Not(child) => !child.eval(exact, values),
            Self::Element(name, inner) => values(name).iter().any(|value| {
                // The outer attribute's rule counts for its parts.
                let rule = exact(name);
                inner.eval(&|_| rule, &|part| Cow::Owned(part_values(value, part)))
            }),
        }
    }
}

fn part_values(value: &Value, part: &str) -> Vec<Value> {
    match value {
        // A simple value is its own `value` (RFC 7643 section 2.4).
        Value::Simple(scalar) if part == "value" => vec![Value::Simple(scalar.clone())],
        Value::Simple(_) => Vec::new(),
        Value::Complex(parts) => parts
            .iter()
            .filter(|p| p.name == part)
            .flat_map(|p| p.values.iter().cloned().map(Value::Simple))
            .collect(),
    }
}

fn take(made: &mut [Option<Filter>], at: u32) -> Result<Filter> {
    // Each node has one parent: a list that shares nodes could unfold to a tree without end.
    usize::try_from(at)
        .ok()
        .and_then(|at| made.get_mut(at))
        .and_then(Option::take)
        .ok_or_else(|| {
            Failure::invalid(format!(
                "the filter's node {at} is not a child that is still free"
            ))
        })
}

fn take_all(made: &mut [Option<Filter>], children: &[u32]) -> Result<Vec<Filter>> {
    children.iter().map(|at| take(made, *at)).collect()
}

fn any(values: &[Value], comparison: Comparison, wanted: &Scalar, exact: bool) -> bool {
    values
        .iter()
        .filter_map(Value::as_scalar)
        .any(|scalar| compare(scalar, comparison, wanted, exact))
}

/// Whether one scalar compares so with another. Different types never do, except that integers and decimals are numbers.
pub fn compare(left: &Scalar, comparison: Comparison, right: &Scalar, exact: bool) -> bool {
    use Comparison as C;
    if comparison == C::NotEqual {
        return !compare(left, C::Equal, right, exact);
    }
    match (left, right) {
        (Scalar::Boolean(a), Scalar::Boolean(b)) => comparison == C::Equal && a == b,
        (Scalar::Bytes(a), Scalar::Bytes(b)) => comparison == C::Equal && a == b,
        (Scalar::Text(a), Scalar::Text(b)) => text(a, comparison, b, exact),
        (Scalar::Instant(a), Scalar::Instant(b)) => {
            ordered(instant(a).cmp(&instant(b)), comparison)
        }
        (Scalar::Integer(a), Scalar::Integer(b)) => ordered(a.cmp(b), comparison),
        (Scalar::Integer(_) | Scalar::Decimal(_), Scalar::Integer(_) | Scalar::Decimal(_)) => {
            match (left.to_plain(), right.to_plain()) {
                (Some(a), Some(b)) => decimal(&a, &b).is_some_and(|o| ordered(o, comparison)),
                _ => false,
            }
        }
        _ => false,
    }
}

fn text(left: &str, comparison: Comparison, right: &str, exact: bool) -> bool {
    if !exact && comparison == Comparison::Equal && left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    let fold = |s| {
        if exact {
            Cow::Borrowed(s)
        } else {
            Cow::Owned(fold_case(s))
        }
    };
    let (left, right) = (fold(left), fold(right));
    match comparison {
        Comparison::Contains => left.contains(right.as_ref()),
        Comparison::StartsWith => left.starts_with(right.as_ref()),
        Comparison::EndsWith => left.ends_with(right.as_ref()),
        _ => ordered(left.cmp(&right), comparison),
    }
}

/// Text without the difference between upper and lower case.
pub fn fold_case(text: &str) -> String {
    text.to_lowercase()
}

fn ordered(order: Ordering, comparison: Comparison) -> bool {
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

/// RFC 3339 in UTC compares as text once the fraction's trailing zeros are gone.
fn instant(text: &str) -> String {
    let text = text.to_ascii_uppercase();
    let bare = text.trim_end_matches('Z').trim_end_matches("+00:00");
    match bare.split_once('.') {
        Some((seconds, fraction)) => match fraction.trim_end_matches('0') {
            "" => seconds.to_owned(),
            rest => format!("{seconds}.{rest}"),
        },
        None => bare.to_owned(),
    }
}

/// Compares decimal texts of any length exactly; none when one of them is no plain decimal.
fn decimal(left: &str, right: &str) -> Option<Ordering> {
    fn split(text: &str) -> Option<(bool, &str, &str)> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if digits.is_empty() || digits == "." || !numeric(whole) || !numeric(fraction) {
            return None;
        }
        let (whole, fraction) = (
            whole.trim_start_matches('0'),
            fraction.trim_end_matches('0'),
        );
        Some((
            negative && !(whole.is_empty() && fraction.is_empty()),
            whole,
            fraction,
        ))
    }
    let (left_negative, left_whole, left_fraction) = split(left)?;
    let (right_negative, right_whole, right_fraction) = split(right)?;
    let magnitude = (left_whole.len(), left_whole, left_fraction).cmp(&(
        right_whole.len(),
        right_whole,
        right_fraction,
    ));
    Some(match (left_negative, right_negative) {
        (false, false) => magnitude,
        (true, true) => magnitude.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> Kind {
        Kind::user()
            .text("uid")
            .text("code")
            .case_exact()
            .integer("room")
            .instant("since")
            .text("mail")
            .multi()
    }

    fn ana() -> Entry {
        Entry::new("1")
            .with("uid", "Ána@X")
            .with("code", "aB")
            .with("room", 42)
            .with(
                "since",
                Scalar::Instant("2026-01-01T00:00:00.500Z".to_owned()),
            )
            .with_all("mail", ["a@x", "b@x"])
            .with(
                "name",
                Value::complex([("given", "Ana"), ("family", "Ruiz")]),
            )
    }

    fn test(name: &str, comparison: Comparison, value: impl Into<Scalar>) -> bool {
        Filter::Test(name.to_owned(), comparison, value.into()).matches(&kind(), &ana())
    }

    #[test]
    fn case_counts_only_where_the_kind_says_so() {
        assert!(test("uid", Comparison::Equal, "áNA@x"));
        assert!(!test("code", Comparison::Equal, "ab"));
        assert!(test("code", Comparison::Equal, "aB"));
    }

    #[test]
    fn not_equal_is_the_negation_of_equal() {
        assert!(!test("mail", Comparison::NotEqual, "b@x"));
        assert!(test("mail", Comparison::NotEqual, "c@x"));
        assert!(test("nothing", Comparison::NotEqual, "c"));
    }

    #[test]
    fn any_value_of_many_is_enough() {
        assert!(test("mail", Comparison::StartsWith, "B@"));
        assert!(!test("mail", Comparison::EndsWith, "@y"));
    }

    #[test]
    fn numbers_and_instants_compare_by_what_they_mean() {
        assert!(test("room", Comparison::Greater, 41));
        assert!(test(
            "room",
            Comparison::Equal,
            Scalar::Decimal("042.0".to_owned())
        ));
        assert!(test(
            "since",
            Comparison::Equal,
            Scalar::Instant("2026-01-01T00:00:00.5Z".to_owned())
        ));
        assert!(test(
            "since",
            Comparison::Greater,
            Scalar::Instant("2026-01-01T00:00:00Z".to_owned())
        ));
        assert_eq!(decimal("-10", "9"), Some(Ordering::Less));
        assert_eq!(decimal("-0", "0.00"), Some(Ordering::Equal));
        assert_eq!(decimal("1e3", "1"), None);
    }

    #[test]
    fn an_element_filter_speaks_of_one_value_s_parts() {
        let inner = |given: &str, family: &str| {
            Filter::All(vec![
                Filter::Test("given".to_owned(), Comparison::Equal, given.into()),
                Filter::Test("family".to_owned(), Comparison::Equal, family.into()),
            ])
        };
        let element = |i| Filter::Element("name".to_owned(), Box::new(i));
        assert!(element(inner("ana", "ruiz")).matches(&kind(), &ana()));
        assert!(!element(inner("ana", "paz")).matches(&kind(), &ana()));
    }

    #[test]
    fn a_flat_list_becomes_a_tree_and_a_shared_node_is_refused() {
        let nodes = [
            Node::Present("uid".to_owned()),
            Node::Negate(0),
            Node::Present("mail".to_owned()),
            Node::Any(vec![1, 2]),
        ];
        let filter = Filter::read(&nodes).expect("a tree");
        assert!(filter.matches(&kind(), &ana()));
        assert!(Filter::read(&[Node::Present("uid".to_owned()), Node::All(vec![0, 0])]).is_err());
        assert!(Filter::read(&[Node::Negate(0)]).is_err());
        assert!(Filter::read(&[]).is_err());
    }
}
