//! The attributes by which a resource is found without looking at all of them.
//!
//! Entra matches on whatever the administrator picked; these are the usual
//! picks. Any other filter is answered too, by looking at every resource.

use serde_json::Value;
use tombolo_mapping::{Flow, KindType, Mapping};
use tombolo_scim::filter::{CompareOp, Filter, Literal, fold_case};
use tombolo_scim::path::{AttributePath, Path};
use tombolo_scim::resource::Resource;
use tombolo_scim::schema::{ResourceType, Type, Uniqueness};

/// One indexed attribute.
#[derive(Clone, Debug)]
pub(crate) struct Indexed {
    /// How the keys name it.
    pub(crate) label: String,
    pub(crate) path: AttributePath,
    /// No two resources of the type may have the same value.
    pub(crate) unique: bool,
}

/// What is indexed besides the attributes that the schema calls unique.
const USUAL: [&str; 5] = [
    "externalId",
    "displayName",
    "emails.value",
    "phoneNumbers.value",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
];

/// The indexed attributes of a resource type: the unique ones, the usual picks,
/// and what stands elsewhere than the connector suggests. There the operator has
/// attributes of his own, and an ECMA app all of them.
pub(crate) fn of(mapping: &Mapping) -> Vec<Indexed> {
    let ty = mapping.resource_type();
    let unique = ty
        .attributes()
        .filter(|(_, a)| {
            a.uniqueness != Uniqueness::None && a.name != "id" && a.sub_attributes.is_empty()
        })
        .map(|(extension, a)| {
            let path = AttributePath {
                urn: extension.map(str::to_owned),
                attribute: a.name.clone(),
                sub: None,
            };
            (path, true)
        });
    let usual = USUAL.iter().filter_map(|usual| parsed(usual));
    let own = mapping
        .flows()
        .iter()
        .filter(|flow| may_be_matched_on(flow))
        .filter_map(|flow| parsed(flow.path()));
    let matched = mapping.matching();
    let matched = matched.iter().filter_map(|path| parsed(path));
    let others = usual.chain(own).chain(matched).map(|path| (path, false));
    let mut indexed: Vec<Indexed> = Vec::new();
    for (path, unique) in unique.chain(others) {
        let Some(path) = canonical(ty, &path) else {
            continue;
        };
        let label = path.to_string();
        if !indexed.iter().any(|known| known.label == label) {
            indexed.push(Indexed {
                label,
                path,
                unique,
            });
        }
    }
    indexed
}

/// The places in `indexed` of the attributes by which objects are told apart: those that the operator's file names, in
/// its order, else the unique ones. And whether the file names any.
pub(crate) fn matching(mapping: &Mapping, indexed: &[Indexed]) -> (Vec<usize>, bool) {
    let ty = mapping.resource_type();
    let said: Vec<usize> = mapping
        .matching()
        .iter()
        .filter_map(|path| {
            let label = canonical(ty, &parsed(path)?)?.to_string();
            indexed.iter().position(|index| index.label == label)
        })
        .collect();
    if said.is_empty() {
        let unique = (0..indexed.len()).filter(|n| indexed[*n].unique);
        return (unique.collect(), false);
    }
    (said, true)
}

/// Whether the path of a flow is the attribute of an index.
pub(crate) fn is_at(ty: &ResourceType, path: &str, label: &str) -> bool {
    parsed(path)
        .and_then(|path| canonical(ty, &path))
        .is_some_and(|path| path.to_string() == label)
}

/// Would an administrator match on it, although it stands where nobody
/// suggested? One of the usual picks under another name, or an attribute that
/// has no usual name at all.
fn may_be_matched_on(flow: &Flow) -> bool {
    let attribute = flow.attribute();
    let comparable = !attribute.multi
        && flow.is_readable()
        && matches!(attribute.data, KindType::Text | KindType::Integer);
    comparable
        && match attribute.scim.as_deref() {
            Some(suggested) if suggested == flow.path() => false,
            Some(suggested) => {
                parsed(suggested).is_some_and(|path| USUAL.contains(&path.to_string().as_str()))
            }
            None => true,
        }
}

/// The attribute that a path is about, whichever of its elements it names.
fn parsed(path: &str) -> Option<AttributePath> {
    let mut path = Path::parse(path).ok()?;
    path.attribute.sub = path.sub().map(str::to_owned);
    Some(path.attribute)
}

