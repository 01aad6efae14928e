//! The contract's flat filter as RFC 4515 text.
//!
//! Children come before parents, so one pass is enough: each node's text is made
//! of the texts before it. A node may be used twice, which lets a hostile guest
//! double the text with every node; the length has a bound therefore.

use crate::contract::{Comparison, Node, Scalar};

use super::error::Error;
use super::escape::{MAX_FILTER, escape, escape_bytes};

/// Renders `filter`; `names` says what each attribute is called in the directory.
pub(super) fn render(filter: &[Node], names: &[(String, String)]) -> Result<String, Error> {
    let mut done: Vec<String> = Vec::with_capacity(filter.len());
    let mut total = 0_usize;
    for node in filter {
        let text = match node {
            Node::Test((attribute, comparison, value)) => {
                test(directory_name(names, attribute)?, *comparison, value)
            }
            Node::Present(attribute) => format!("({}=*)", directory_name(names, attribute)?),
            Node::All(children) => composed('&', children, &done)?,
            Node::Any(children) => composed('|', children, &done)?,
            Node::Negate(child) => format!("(!{})", earlier(&done, *child)?),
            Node::Element((attribute, inner)) => {
                element(filter, done.len(), attribute, *inner, names)?
            }
        };
        total += text.len();
        if total > MAX_FILTER {
            return Err(Error::Filter(format!(
                "written out, it is longer than {MAX_FILTER} bytes"
            )));
        }
        done.push(text);
    }
    done.pop()
        .ok_or_else(|| Error::Filter("it has no node".to_owned()))
}

fn directory_name<'n>(names: &'n [(String, String)], attribute: &str) -> Result<&'n str, Error> {
    names
        .iter()
        .find(|(ours, _)| ours.eq_ignore_ascii_case(attribute))
        .map(|(_, theirs)| theirs.as_str())
        .filter(|name| is_description(name))
        .ok_or_else(|| {
            Error::Filter(format!(
                "the directory has no name for the attribute `{attribute}`"
            ))
        })
}

/// An attribute description: a name or OID, and options (RFC 4512, section 2.5).
fn is_description(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b';' | b'.'))
}

fn earlier(done: &[String], index: u32) -> Result<&str, Error> {
    usize::try_from(index)
        .ok()
        .and_then(|index| done.get(index))
        .map(String::as_str)
        .ok_or_else(|| {
            Error::Filter(format!(
                "a node refers to node {index}, which does not come before it"
            ))
        })
}

fn composed(operator: char, children: &[u32], done: &[String]) -> Result<String, Error> {
    let mut text = format!("({operator}");
    for child in children {
        text.push_str(earlier(done, *child)?);
        if text.len() > MAX_FILTER {
            return Err(Error::Filter(format!(
                "written out, it is longer than {MAX_FILTER} bytes"
            )));
        }
    }
    text.push(')');
    Ok(text)
}

fn test(name: &str, comparison: Comparison, scalar: &Scalar) -> String {
    let value = assertion(scalar);
    let equality = format!("({name}={value})");
    match comparison {
        Comparison::Equal => equality,
        Comparison::NotEqual => format!("(!{equality})"),
        // Every value contains the empty text.
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith
            if value.is_empty() =>
        {
            format!("({name}=*)")
        }
        Comparison::Contains => format!("({name}=*{value}*)"),
        Comparison::StartsWith => format!("({name}={value}*)"),
        Comparison::EndsWith => format!("({name}=*{value})"),
        Comparison::AtLeast => format!("({name}>={value})"),
        Comparison::AtMost => format!("({name}<={value})"),
        // RFC 4515 has no strict order.
        Comparison::Greater => format!("(&({name}>={value})(!{equality}))"),
        Comparison::Less => format!("(&({name}<={value})(!{equality}))"),
    }
}

/// The LDAP syntax of a value, escaped (RFC 4517).
fn assertion(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) | Scalar::Decimal(text) => escape(text),
        Scalar::Boolean(true) => "TRUE".to_owned(),
        Scalar::Boolean(false) => "FALSE".to_owned(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Instant(text) => escape(&text.replace(['-', ':', 'T'], "")),
        Scalar::Bytes(bytes) => escape_bytes(bytes),
    }
}

/// A condition on one element of a multi-valued attribute.
///
/// A directory's values have no parts, and every test in a filter is about any
/// value. So one condition on one element is the same as that condition on the
/// attribute, while two conditions on the same element cannot be said.
fn element(
    filter: &[Node],
    position: usize,
    attribute: &str,
    inner: u32,
    names: &[(String, String)],
) -> Result<String, Error> {
    let inner = usize::try_from(inner)
        .ok()
        .filter(|inner| *inner < position)
        .and_then(|inner| filter.get(inner))
        .ok_or_else(|| {
            Error::Filter("an element's condition does not come before it".to_owned())
        })?;
    match inner {
        Node::Test((part, comparison, value)) => Ok(test(
            element_name(names, attribute, part)?,
            *comparison,
            value,
        )),
        Node::Present(part) => Ok(format!("({}=*)", element_name(names, attribute, part)?)),
        _ => Err(Error::Filter(format!(
            "a directory cannot be asked for several conditions on one value of `{attribute}`"
        ))),
    }
}

