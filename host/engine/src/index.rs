//! The attributes by which a resource is found without looking at all of them.
//!
//! Entra matches on whatever the administrator picked; these are the usual
//! picks. Any other filter is answered too, by looking at every resource.

use serde_json::Value;
use tombolo_scim::filter::{CompareOp, Filter, Literal, fold_case};
use tombolo_scim::path::AttributePath;
use tombolo_scim::resource::Resource;
use tombolo_scim::schema::{ResourceType, Uniqueness};

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

/// The indexed attributes of a resource type.
pub(crate) fn of(ty: &ResourceType) -> Vec<Indexed> {
    let mut indexed: Vec<Indexed> = ty
        .schema
        .attributes
        .iter()
        .filter(|a| {
            a.uniqueness != Uniqueness::None && a.name != "id" && a.sub_attributes.is_empty()
        })
        .map(|a| Indexed {
            label: a.name.clone(),
            path: AttributePath::bare(&a.name),
            unique: true,
        })
        .collect();
    for usual in USUAL {
        let Ok(path) = AttributePath::parse(usual) else {
            continue;
        };
        if ty.attribute(&path).is_some() && !indexed.iter().any(|i| i.label == usual) {
            indexed.push(Indexed {
                label: usual.to_owned(),
                path,
                unique: false,
            });
        }
    }
    indexed
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

    fn is(&self, path: &AttributePath) -> bool {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        // The core schema's URN may be spelt out in a filter.
        let urn = match (&self.path.urn, &path.urn) {
            (Some(a), Some(b)) => same(a, b),
            (None, Some(b)) => b
                .to_ascii_lowercase()
                .starts_with("urn:ietf:params:scim:schemas:core:"),
            (None, None) => true,
            (Some(_), None) => false,
        };
        let sub = match (&self.path.sub, &path.sub) {
            (Some(a), Some(b)) => same(a, b),
            // `emails eq "x"` compares the value (RFC 7644 section 3.4.2.2).
            (Some(a), None) => a == "value",
            (None, None) => true,
            (None, Some(_)) => false,
        };
        urn && sub && same(&self.path.attribute, &path.attribute)
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
        Filter::Element(path, inner) if known(ty, path) => element(indexed, path, inner),
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
    match (indexed.iter().find(|i| i.is(path)), literal) {
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

fn element(indexed: &[Indexed], path: &AttributePath, inner: &Filter) -> Plan {
    match inner {
        Filter::And(a, b) => match element(indexed, path, a) {
            Plan::All => element(indexed, path, b),
            found => found,
        },
        Filter::Test(sub, CompareOp::Eq, Literal::Text(value)) => {
            let whole = AttributePath {
                urn: path.urn.clone(),
                attribute: path.attribute.clone(),
                sub: Some(sub.attribute.clone()),
            };
            match indexed.iter().find(|i| i.is(&whole)) {
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
    use super::*;

    fn planned(filter: &str) -> Plan {
        let ty = ResourceType::user();
        let filter = Filter::parse(filter).expect("a filter");
        plan(&ty, &of(&ty), &filter)
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
}
