//! The contract's filter in the directory's words.
//!
//! The host renders the text. What it cannot know is done here: `active` is a rule about another attribute, and a
//! reference is compared by DN.

use std::collections::BTreeMap;

use tombolo_sdk::host::ldap;
use tombolo_sdk::{Comparison, Failure, Node, Result, Scalar};

use crate::attribute::Syntax;
use crate::dn;
use crate::fault::from_ldap;
use crate::kind::{ACTIVE, DN, Kind};
use crate::references;
use crate::settings::{Disable, Settings};

/// The whole filter of a search: the kind's own, and the query's.
pub fn text(settings: &Settings, kind: &Kind, filter: &[Node]) -> Result<String> {
    let asked = references_in(kind, filter);
    let names = references::names(&Kind::user(settings), &asked)?;
    let nodes = rewrite(kind, filter, &names)?;
    let mut words: Vec<(String, String)> = kind
        .offered
        .iter()
        .map(|offered| (offered.name().to_owned(), offered.name().to_owned()))
        .collect();
    // The rule's attribute stands for itself in rewritten nodes, whether it is offered or not.
    words.extend(
        kind.disable
            .as_ref()
            .map(|rule| (rule_name(rule), rule.attribute.clone())),
    );
    if kind.offers_dn() {
        if settings.dn_attribute.is_empty() && mentions(filter, DN) {
            return Err(Failure::unsupported(
                "the directory has no attribute by which entries are found by their names",
            ));
        }
        words.push((DN.to_owned(), settings.dn_attribute.clone()));
    }
    let rendered = ldap::render(&nodes, &words).map_err(from_ldap)?;
    Ok(format!("(&{}{rendered})", kind.filter))
}

fn mentions(filter: &[Node], wanted: &str) -> bool {
    filter
        .iter()
        .any(|node| matches!(node, Node::Test((name, ..)) | Node::Present(name) if name == wanted))
}

fn rule_name(rule: &Disable) -> String {
    format!("{ACTIVE}:{}", rule.attribute)
}

fn is_reference(kind: &Kind, name: &str) -> bool {
    kind.offered
        .iter()
        .any(|offered| offered.name() == name && offered.syntax == Syntax::Reference)
}

/// The anchors that the filter compares references with.
fn references_in<'f>(kind: &Kind, filter: &'f [Node]) -> Vec<&'f str> {
    filter
        .iter()
        .filter_map(|node| match node {
            Node::Test((name, Comparison::Equal | Comparison::NotEqual, Scalar::Text(anchor)))
                if is_reference(kind, name) =>
            {
                Some(anchor.as_str())
            }
            _ => None,
        })
        .collect()
}

/// The filter with `active` and references replaced. A node may become several; what refers to it follows.
fn rewrite(kind: &Kind, filter: &[Node], names: &BTreeMap<String, String>) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::with_capacity(filter.len());
    // Where each of the filter's nodes is now.
    let mut moved: Vec<u32> = Vec::with_capacity(filter.len());
    for node in filter {
        let to = |index: &u32| {
            let position = usize::try_from(*index)
                .ok()
                .and_then(|index| moved.get(index))
                .copied();
            position.ok_or_else(|| {
                Failure::unsupported("the filter refers to a node that does not come before")
            })
        };
        let all = |children: &Vec<u32>| children.iter().map(to).collect::<Result<Vec<u32>>>();
        match node {
            Node::Test((name, comparison, value)) if name == ACTIVE && kind.disable.is_some() => {
                let rule = kind
                    .disable
                    .as_ref()
                    .ok_or_else(|| Failure::other("no rule"))?;
                push_active(&mut nodes, rule, *comparison, value)?;
            }
            Node::Present(name) if name == ACTIVE && kind.disable.is_some() => {
                nodes.push(Node::All(Vec::new()));
            }
            Node::Test((name, comparison, value)) if is_reference(kind, name) => {
                push_reference(&mut nodes, name, *comparison, value, names)?;
            }
            Node::Test((name, comparison, value)) if name == DN && kind.offers_dn() => {
                push_name(&mut nodes, *comparison, value)?;
            }
            // Few attributes have an ordering rule, and where there is none the directory finds nobody instead of
            // saying so (RFC 4511, section 4.5.1.7: Undefined).
            Node::Test((
                name,
                Comparison::Greater | Comparison::AtLeast | Comparison::Less | Comparison::AtMost,
                _,
            )) => {
                return Err(Failure::unsupported(format!(
                    "`{name}` may have no order in the directory"
                )));
            }
            Node::Test(_) | Node::Present(_) => nodes.push(node.clone()),
            Node::All(children) => nodes.push(Node::All(all(children)?)),
            Node::Any(children) => nodes.push(Node::Any(all(children)?)),
            Node::Negate(child) => nodes.push(Node::Negate(to(child)?)),
            Node::Element((name, inner)) => nodes.push(Node::Element((name.clone(), to(inner)?))),
        }
        moved.push(last(&nodes));
    }
    Ok(nodes)
}

fn last(nodes: &[Node]) -> u32 {
    u32::try_from(nodes.len().saturating_sub(1)).unwrap_or(u32::MAX)
}