/// The one spelling of a path, whatever is left out of it; none for an attribute
/// that the type does not have. A complex attribute means its value (RFC 7644,
/// section 3.4.2.2).
fn canonical(ty: &ResourceType, path: &AttributePath) -> Option<AttributePath> {
    let resolved = ty.resolve(path)?;
    let whole = resolved.sub.is_none() && resolved.attribute.kind == Type::Complex;
    Some(AttributePath {
        urn: resolved.extension.map(str::to_owned),
        attribute: resolved.attribute.name.clone(),
        sub: match resolved.sub {
            Some(sub) => Some(sub.name.clone()),
            None => whole.then(|| "value".to_owned()),
        },
    })
}

/// The spelling under which a value is indexed: match queries ignore case, and
/// what they find is compared again with the attribute's own rule.
pub(crate) fn fold(value: &str) -> String {
    fold_case(value)
}

impl Indexed {
    /// The folded values that `resource` has for this attribute.
    pub(crate) fn values(&self, resource: &Resource) -> Vec<String> {
        let map = resource.as_map();
        let map = match &self.path.urn {
            Some(urn) => match map.get(urn).and_then(Value::as_object) {
                Some(extension) => extension,
                None => return Vec::new(),
            },
            None => map,
        };
        let mut found = Vec::new();
        if let Some(value) = map.get(&self.path.attribute) {
            collect(value, self.path.sub.as_deref(), &mut found);
        }
        found.sort();
        found.dedup();
        found
    }
}

fn collect(value: &Value, sub: Option<&str>, into: &mut Vec<String>) {
    match (value, sub) {
        (Value::Array(elements), _) => elements.iter().for_each(|e| collect(e, sub, into)),
        (Value::Object(parts), Some(sub)) => {
            if let Some(value) = parts.get(sub) {
                collect(value, None, into);
            }
        }
        (Value::String(text), _) => into.push(fold(text)),
        (Value::Number(number), None) => into.push(number.to_string()),
        _ => {}
    }
}

/// How a filter is answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Plan {
    /// At most the resource with this id.
    Id(String),
    /// Those with this folded value of the attribute with this label.
    Index { label: String, value: String },
    /// No resource can match: the filter asks for an attribute that the type
    /// does not have (a fresh ECMA app probes `PLACEHOLDER eq "…"`).
    Nothing,
    /// Every resource has to be looked at.
    All,
}

/// The cheapest way to answer `filter`. What it yields still has to be matched.
pub(crate) fn plan(ty: &ResourceType, indexed: &[Indexed], filter: &Filter) -> Plan {
    match filter {
        Filter::And(a, b) => match (plan(ty, indexed, a), plan(ty, indexed, b)) {
            (Plan::Nothing, _) | (_, Plan::Nothing) => Plan::Nothing,
            (id @ Plan::Id(_), _) | (_, id @ Plan::Id(_)) => id,
            (index @ Plan::Index { .. }, _) | (_, index @ Plan::Index { .. }) => index,
            (Plan::All, Plan::All) => Plan::All,
        },
        Filter::Test(path, CompareOp::Eq, literal) => test(ty, indexed, path, literal),
        Filter::Test(path, _, _) | Filter::Present(path) if !known(ty, path) => Plan::Nothing,
        // `emails[type eq "work" and value eq "x"]`: the element's own test may
        // be indexed; its other conditions are matched afterwards.
        Filter::Element(path, inner) if known(ty, path) => element(ty, indexed, path, inner),
        Filter::Element(..) => Plan::Nothing,
        _ => Plan::All,
    }
}

fn test(ty: &ResourceType, indexed: &[Indexed], path: &AttributePath, literal: &Literal) -> Plan {
    if path.urn.is_none() && path.sub.is_none() && path.attribute.eq_ignore_ascii_case("id") {
        return match literal {
            Literal::Text(id) => Plan::Id(id.clone()),
            _ => Plan::Nothing,
        };
    }
    if !known(ty, path) {
        return Plan::Nothing;
    }
    match (find(ty, indexed, path), literal) {
        (Some(index), Literal::Text(value)) => Plan::Index {
            label: index.label.clone(),
            value: fold(value),
        },
        (Some(index), Literal::Number(value)) => Plan::Index {
            label: index.label.clone(),
            value: value.to_string(),
        },
        _ => Plan::All,
    }
}

/// The index over what the path is about.
fn find<'i>(
    ty: &ResourceType,
    indexed: &'i [Indexed],
    path: &AttributePath,
) -> Option<&'i Indexed> {
    let path = canonical(ty, path)?;
    indexed.iter().find(|index| index.path == path)
}

