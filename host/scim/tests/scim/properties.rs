//! What holds for any input.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tombolo_scim::bulk::{BulkRequest, Done, Method};
use tombolo_scim::filter::{CompareOp, Literal};
use tombolo_scim::patch::PatchRequest;
use tombolo_scim::query::ListQuery;
use tombolo_scim::resource::{read, read_with};
use tombolo_scim::{AttributePath, Error, Filter, Path, Resource, ResourceType, Rules};

use crate::{ENTERPRISE, resource};

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z$_-][a-zA-Z0-9$_-]{0,8}"
}

fn attribute_path() -> impl Strategy<Value = AttributePath> {
    let urn = prop_oneof![
        Just(None),
        "urn:[a-z]{1,5}:[a-z0-9.]{1,5}:[A-Z][a-z]{1,4}".prop_map(Some)
    ];
    (urn, name(), proptest::option::of(name())).prop_map(|(urn, attribute, sub)| AttributePath {
        urn,
        attribute,
        sub,
    })
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<String>().prop_map(Literal::Text),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i64>().prop_map(|number| Literal::Number(number.into())),
        any::<f64>().prop_filter_map("finite", |n| serde_json::Number::from_f64(n)
            .map(Literal::Number)),
        Just(Literal::Null),
    ]
}

fn op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    prop::sample::select(vec![Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le])
}

/// `leaf`s joined by and, or, not.
fn joined(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(5, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::And(a.into(), b.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Filter::Or(a.into(), b.into())),
            inner.prop_map(|inner| Filter::Not(inner.into())),
        ]
    })
    .boxed()
}

fn simple() -> BoxedStrategy<Filter> {
    prop_oneof![
        (attribute_path(), op(), literal())
            .prop_map(|(path, op, literal)| Filter::Test(path, op, literal)),
        attribute_path().prop_map(Filter::Present),
    ]
    .boxed()
}

fn filter() -> BoxedStrategy<Filter> {
    let element = (attribute_path(), joined(simple()))
        .prop_map(|(path, inner)| Filter::Element(path, inner.into()));
    joined(prop_oneof![4 => simple(), 1 => element].boxed())
}

fn path() -> impl Strategy<Value = Path> {
    let chosen = proptest::option::of((joined(simple()), proptest::option::of(name())));
    (attribute_path(), chosen).prop_map(|(attribute, chosen)| match chosen {
        Some((filter, sub)) => Path {
            attribute,
            filter: Some(filter),
            sub,
        },
        None => Path {
            attribute,
            filter: None,
            sub: None,
        },
    })
}

/// Texts that often mean something.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a", "A", "b", "ab", "AB", "work", "home", "Ä", "ä", "10", "true",
    ])
    .prop_map(str::to_owned)
}

fn user() -> impl Strategy<Value = Map<String, Value>> {
    let email = (
        proptest::option::of(text()),
        proptest::option::of(text()),
        proptest::option::of(any::<bool>()),
    );
    (
        text(),
        proptest::option::of(text()),
        proptest::option::of(any::<bool>()),
        prop::collection::vec(email, 0..4),
        proptest::option::of(text()),
    )
        .prop_map(|(user_name, external_id, active, emails, department)| {
            let mut user = Map::new();
            user.insert("userName".into(), user_name.into());
            for (name, value) in [
                ("externalId", external_id.map(Value::from)),
                ("active", active.map(Value::from)),
            ] {
                user.extend(value.map(|value| (name.to_owned(), value)));
            }
            let emails: Vec<Value> = emails
                .into_iter()
                .map(|(kind, value, primary)| {
                    let parts = [
                        ("type", kind.map(Value::from)),
                        ("value", value.map(Value::from)),
                        ("primary", primary.map(Value::from)),
                    ];
                    parts
                        .into_iter()
                        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                        .collect()
                })
                .collect();
            if !emails.is_empty() {
                user.insert("emails".into(), emails.into());
            }
            user.extend(
                department.map(|value| (ENTERPRISE.to_owned(), json!({"department": value}))),
            );
            user
        })
}

