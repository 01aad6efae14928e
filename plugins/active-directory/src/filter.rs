//! The contract's filter in the directory's words.
//!
//! What comes back is looked at again by the SDK's rules: Windows compares without accents, and the contract does not.

use std::collections::BTreeMap;

use tombolo_sdk::ldap::escape;
use tombolo_sdk::{Comparison, Failure, Filter, Result, Scalar};

use crate::account;
use crate::attribute::{Offered, Syntax};
use crate::directory::{ANY, NONE, equals, equals_bytes};
use crate::kind::Kind;
use crate::references;

/// A matching rule (\[MS-ADTS\] 3.1.1.3.4.4.1): all of these bits are set.
const BITS: &str = "1.2.840.113556.1.4.803";

/// The whole filter of a search: the kind's own, and the query's.
pub fn text(kind: &Kind<'_>, filter: &Filter) -> Result<String> {
    let mut anchors = Vec::new();
    referred(kind, filter, &mut anchors);
    let names = references::entries(&Kind::user(kind.settings), &anchors, &[])?
        .into_iter()
        .map(|(anchor, entry)| (anchor, entry.dn))
        .collect();
    Ok(format!("(&{}{})", kind.filter, node(kind, filter, &names)?))
}

/// The attributes that a filter asks about.
pub fn attributes(filter: &Filter, names: &mut Vec<String>) {
    match filter {
        Filter::Test(name, ..) | Filter::Present(name) | Filter::Element(name, _) => {
            names.push(name.clone());
        }
        Filter::All(children) | Filter::Any(children) => {
            for child in children {
                attributes(child, names);
            }
        }
        Filter::Not(child) => attributes(child, names),
    }
}

fn referred<'f>(kind: &Kind<'_>, filter: &'f Filter, anchors: &mut Vec<&'f str>) {
    match filter {
        Filter::Test(name, _, Scalar::Text(anchor))
            if kind
                .offered(name)
                .is_ok_and(|offered| offered.syntax == Syntax::Reference) =>
        {
            anchors.push(anchor);
        }
        Filter::All(children) | Filter::Any(children) => {
            for child in children {
                referred(kind, child, anchors);
            }
        }
        Filter::Not(child) => referred(kind, child, anchors),
        _ => {}
    }
}

fn node(kind: &Kind<'_>, filter: &Filter, names: &BTreeMap<String, String>) -> Result<String> {
    let composed = |operator: char, children: &[Filter]| {
        let inner: Result<String> = children
            .iter()
            .map(|child| node(kind, child, names))
            .collect();
        Ok(format!("({operator}{})", inner?))
    };
    match filter {
        Filter::All(children) if children.is_empty() => Ok(ANY.to_owned()),
        Filter::Any(children) if children.is_empty() => Ok(NONE.to_owned()),
        Filter::All(children) => composed('&', children),
        Filter::Any(children) => composed('|', children),
        Filter::Not(child) => Ok(format!("(!{})", node(kind, child, names)?)),
        Filter::Element(name, _) => Err(Failure::unsupported(format!(
            "`{name}` has no parts in the directory"
        ))),
        Filter::Present(name) => present(kind, known(kind, name)?),
        Filter::Test(name, comparison, value) => {
            let offered = known(kind, name)?;
            if *comparison == Comparison::NotEqual {
                let equal = test(kind, offered, Comparison::Equal, value, names)?;
                return Ok(format!("(!{equal})"));
            }
            test(kind, offered, *comparison, value, names)
        }
    }
}

fn known<'k>(kind: &'k Kind<'_>, name: &str) -> Result<&'k Offered> {
    kind.offered(name)
        .map_err(|failure| Failure::unsupported(failure.message).attribute(name))
}

fn present(kind: &Kind<'_>, offered: &Offered) -> Result<String> {
    let name = offered.name();
    match offered.syntax {
        Syntax::Parent | Syntax::Name | Syntax::Active => Ok(ANY.to_owned()),
        Syntax::Expiry => Ok(format!(
            "(&({name}=*)(!({name}=0))(!({name}={})))",
            account::never()
        )),
        // Who is shown here depends on who is shown at all.
        Syntax::Reference => Err(Failure::unsupported(format!(
            "`{name}` may name somebody who is not shown here"
        ))),
        _ => {
            let mark = kind
                .marker()
                .filter(|(marked, _)| marked.eq_ignore_ascii_case(name));
            Ok(match mark {
                Some((_, mark)) => format!("(&({name}=*)(!{}))", equals(name, mark)),
                None => format!("({name}=*)"),
            })
        }
    }
}