fn element_name<'n>(
    names: &'n [(String, String)],
    attribute: &str,
    part: &str,
) -> Result<&'n str, Error> {
    if part.eq_ignore_ascii_case("value") || part.eq_ignore_ascii_case(attribute) {
        return directory_name(names, attribute);
    }
    directory_name(names, &format!("{attribute}.{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<(String, String)> {
        [
            ("userName", "uid"),
            ("mail", "mail"),
            ("since", "createTimestamp"),
            ("locked", "nsAccountLock"),
            ("key", "userCertificate;binary"),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .to_vec()
    }

    fn one(attribute: &str, comparison: Comparison, value: Scalar) -> String {
        render(
            &[Node::Test((attribute.to_owned(), comparison, value))],
            &names(),
        )
        .expect("renders")
    }

    #[test]
    fn each_comparison_has_its_text() {
        let text = || Scalar::Text("a*b".to_owned());
        assert_eq!(one("userName", Comparison::Equal, text()), r"(uid=a\2ab)");
        assert_eq!(
            one("USERNAME", Comparison::NotEqual, text()),
            r"(!(uid=a\2ab))"
        );
        assert_eq!(
            one("userName", Comparison::Contains, text()),
            r"(uid=*a\2ab*)"
        );
        assert_eq!(
            one("userName", Comparison::StartsWith, text()),
            r"(uid=a\2ab*)"
        );
        assert_eq!(
            one("userName", Comparison::EndsWith, text()),
            r"(uid=*a\2ab)"
        );
        assert_eq!(
            one("userName", Comparison::AtLeast, text()),
            r"(uid>=a\2ab)"
        );
        assert_eq!(one("userName", Comparison::AtMost, text()), r"(uid<=a\2ab)");
        assert_eq!(
            one("userName", Comparison::Greater, text()),
            r"(&(uid>=a\2ab)(!(uid=a\2ab)))"
        );
        assert_eq!(
            one("userName", Comparison::Less, text()),
            r"(&(uid<=a\2ab)(!(uid=a\2ab)))"
        );
        assert_eq!(
            one(
                "userName",
                Comparison::Contains,
                Scalar::Text(String::new())
            ),
            "(uid=*)"
        );
    }

    #[test]
    fn each_scalar_has_its_syntax() {
        assert_eq!(
            one("locked", Comparison::Equal, Scalar::Boolean(true)),
            "(nsAccountLock=TRUE)"
        );
        assert_eq!(
            one("userName", Comparison::Equal, Scalar::Integer(-7)),
            "(uid=-7)"
        );
        assert_eq!(
            one(
                "since",
                Comparison::AtLeast,
                Scalar::Instant("2026-01-02T03:04:05Z".to_owned())
            ),
            "(createTimestamp>=20260102030405Z)"
        );
        assert_eq!(
            one("key", Comparison::Equal, Scalar::Bytes(vec![0x28, 0xff])),
            r"(userCertificate;binary=\28\ff)"
        );
    }

    #[test]
    fn nodes_compose() {
        let filter = [
            Node::Test((
                "userName".to_owned(),
                Comparison::Equal,
                Scalar::Text("ana".to_owned()),
            )),
            Node::Present("mail".to_owned()),
            Node::Negate(1),
            Node::Any(vec![0, 1]),
            Node::All(vec![3, 2]),
        ];
        assert_eq!(
            render(&filter, &names()).expect("renders"),
            "(&(|(uid=ana)(mail=*))(!(mail=*)))"
        );
    }

    #[test]
    fn one_condition_on_an_element_is_flattened() {
        let filter = [
            Node::Test((
                "value".to_owned(),
                Comparison::Equal,
                Scalar::Text("a@x".to_owned()),
            )),
            Node::Element(("mail".to_owned(), 0)),
        ];
        let names = [names(), vec![("value".to_owned(), "never".to_owned())]].concat();
        assert_eq!(render(&filter, &names).expect("renders"), "(mail=a@x)");
    }

    #[test]
    fn two_conditions_on_an_element_are_refused() {
        let filter = [
            Node::Present("mail".to_owned()),
            Node::All(vec![0, 0]),
            Node::Element(("mail".to_owned(), 1)),
        ];
        assert!(matches!(render(&filter, &names()), Err(Error::Filter(_))));
    }

    #[test]
    fn a_forward_reference_an_unknown_name_and_nothing_are_refused() {
        assert!(render(&[Node::Negate(0)], &names()).is_err());
        assert!(render(&[Node::Present("salary".to_owned())], &names()).is_err());
        assert!(render(&[], &names()).is_err());
    }

    #[test]
    fn a_name_that_is_no_attribute_description_is_refused() {
        let names = [("x".to_owned(), "uid=*)(objectClass".to_owned())];
        assert!(render(&[Node::Present("x".to_owned())], &names).is_err());
    }

    #[test]
    fn doubling_by_shared_nodes_is_stopped() {
        let mut filter = vec![Node::Present("mail".to_owned())];
        for i in 0..40 {
            filter.push(Node::All(vec![i, i]));
        }
        assert!(render(&filter, &names()).is_err());
    }
}