/// Tests of attributes that `user()` may have.
fn asked() -> BoxedStrategy<Filter> {
    let bare =
        |names: &'static [&'static str]| prop::sample::select(names).prop_map(AttributePath::bare);
    let strings = prop_oneof![
        bare(&["userName", "externalId", "department", "title"]),
        prop::sample::select(vec!["value", "type"]).prop_map(|sub| AttributePath {
            urn: None,
            attribute: "emails".into(),
            sub: Some(sub.into()),
        }),
    ];
    let element = (bare(&["value", "type"]), op(), text())
        .prop_map(|(path, op, text)| Filter::Test(path, op, Literal::Text(text)))
        .boxed();
    joined(
        prop_oneof![
            4 => (strings.clone(), op(), text()).prop_map(|(path, op, text)| Filter::Test(path, op, Literal::Text(text))),
            1 => (any::<bool>(), prop_oneof![Just(CompareOp::Eq), Just(CompareOp::Ne)])
                .prop_map(|(value, op)| Filter::Test(AttributePath::bare("active"), op, Literal::Boolean(value))),
            1 => strings.prop_map(Filter::Present),
            2 => joined(element).prop_map(|inner| Filter::Element(AttributePath::bare("emails"), inner.into())),
        ]
        .boxed(),
    )
}

/// An evaluator that knows nothing of schemas: it is told what each name means.
fn naive(filter: &Filter, at: &Value) -> bool {
    match filter {
        Filter::And(a, b) => naive(a, at) & naive(b, at),
        Filter::Or(a, b) => naive(a, at) | naive(b, at),
        Filter::Not(inner) => !naive(inner, at),
        Filter::Present(path) => !naive_values(path, at).is_empty(),
        Filter::Element(path, inner) => at[&path.attribute]
            .as_array()
            .is_some_and(|elements| elements.iter().any(|element| naive(inner, element))),
        Filter::Test(path, op, literal) => {
            let values = naive_values(path, at);
            let wanted = match literal {
                Literal::Text(text) => text.clone(),
                Literal::Boolean(value) => value.to_string(),
                Literal::Number(_) | Literal::Null => unreachable!("not generated"),
            };
            let exact = path.attribute == "externalId";
            let fold = |text: &str| {
                if exact {
                    text.to_owned()
                } else {
                    text.to_lowercase()
                }
            };
            let wanted = fold(&wanted);
            let passes = |value: &Value| {
                let value = fold(
                    &value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned),
                );
                match op {
                    CompareOp::Eq => value == wanted,
                    CompareOp::Ne => value != wanted,
                    CompareOp::Co => value.contains(&wanted),
                    CompareOp::Sw => value.starts_with(&wanted),
                    CompareOp::Ew => value.ends_with(&wanted),
                    CompareOp::Gt => value > wanted,
                    CompareOp::Ge => value >= wanted,
                    CompareOp::Lt => value < wanted,
                    CompareOp::Le => value <= wanted,
                }
            };
            if values.is_empty() {
                *op == CompareOp::Ne
            } else {
                values.into_iter().any(passes)
            }
        }
    }
}

fn naive_values<'a>(path: &AttributePath, at: &'a Value) -> Vec<&'a Value> {
    let value = if path.attribute == "department" {
        &at[ENTERPRISE]["department"]
    } else {
        &at[&path.attribute]
    };
    match (&path.sub, value) {
        (_, Value::Null) => vec![],
        (Some(sub), elements) => elements
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|element| element.get(sub))
            .collect(),
        (None, value) => vec![value],
    }
}

/// Replace operations that do not move what their own filter looks for.
fn replacement() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        text().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(""))
    ];
    let path = prop::sample::select(vec![
        "displayName",
        "name.givenName",
        "emails[type eq \"work\"].value",
        "emails[type eq \"home\"].display",
        "emails[value eq \"a\" and type eq \"b\"].display",
        "roles[primary eq \"True\"].value",
        "manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "addresses[type eq \"work\"].country",
        "phoneNumbers",
        "unknown.thing",
    ]);
    prop_oneof![
        (path.clone(), value.clone())
            .prop_map(|(path, value)| json!({"op": "Replace", "path": path, "value": value})),
        (path, value).prop_map(|(path, value)| json!({"op": "replace", "value": {path: value}})),
    ]
}

