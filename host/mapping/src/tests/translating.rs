use proptest::prelude::*;
use serde_json::json;
use tombolo_scim::Filter;
use tombolo_scim::filter::fold_case;

use super::properties::any_resource;
use super::{ENTERPRISE, POSIX, kind, mapping, references, resource};
use crate::{Comparison, Mapping, Object, ObjectNode, ObjectValue, Overrides, Scalar, Translation};

fn translate(text: &str) -> Option<Translation> {
    mapping().translate_with(&Filter::parse(text).expect("a filter"), &references())
}

fn test(name: &str, comparison: Comparison, text: &str) -> ObjectNode {
    ObjectNode::Test(name.to_owned(), comparison, Scalar::Text(text.to_owned()))
}

#[test]
fn match_queries_reach_the_target_exactly() {
    let cases = [
        ("userName eq \"Ana\"", "uid", "Ana"),
        ("name.familyName eq \"x\"", "sn", "x"),
        ("emails[type eq \"work\"].value eq \"a@x\"", "mail", "a@x"),
        (
            "emails[type eq \"WORK\" and value eq \"a@x\"]",
            "mail",
            "a@x",
        ),
        ("phoneNumbers eq \"1\"", "telephone", "1"),
        ("phoneNumbers.value eq \"1\"", "telephone", "1"),
        (
            &format!("{ENTERPRISE}:department eq \"Sales\""),
            "department",
            "Sales",
        ),
        ("manager eq \"id-3\"", "boss", "anchor-3"),
        ("manager.value eq \"id-3\"", "boss", "anchor-3"),
    ];
    for (text, name, value) in cases {
        let found = translate(text).unwrap_or_else(|| panic!("{text}"));
        assert!(
            found.filter.0 == [test(name, Comparison::Equal, value)],
            "{text}: {found:?}"
        );
        assert!(found.exact, "{text}");
    }
}

#[test]
fn what_only_the_host_knows_is_not_asked_of_the_target() {
    for text in [
        "externalId eq \"x\"",
        "PLACEHOLDER eq \"x\"",
        "id eq \"x\"",
        "emails.value eq \"a@x\"",
        "emails[type eq \"home\"].value eq \"a@x\"",
        "emails pr",
        "userName eq \"a\" or nickName eq \"b\"",
        "not (userName eq \"a\" and nickName eq \"b\")",
        "userName gt \"a\"",
        "userName eq \"\"",
        "phoneNumbers.value ne \"1\"",
        "manager eq \"id-99\"",
        "password eq \"x\"",
        &format!("{POSIX}:gidNumber eq \"abc\""),
    ] {
        assert_eq!(translate(text), None, "{text}");
    }
}

#[test]
fn what_the_target_knows_narrows_the_search() {
    let found = translate("userName sw \"a\" and nickName eq \"b\"").expect("half of it");
    assert!(found.filter.0 == [test("uid", Comparison::StartsWith, "a")]);
    assert!(!found.exact);
}

#[test]
fn a_target_that_minds_the_case_is_not_asked_when_scim_does_not() {
    let mut kind = kind();
    if let Some(mail) = kind
        .attributes
        .iter_mut()
        .find(|attribute| attribute.name == "mail")
    {
        mail.case_exact = true;
    }
    let mapping = Mapping::new(&kind, &Overrides::none()).expect("a mapping");
    let filter = Filter::parse("emails[type eq \"work\"].value eq \"a@x\"").expect("a filter");
    assert_eq!(mapping.translate(&filter), None);
}

#[test]
fn children_come_first_and_the_root_last() {
    let found = translate("not (title eq \"a\") and (userName pr or name.givenName co \"b\")")
        .expect("all of it");
    assert!(found.exact);
    for (position, node) in found.filter.0.iter().enumerate() {
        let below: Vec<u32> = match node {
            ObjectNode::All(list) | ObjectNode::Any(list) => list.clone(),
            ObjectNode::Negate(one) | ObjectNode::Element(_, one) => vec![*one],
            ObjectNode::Test(..) | ObjectNode::Present(_) => Vec::new(),
        };
        assert!(below.iter().all(|child| (*child as usize) < position));
    }
    assert!(matches!(found.filter.0.last(), Some(ObjectNode::All(_))));
}

#[test]
fn the_ids_in_a_filter_are_told_beforehand() {
    let filter = Filter::parse("userName eq \"a\" and manager eq \"id-1\"").expect("a filter");
    let needed = mapping().filter_references(&filter);
    assert_eq!(
        needed
            .iter()
            .map(|need| need.value.as_str())
            .collect::<Vec<_>>(),
        ["id-1"]
    );
}