fn push_active(
    nodes: &mut Vec<Node>,
    rule: &Disable,
    comparison: Comparison,
    value: &Scalar,
) -> Result<()> {
    let wants_active = match (comparison, value) {
        (Comparison::Equal, Scalar::Boolean(active)) => *active,
        (Comparison::NotEqual, Scalar::Boolean(active)) => !*active,
        _ => {
            return Err(Failure::unsupported(
                "`active` is compared with true or false",
            ));
        }
    };
    nodes.push(Node::Test((
        rule_name(rule),
        Comparison::Equal,
        Scalar::Text(rule.disabled.clone()),
    )));
    if wants_active {
        nodes.push(Node::Negate(last(nodes)));
    }
    Ok(())
}

/// The name of an entry has no substrings, and what is no name equals none: the directory finds nobody for it, whether
/// it is negated or not.
fn push_name(nodes: &mut Vec<Node>, comparison: Comparison, value: &Scalar) -> Result<()> {
    if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        return Err(Failure::unsupported(
            "an entry's name is compared by equality only",
        ));
    }
    nodes.push(match value {
        Scalar::Text(name) if dn::is_name(name) => {
            Node::Test((DN.to_owned(), Comparison::Equal, value.clone()))
        }
        _ => Node::Any(Vec::new()),
    });
    if comparison == Comparison::NotEqual {
        nodes.push(Node::Negate(last(nodes)));
    }
    Ok(())
}

fn push_reference(
    nodes: &mut Vec<Node>,
    name: &str,
    comparison: Comparison,
    value: &Scalar,
    names: &BTreeMap<String, String>,
) -> Result<()> {
    let negated = match comparison {
        Comparison::Equal => false,
        Comparison::NotEqual => true,
        _ => {
            return Err(Failure::unsupported(format!(
                "`{name}` is compared by equality only"
            )));
        }
    };
    match value.as_text().and_then(|anchor| names.get(anchor)) {
        Some(dn) => nodes.push(Node::Test((
            name.to_owned(),
            Comparison::Equal,
            Scalar::Text(dn.clone()),
        ))),
        // RFC 4526: an empty `or` is false.
        None => nodes.push(Node::Any(Vec::new())),
    }
    if negated {
        nodes.push(Node::Negate(last(nodes)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> Kind {
        let json = r#"{"base":"dc=x","users":{"disable":{"attribute":"nsAccountLock","disabled":"TRUE"}}}"#;
        Kind::user(&Settings::parse(json).expect("settings"))
    }

    fn equal(name: &str, value: Scalar) -> Node {
        Node::Test((name.to_owned(), Comparison::Equal, value))
    }

    #[test]
    fn active_becomes_the_rule_and_what_refers_to_it_follows() {
        let filter = [
            equal(ACTIVE, Scalar::Boolean(true)),
            equal("uid", Scalar::Text("ana".to_owned())),
            Node::All(vec![0, 1]),
        ];
        let nodes = rewrite(&kind(), &filter, &BTreeMap::new()).expect("rewritten");
        assert_eq!(
            nodes,
            [
                equal("active:nsAccountLock", Scalar::Text("TRUE".to_owned())),
                Node::Negate(0),
                equal("uid", Scalar::Text("ana".to_owned())),
                Node::All(vec![1, 2]),
            ]
        );
    }

    #[test]
    fn a_reference_is_compared_by_name_and_an_unknown_one_is_nobodys() {
        let names = BTreeMap::from([("1".to_owned(), "uid=boss,dc=x".to_owned())]);
        let filter = [
            equal("manager", Scalar::Text("1".to_owned())),
            equal("manager", Scalar::Text("2".to_owned())),
        ];
        let nodes = rewrite(&kind(), &filter, &names).expect("rewritten");
        assert_eq!(
            nodes,
            [
                equal("manager", Scalar::Text("uid=boss,dc=x".to_owned())),
                Node::Any(vec![])
            ]
        );
    }

    #[test]
    fn what_the_directory_cannot_answer_is_unsupported() {
        let filter = [Node::Test((
            "manager".to_owned(),
            Comparison::Contains,
            Scalar::Text("1".to_owned()),
        ))];
        assert!(rewrite(&kind(), &filter, &BTreeMap::new()).is_err());
        assert!(rewrite(&kind(), &[Node::Negate(0)], &BTreeMap::new()).is_err());
    }
    #[test]
    fn what_the_directory_would_answer_with_nobody_is_unsupported_or_rewritten() {
        let test = |name: &str, comparison, value: &str| {
            let node = Node::Test((name.to_owned(), comparison, Scalar::Text(value.to_owned())));
            rewrite(&kind(), &[node], &BTreeMap::new())
        };
        assert!(test("uid", Comparison::Greater, "a").is_err());
        assert!(test(DN, Comparison::StartsWith, "uid=ana").is_err());
        let name = "uid=ana,dc=x";
        assert_eq!(
            test(DN, Comparison::NotEqual, name).expect("rewritten"),
            [equal(DN, Scalar::Text(name.to_owned())), Node::Negate(0)]
        );
        assert_eq!(
            test(DN, Comparison::NotEqual, "ana").expect("rewritten"),
            [Node::Any(vec![]), Node::Negate(0)]
        );
    }
}