/// Any JSON, with names that SCIM knows among its keys.
fn any_json() -> BoxedStrategy<Value> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "Operations",
            "op",
            "path",
            "value",
            "userName",
            "emails",
            "name",
            "active",
            "members",
            "manager",
            "schemas",
            "primary",
            "type",
            "$ref",
            "name.givenName",
            "emails[type eq \"work\"].value",
            ENTERPRISE,
            "filter",
            "attributes",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "add",
            "Remove",
            "replace",
            "emails",
            "members[value eq \"x\"]",
            "{\"value\":\"{}\"}",
            "[[]]"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Runs everything that reads a body.
fn read_everything(body: &[u8]) {
    let before = resource(json!({"userName": "a", "displayName": "b", "emails": [{"value": "x"}]}));
    for rules in [&Rules::ENTRA, &Rules::STRICT] {
        for ty in [ResourceType::user(), ResourceType::group()] {
            let _ = read_with(rules, &ty, body);
            if let Ok(request) = PatchRequest::parse_with(rules, body) {
                let _ = request.apply(&ty, &before);
            }
        }
        let _ = ListQuery::from_search_body_with(rules, body);
        if let Ok(request) = BulkRequest::parse(rules, body) {
            let mut run = request.begin("https://h");
            while let Some(task) = run.next_task() {
                let outcome = Err(Error::conflict("never"));
                run.finish(&task, outcome);
            }
            run.answer();
        }
    }
}

/// Creates groups with these members, given by number, in one bulk request, and tells who is in each at the end.
fn groups_by_bulk(members: &[Vec<usize>]) -> BTreeMap<String, BTreeSet<String>> {
    let operations: Vec<Value> = members
        .iter()
        .enumerate()
        .map(|(n, members)| {
            let members: Vec<Value> =
                members.iter().map(|m| json!({"value": format!("bulkId:{m}")})).collect();
            json!({"method": "POST", "bulkId": n.to_string(), "path": "/Groups", "data": {"n": n, "members": members}})
        })
        .collect();
    let body = json!({"Operations": operations}).to_string();
    let mut run = BulkRequest::parse(&Rules::ENTRA, body.as_bytes())
        .unwrap()
        .begin("https://h");
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some(task) = run.next_task() {
        let body: Value = serde_json::from_slice(&task.body).unwrap();
        let (id, members) = match task.method {
            Method::Post => (format!("id-{}", body["n"]), &body["members"]),
            _ => (task.id.clone().unwrap(), &body["Operations"][0]["value"]),
        };
        // Who is named has to be there already.
        for member in members.as_array().unwrap() {
            let member = member["value"].as_str().unwrap();
            assert!(
                groups.contains_key(member) || member == id,
                "{member} in {id}"
            );
            groups
                .entry(id.clone())
                .or_default()
                .insert(member.to_owned());
        }
        groups.entry(id.clone()).or_default();
        let done = Done {
            status: 201,
            location: format!("https://h/Groups/{id}"),
            version: None,
            id,
        };
        run.finish(&task, Ok(done));
    }
    let answer = run.answer();
    assert_eq!(
        answer["Operations"].as_array().unwrap().len(),
        members.len()
    );
    groups
}

/// The attributes, with the elements of each multi-valued one in one order.
fn unordered(resource: &Resource) -> Map<String, Value> {
    let mut attributes = resource.as_map().clone();
    for value in attributes.values_mut() {
        if let Value::Array(elements) = value {
            elements.sort_by_key(ToString::to_string);
        }
    }
    attributes
}