/// A target: evaluates the nodes on an object, as a connector would.
fn passes(mapping: &Mapping, nodes: &[ObjectNode], at: usize, object: &Object) -> bool {
    let below = |child: u32| passes(mapping, nodes, child as usize, object);
    match &nodes[at] {
        ObjectNode::All(list) => list.iter().all(|child| below(*child)),
        ObjectNode::Any(list) => list.iter().any(|child| below(*child)),
        ObjectNode::Negate(child) => !below(*child),
        ObjectNode::Present(name) => !object.get(name).is_empty(),
        ObjectNode::Test(name, comparison, wanted) => {
            let exact = mapping
                .kind()
                .attribute(name)
                .is_some_and(|attribute| attribute.case_exact);
            object
                .get(name)
                .iter()
                .filter_map(ObjectValue::as_scalar)
                .any(|value| compares(value, *comparison, wanted, exact))
        }
        ObjectNode::Element(name, child) => object.get(name).iter().any(|value| {
            let ObjectValue::Complex(parts) = value else {
                return false;
            };
            let part = mapping
                .kind()
                .attribute(name)
                .map(|attribute| attribute.parts.clone())
                .unwrap_or_default();
            let inner: Object = parts
                .iter()
                .map(|(name, scalars)| {
                    (
                        name.clone(),
                        scalars.iter().cloned().map(ObjectValue::Simple).collect(),
                    )
                })
                .collect();
            let mut kind = mapping.kind().clone();
            kind.attributes = part;
            for attribute in &mut kind.attributes {
                attribute.scim = None;
            }
            let inside = Mapping::new(&kind, &Overrides::none()).expect("parts as a kind");
            passes(&inside, nodes, *child as usize, &inner)
        }),
    }
}

fn compares(value: &Scalar, comparison: Comparison, wanted: &Scalar, exact: bool) -> bool {
    let order = match (value, wanted) {
        (Scalar::Text(value), Scalar::Text(wanted)) => {
            let fold = |text: &str| {
                if exact {
                    text.to_owned()
                } else {
                    fold_case(text)
                }
            };
            let (value, wanted) = (fold(value), fold(wanted));
            match comparison {
                Comparison::Contains => return value.contains(&wanted),
                Comparison::StartsWith => return value.starts_with(&wanted),
                Comparison::EndsWith => return value.ends_with(&wanted),
                _ => value.cmp(&wanted),
            }
        }
        (Scalar::Decimal(value), Scalar::Decimal(wanted)) => {
            let number = |text: &str| text.parse::<f64>().expect("a number");
            number(value).total_cmp(&number(wanted))
        }
        (value, wanted) => value.cmp(wanted),
    };
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

fn leaf() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[a-c]{1,2}", "[A-C]{1,2}", Just("é".to_owned())];
    let path = prop_oneof![
        Just("userName".to_owned()),
        Just("name.familyName".to_owned()),
        Just("title".to_owned()),
        Just("nickName".to_owned()),
        Just("phoneNumbers".to_owned()),
        Just("emails.value".to_owned()),
        Just("emails[type eq \"work\"].value".to_owned()),
        Just("addresses[type eq \"work\"].locality".to_owned()),
        Just(format!("{ENTERPRISE}:department")),
        Just(format!("{POSIX}:tags")),
        Just(format!("{POSIX}:badges.number")),
    ];
    let op = prop_oneof![
        Just("eq"),
        Just("ne"),
        Just("co"),
        Just("sw"),
        Just("ew"),
        Just("gt"),
        Just("le")
    ];
    prop_oneof![
        5 => (path.clone(), op, text.clone()).prop_map(|(path, op, text)| format!("{path} {op} \"{text}\"")),
        1 => path.prop_filter("a value path", |path| !path.contains('[')).prop_map(|path| format!("{path} pr")),
        1 => (prop_oneof![Just("eq"), Just("ne"), Just("ge"), Just("lt")], -2i64..4)
            .prop_map(|(op, n)| format!("{POSIX}:gidNumber {op} {n}")),
        1 => (prop_oneof![Just("eq"), Just("gt"), Just("le")], -10i32..10)
            .prop_map(|(op, n)| format!("{POSIX}:height {op} {}", f64::from(n) / 8.0)),
        1 => any::<bool>().prop_map(|value| format!("active eq {value}")),
        1 => (0..5).prop_map(|n| format!("manager eq \"id-{n}\"")),
        1 => (text.clone(), -2i64..4).prop_map(|(text, n)| format!("{POSIX}:badges[number eq \"{text}\" and level ge {n}]")),
        1 => (text.clone(), text).prop_map(|(a, b)| format!("phoneNumbers[type eq \"{a}\" and value sw \"{b}\"]")),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_translation_finds_no_less_and_if_exact_no_more(r in any_resource(), text in filter()) {
        let mapping = mapping();
        let filter = Filter::parse(&text).expect("a filter");
        if let Some(found) = mapping.translate_with(&filter, &references()) {
            let object = mapping.to_object(&r, &references()).expect("an object");
            let scim = filter.matches(mapping.resource_type(), r.as_map());
            let nodes = &found.filter.0;
            let target = passes(mapping, nodes, nodes.len() - 1, &object);
            prop_assert!(!scim || target, "too narrow: {}", text);
            if found.exact {
                prop_assert_eq!(scim, target, "not exact: {}", text);
            }
        }
    }
}

#[test]
fn most_match_queries_of_an_administrator_are_translated() {
    let ana = resource(json!({ "userName": "ana" }));
    let filter = Filter::parse("userName eq \"ANA\"").expect("a filter");
    assert!(filter.matches(mapping().resource_type(), ana.as_map()));
    assert!(translate("userName eq \"ANA\" and active eq true").is_some_and(|found| found.exact));
}