fn element(ty: &ResourceType, indexed: &[Indexed], path: &AttributePath, inner: &Filter) -> Plan {
    match inner {
        Filter::And(a, b) => match element(ty, indexed, path, a) {
            Plan::All => element(ty, indexed, path, b),
            found => found,
        },
        Filter::Test(sub, CompareOp::Eq, Literal::Text(value)) => {
            let whole = AttributePath {
                urn: path.urn.clone(),
                attribute: path.attribute.clone(),
                sub: Some(sub.attribute.clone()),
            };
            match find(ty, indexed, &whole) {
                Some(index) => Plan::Index {
                    label: index.label.clone(),
                    value: fold(value),
                },
                None => Plan::All,
            }
        }
        _ => Plan::All,
    }
}

/// Whether the type has the attribute; the common attributes and `members` count.
fn known(ty: &ResourceType, path: &AttributePath) -> bool {
    let common = ["id", "meta", "schemas", "externalId"];
    common
        .iter()
        .any(|name| name.eq_ignore_ascii_case(&path.attribute))
        || ty.attribute(path).is_some()
}

#[cfg(test)]
mod tests {
    use tombolo_mapping::{Overrides, Shape};

    use super::*;

    /// A target with the usual attributes, and one that only its operator knows.
    fn kind() -> tombolo_mapping::Kind {
        serde_json::from_value(
            serde_json::json!({ "kind": "user", "resource": "User", "attributes": [
            { "name": "login", "type": "text", "unique": true, "scim": "userName" },
            { "name": "mail", "type": "text", "scim": "emails[type eq \"work\"].value" },
            { "name": "title", "type": "text", "scim": "title" },
            { "name": "objectId", "type": "text" } ] }),
        )
        .expect("a kind")
    }

    fn planned_in(shape: Shape, filter: &str) -> Plan {
        let mapping = shape
            .mapping(&kind(), &Overrides::none())
            .expect("a mapping")
            .expect("a shown kind");
        let filter = Filter::parse(filter).expect("a filter");
        plan(mapping.resource_type(), &of(&mapping), &filter)
    }

    fn planned(filter: &str) -> Plan {
        planned_in(Shape::Scim, filter)
    }

    fn index(label: &str, value: &str) -> Plan {
        Plan::Index {
            label: label.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn every_usual_match_query_of_entra_is_answered_by_an_index() {
        assert_eq!(
            planned(r#"userName eq "Ana@Contoso.com""#),
            index("userName", "ana@contoso.com")
        );
        assert_eq!(
            planned("externalId eq jyoung"),
            index("externalId", "jyoung")
        );
        assert_eq!(
            planned(r#"emails[type eq "work"].value eq "a@b.c""#),
            index("emails.value", "a@b.c")
        );
        let number = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
        assert_eq!(
            planned(&format!(r#"{number} eq "10042""#)),
            index(number, "10042")
        );
        assert_eq!(
            planned(r#"id eq "x" and manager eq "y""#),
            Plan::Id("x".to_owned())
        );
    }

    #[test]
    fn an_attribute_that_nobody_has_matches_nothing_and_costs_nothing() {
        assert_eq!(planned(r#"PLACEHOLDER eq "8f1c""#), Plan::Nothing);
        assert_eq!(
            planned(r#"userName eq "a" and PLACEHOLDER eq "8f1c""#),
            Plan::Nothing
        );
    }

    #[test]
    fn an_or_and_a_not_look_at_everything() {
        assert_eq!(planned(r#"userName eq "a" or userName eq "b""#), Plan::All);
        assert_eq!(planned(r#"not (userName eq "a")"#), Plan::All);
        assert_eq!(planned(r#"userName sw "a""#), Plan::All);
    }

    #[test]
    fn a_path_is_the_same_however_it_is_spelt() {
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        assert_eq!(
            planned(&format!(r#"{core}:USERNAME eq "a""#)),
            index("userName", "a")
        );
        assert_eq!(
            planned(r#"employeeNumber eq "7""#),
            index(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
                "7"
            )
        );
        assert_eq!(
            planned(r#"emails eq "a@b.c""#),
            index("emails.value", "a@b.c")
        );
    }

    #[test]
    fn an_ecma_app_is_matched_by_an_index_on_what_the_target_calls_its_attributes() {
        let urn = tombolo_mapping::ecma::ECMA_URN;
        for name in ["login", "mail", "objectId"] {
            assert_eq!(
                planned_in(Shape::Ecma, &format!(r#"{urn}:{name} eq "A""#)),
                index(&format!("{urn}:{name}"), "a")
            );
        }
        assert_eq!(
            planned_in(Shape::Ecma, &format!(r#"{urn}:title eq "A""#)),
            Plan::All
        );
        assert_eq!(
            planned_in(Shape::Ecma, r#"PLACEHOLDER eq "8f1c""#),
            Plan::Nothing
        );
    }
}