fn test(
    kind: &Kind<'_>,
    offered: &Offered,
    comparison: Comparison,
    value: &Scalar,
    names: &BTreeMap<String, String>,
) -> Result<String> {
    let name = offered.name();
    let unsupported =
        || Failure::unsupported(format!("the directory cannot be asked that about `{name}`"));
    let is_equality = comparison == Comparison::Equal;
    match (offered.syntax, value) {
        (Syntax::Active, Scalar::Boolean(active)) if is_equality => {
            let bit = format!("({}:{BITS}:=2)", account::CONTROL);
            Ok(if *active { format!("(!{bit})") } else { bit })
        }
        (Syntax::Name, Scalar::Text(text)) if is_equality => {
            Ok(if tombolo_sdk::ldap::dn::is_name(text) {
                equals("distinguishedName", text)
            } else {
                NONE.to_owned()
            })
        }
        (Syntax::Reference, value) if is_equality => {
            let meant = value.as_text().and_then(|anchor| names.get(anchor));
            Ok(meant.map_or(NONE.to_owned(), |dn| equals(name, dn)))
        }
        (Syntax::Text, Scalar::Text(text)) => {
            let is_mark = kind
                .marker()
                .is_some_and(|(marked, _)| marked.eq_ignore_ascii_case(name));
            if is_mark && !is_equality {
                return Err(unsupported());
            }
            if kind.is_mark(name, text.as_bytes()) {
                return Ok(NONE.to_owned());
            }
            let value = escape(text);
            match comparison {
                // No value is empty.
                Comparison::Equal if text.is_empty() => Ok(NONE.to_owned()),
                Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith
                    if text.is_empty() =>
                {
                    present(kind, offered)
                }
                Comparison::Equal => Ok(format!("({name}={value})")),
                Comparison::Contains => Ok(format!("({name}=*{value}*)")),
                Comparison::StartsWith => Ok(format!("({name}={value}*)")),
                Comparison::EndsWith => Ok(format!("({name}=*{value})")),
                // Windows' order of texts is that of its language.
                _ => Err(unsupported()),
            }
        }
        (Syntax::Boolean, Scalar::Boolean(value)) if is_equality => {
            Ok(equals(name, if *value { "TRUE" } else { "FALSE" }))
        }
        (Syntax::Integer, Scalar::Integer(value)) if is_equality => {
            Ok(equals(name, &value.to_string()))
        }
        (Syntax::Binary, Scalar::Bytes(value)) if is_equality => Ok(equals_bytes(name, value)),
        _ => Err(unsupported()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn rendered(filter: &Filter) -> Result<String> {
        let settings = Settings::parse(r#"{"base":"DC=x"}"#).expect("settings");
        let names = BTreeMap::from([("1".to_owned(), "CN=Boss (B),DC=x".to_owned())]);
        node(&Kind::user(&settings), filter, &names)
    }

    fn equal(name: &str, value: impl Into<Scalar>) -> Filter {
        Filter::Test(name.to_owned(), Comparison::Equal, value.into())
    }

    #[test]
    fn active_is_a_bit_and_a_reference_a_name() {
        let all = Filter::All(vec![equal("active", true), equal("manager", "1")]);
        let expected =
            "(&(!(userAccountControl:1.2.840.113556.1.4.803:=2))(manager=CN=Boss \\28B\\29,DC=x))";
        assert_eq!(rendered(&all).as_deref(), Ok(expected));
        assert_eq!(rendered(&equal("manager", "2")).as_deref(), Ok(NONE));
        assert_eq!(rendered(&Filter::Any(vec![])).as_deref(), Ok(NONE));
    }

    #[test]
    fn a_value_does_not_leave_its_place() {
        let hostile = equal("title", "x)(|(cn=*");
        assert_eq!(
            rendered(&hostile).as_deref(),
            Ok("(title=x\\29\\28|\\28cn=\\2a)")
        );
    }

    #[test]
    fn the_mark_is_not_shown_and_not_found() {
        assert_eq!(
            rendered(&equal("adminDescription", "User_Tombolo")).as_deref(),
            Ok(NONE)
        );
        let present = Filter::Present("adminDescription".to_owned());
        let expected = "(&(adminDescription=*)(!(adminDescription=User_Tombolo)))";
        assert_eq!(rendered(&present).as_deref(), Ok(expected));
    }

    #[test]
    fn what_cannot_be_asked_is_unsupported() {
        let order = Filter::Test("title".to_owned(), Comparison::Less, "x".into());
        assert!(rendered(&order).is_err());
        assert!(rendered(&equal("parentDistinguishedName", "DC=x")).is_err());
        assert!(rendered(&equal("title", 7)).is_err());
    }
}