/// Nothing empty and no null at any depth.
fn canonical(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty() && items.iter().all(canonical),
        Value::Object(members) => !members.is_empty() && members.values().all(canonical),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_filter_reads_as_itself(filter in filter()) {
        let text = filter.to_string();
        prop_assert_eq!(Filter::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?, filter);
    }

    #[test]
    fn a_printed_path_reads_as_itself(path in path()) {
        let text = path.to_string();
        prop_assert_eq!(Path::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?, path);
    }

    #[test]
    fn evaluation_agrees_with_a_naive_evaluator(filter in asked(), user in user()) {
        let expected = naive(&filter, &Value::Object(user.clone()));
        prop_assert_eq!(filter.matches(&ResourceType::user(), &user), expected, "{}", filter);
    }

    #[test]
    fn replacing_twice_is_replacing_once(operations in prop::collection::vec(replacement(), 1..6)) {
        let ty = ResourceType::user();
        let body = json!({"Operations": operations}).to_string();
        let request = PatchRequest::parse(body.as_bytes()).unwrap();
        let before = resource(json!({"userName": "a", "emails": [{"type": "work", "value": "w", "primary": true}]}));
        if let Ok(once) = request.apply(&ty, &before) {
            let twice = request.apply(&ty, &once.resource).map_err(|error| TestCaseError::fail(error.to_string()))?;
            // An element that a request first clears and then makes again comes last: the elements of a multi-valued
            // attribute have no order (RFC 7643, section 2.4).
            prop_assert_eq!(unordered(&once.resource), unordered(&twice.resource), "{}", body);
            prop_assert!(canonical(&Value::Object(once.resource.as_map().clone())));
        }
    }

    #[test]
    fn whoever_names_whom_a_bulk_request_makes_them_all(members in prop::collection::vec(prop::collection::vec(0..6_usize, 0..5), 6)) {
        let made = groups_by_bulk(&members);
        let id = |n: &usize| format!("id-{n}");
        let expected: BTreeMap<_, BTreeSet<_>> = members.iter().enumerate().map(|(n, members)| (id(&n), members.iter().map(id).collect())).collect();
        prop_assert_eq!(made, expected);
    }

    #[test]
    fn what_strict_mode_accepts_the_other_mode_reads_alike(body in any_json(), op in "add|remove|replace", path in path()) {
        let user = ResourceType::user();
        let mut whole = body.clone();
        if let Value::Object(members) = &mut whole {
            members.insert("userName".into(), json!("a"));
            members.insert("schemas".into(), json!([user.schema.id, ENTERPRISE]));
        }
        let message = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": op, "path": path.to_string(), "value": body}]});
        // A text that is JSON is opened in one mode only.
        if whole.to_string().contains("\"{") || whole.to_string().contains("\"[") {
            return Ok(());
        }
        let read = |rules| read_with(rules, &user, whole.to_string().as_bytes());
        if let Ok(strict) = read(&Rules::STRICT) {
            prop_assert_eq!(read(&Rules::ENTRA), Ok(strict), "{}", whole);
        }
        let before = resource(json!({"userName": "a", "emails": [{"value": "x"}]}));
        let patch = |rules| PatchRequest::parse_with(rules, message.to_string().as_bytes()).and_then(|request| request.apply(&user, &before));
        if let Ok(strict) = patch(&Rules::STRICT) {
            prop_assert_eq!(patch(&Rules::ENTRA), Ok(strict), "{}", message);
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>(), noise in "[a-z\\[\\]()\" .:\\\\]{0,40}") {
        for text in [text, noise] {
            let _ = Filter::parse(&text);
            let _ = Path::parse(&text);
            let _ = ListQuery::from_query(&text);
            read_everything(text.as_bytes());
        }
    }

    #[test]
    fn no_json_makes_a_reader_panic_and_what_is_read_is_canonical(body in any_json()) {
        read_everything(body.to_string().as_bytes());
        let mut user = body;
        if let Value::Object(members) = &mut user {
            members.insert("userName".into(), json!("a"));
            if let Ok(document) = read(&ResourceType::user(), user.to_string().as_bytes()) {
                let read_again = Value::Object(document.resource.as_map().clone());
                prop_assert!(canonical(&read_again), "{}", read_again);
                // Unless a text is JSON itself, which would be opened once more.
                if read_again.to_string().contains("{\\\"") {
                    return Ok(());
                }
                let again = read(&ResourceType::user(), read_again.to_string().as_bytes()).unwrap();
                prop_assert!(again.resource == document.resource, "reading what was read changes nothing");
            }
        }
    }

    #[test]
    fn no_operation_makes_a_patch_panic(op in "(?i)add|remove|replace", path in path(), value in any_json()) {
        let paths = [path.to_string(), "emails[type eq \"work\"]".into(), "emails".into(), "name".into(), "members".into(), "roles[primary eq \"True\"].value".into(), "manager".into()];
        for path in paths {
            let body = json!({"Operations": [{"op": op, "path": path, "value": value}, {"op": op, "value": value}]});
            read_everything(body.to_string().as_bytes());
            let alone = json!({"Operations": [{"op": op, "path": path, "value": value}]}).to_string();
            let before = resource(json!({"userName": "a", "emails": [{"value": "x"}]}));
            if let Ok(after) = PatchRequest::parse(alone.as_bytes()).and_then(|request| request.apply(&ResourceType::user(), &before)) {
                let after = Value::Object(after.resource.as_map().clone());
                prop_assert!(canonical(&after), "{} {}", alone, after);
            }
        }
    }
}

/// Large inputs of each kind; a quadratic reader would need minutes for them.
#[test]
fn large_inputs_cost_no_more_than_linear_time() {
    const MEBIBYTE: usize = 1024 * 1024;
    let repeated = |unit: &str| unit.repeat(MEBIBYTE / unit.len());
    let emails: Vec<Value> = (0..8_000)
        .map(|n| json!({"value": format!("address-number-{n}"), "type": "work"}))
        .collect();
    let addresses: Vec<Value> = (0..8_000)
        .map(|n| json!({"locality": format!("address-number-{n}")}))
        .collect();
    let many = |op: &str, path: &str, value: &Value| {
        json!({"Operations": [{"op": op, "path": path, "value": value}]}).to_string()
    };
    let keys: Map<String, Value> = (0..8_000)
        .map(|n| (format!("emails[type eq \"{n}\"].value"), json!("x")))
        .collect();
    let started = std::time::Instant::now();
    for text in [
        "(",
        "a[",
        "not (",
        "a pr and ",
        "a.",
        "\"\\",
        "a eq \"",
        "urn:",
        "[{",
        "{\"a\":",
    ]
    .map(repeated)
    {
        let _ = Filter::parse(&text);
        let _ = Path::parse(&text);
        let _ = ListQuery::from_query(&format!("filter={text}&attributes={text}"));
        read_everything(text.as_bytes());
    }
    for body in [
        many("add", "emails", &emails.clone().into()),
        many("replace", "emails", &emails.clone().into()),
        many("remove", "emails", &emails.clone().into()),
        many("add", "addresses", &addresses.clone().into()),
        json!({"userName": "a", "emails": emails, "addresses": addresses}).to_string(),
        json!({"Operations": [{"op": "replace", "value": keys}]}).to_string(),
        Value::Object(keys).to_string(),
        json!({"Operations": (0..300).map(|n| json!({"method": "POST", "bulkId": n.to_string(), "path": "/Groups",
            "data": {"members": (0..300).map(|m| json!({"value": format!("bulkId:{m}")})).collect::<Vec<_>>()}})).collect::<Vec<_>>()}).to_string(),
        json!({"Operations": (0..900).map(|n| json!({"method": "PATCH", "path": "/Groups/1",
            "data": [{"op": "remove", "path": "bulkId:".repeat(150 + n % 2)}]})).collect::<Vec<_>>()}).to_string(),
    ] {
        read_everything(body.as_bytes());
    }
    assert!(started.elapsed().as_secs() < 180, "{:?}", started.elapsed());
}
