use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tombolo_scim::Resource;

use super::{ENTERPRISE, POSIX, mapping, references};
use crate::Object;
use crate::overlay::same_values;

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,2}", "[A-C]{1,2}", Just("é,+ #".to_owned())]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-2i64..4, any::<i64>()]
}

/// Elements of a list, at most one a type; some with a host-kept part, some without a value.
fn elements() -> impl Strategy<Value = Vec<Value>> {
    let element = (
        proptest::option::weighted(0.9, word()),
        proptest::option::of(word()),
    );
    proptest::collection::btree_map("work|home|other", element, 0..4).prop_map(|elements| {
        let shown = elements.into_iter().map(|(kind, (value, display))| {
            let mut element = json!({ "type": kind });
            if let Some(value) = value {
                element["value"] = json!(value);
            }
            if let Some(display) = display {
                element["display"] = json!(display);
            }
            element
        });
        // No two with one value: the object holds a set.
        let mut seen = Vec::new();
        shown
            .filter(|element| match element.get("value") {
                Some(value) if seen.contains(value) => false,
                Some(value) => {
                    seen.push(value.clone());
                    true
                }
                None => true,
            })
            .collect()
    })
}

fn address() -> impl Strategy<Value = Vec<Value>> {
    (
        proptest::option::of(word()),
        proptest::option::of(word()),
        any::<bool>(),
    )
        .prop_map(|(street, city, home)| {
            let mut list = Vec::new();
            let mut work = Map::new();
            if let Some(street) = street {
                work.insert("streetAddress".to_owned(), json!(street));
            }
            if let Some(city) = city {
                work.insert("locality".to_owned(), json!(city));
            }
            if !work.is_empty() {
                work.insert("type".to_owned(), json!("work"));
                list.push(Value::Object(work));
            }
            if home {
                list.push(json!({ "type": "home", "locality": "there" }));
            }
            list
        })
}

/// Sets a path of one or two keys, unless the value is empty.
fn put(map: &mut Map<String, Value>, keys: &[&str], value: Option<Value>) {
    let Some(value) = value.filter(|value| value.as_array().is_none_or(|list| !list.is_empty()))
    else {
        return;
    };
    if let [outer, inner] = keys {
        let home = map.entry((*outer).to_owned()).or_insert_with(|| json!({}));
        home[*inner] = value;
    } else {
        map.insert(keys[0].to_owned(), value);
    }
}

pub(super) fn any_resource() -> impl Strategy<Value = Resource> {
    use proptest::option::of;
    let plain = (
        of(word()),
        of(word()),
        of(word()),
        of(word()),
        of(word()),
        of(any::<bool>()),
    );
    let lists = (
        elements(),
        elements(),
        address(),
        proptest::collection::btree_set(word(), 0..4),
    );
    let posix = (
        of(number()),
        of(-1000i32..1000),
        of(0i64..4_000_000_000),
        of((word(), of(number()))),
    );
    (plain, lists, posix, of(0..5), of(word())).prop_map(|(plain, lists, posix, boss, kept)| {
        let mut map = Map::new();
        let (user, family, given, title, department, active) = plain;
        put(&mut map, &["userName"], user.map(Value::from));
        put(&mut map, &["name", "familyName"], family.map(Value::from));
        put(&mut map, &["name", "givenName"], given.map(Value::from));
        put(
            &mut map,
            &["name", "middleName"],
            kept.clone().map(Value::from),
        );
        put(&mut map, &["nickName"], kept.map(Value::from));
        put(&mut map, &["title"], title.map(Value::from));
        put(&mut map, &["active"], active.map(Value::from));
        let (emails, phones, addresses, tags) = lists;
        put(&mut map, &["emails"], Some(Value::from(emails)));
        put(&mut map, &["phoneNumbers"], Some(Value::from(phones)));
        put(&mut map, &["addresses"], Some(Value::from(addresses)));
        put(
            &mut map,
            &[ENTERPRISE, "department"],
            department.map(Value::from),
        );
        put(
            &mut map,
            &[ENTERPRISE, "manager"],
            boss.map(|n| json!({ "value": format!("id-{n}") })),
        );
        let (gid, height, expires, badge) = posix;
        put(&mut map, &[POSIX, "gidNumber"], gid.map(Value::from));
        put(
            &mut map,
            &[POSIX, "height"],
            height.map(|n| json!(f64::from(n) / 8.0)),
        );
        let instant = expires.and_then(|second| jiff::Timestamp::from_second(second).ok());
        put(
            &mut map,
            &[POSIX, "expires"],
            instant.map(|instant| json!(instant.to_string())),
        );
        put(
            &mut map,
            &[POSIX, "tags"],
            Some(tags.into_iter().map(Value::from).collect()),
        );
        let badge = badge.map(|(number, level)| match level {
            Some(level) => json!([{ "number": number, "level": level }]),
            None => json!([{ "number": number }]),
        });
        put(&mut map, &[POSIX, "badges"], badge);
        Resource::from_map(map)
    })
}

fn object(resource: &Resource) -> Object {
    mapping()
        .to_object(resource, &references())
        .expect("an object")
}

fn shown(resource: &Resource) -> Value {
    serde_json::to_value(resource).expect("json")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_was_sent_and_read_back_is_the_same(r in any_resource()) {
        let mut back = r.clone();
        mapping().overlay(&mut back, &object(&r), &references());
        prop_assert_eq!(shown(&back), shown(&r));
    }

    #[test]
    fn an_overlay_over_anything_shows_what_the_target_has(base in any_resource(), r in any_resource()) {
        let object = object(&r);
        let mut over = base.clone();
        mapping().overlay(&mut over, &object, &references());
        let again = mapping().to_object(&over, &references()).expect("an object");
        for flow in mapping().flows().iter().filter(|flow| flow.is_readable() && flow.attribute().is_writable()) {
            let name = &flow.attribute().name;
            prop_assert!(same_values(again.get(name), object.get(name)), "{} in {} over {}", name, shown(&over), shown(&base));
        }
        // What the host keeps is as it was.
        prop_assert_eq!(over.get("nickName"), base.get("nickName"));
        prop_assert_eq!(over.get("name").and_then(|name| name.get("middleName")), base.get("name").and_then(|name| name.get("middleName")));
        // And once more changes nothing.
        let mut twice = over.clone();
        mapping().overlay(&mut twice, &object, &references());
        prop_assert_eq!(shown(&twice), shown(&over));
    }

    #[test]
    fn edits_turn_the_old_object_into_the_new(old in any_resource(), new in any_resource()) {
        let (old, new) = (object(&old), object(&new));
        let mut edited = old.clone();
        let edits = mapping().edits(&old, &new);
        for edit in &edits {
            edited.apply(edit);
        }
        for attribute in &mapping().kind().attributes {
            prop_assert!(same_values(edited.get(&attribute.name), new.get(&attribute.name)), "{}", attribute.name);
        }
        prop_assert!(mapping().edits(&edited, &new).is_empty());
    }

    #[test]
    fn long_lists_are_edited_by_what_differs(old in proptest::collection::btree_set(0u16..300, 0..200), new in proptest::collection::btree_set(0u16..300, 0..200)) {
        let list = |numbers: &std::collections::BTreeSet<u16>| {
            let mut object = Object::new();
            object.set("tag", numbers.iter().map(|n| n.to_string().as_str().into()).collect());
            object
        };
        let (old, new) = (list(&old), list(&new));
        let mut edited = old.clone();
        for edit in mapping().edits(&old, &new) {
            edited.apply(&edit);
        }
        prop_assert!(same_values(edited.get("tag"), new.get("tag")));
    }
}
