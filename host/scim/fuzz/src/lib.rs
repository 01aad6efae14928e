//! What holds of SCIM's parsers for any input at all; each target in `fuzz_targets/` is one of these functions.
//!
//! `cargo xtask fuzz --seconds 600` runs them all. The corpus under `corpus/` is committed: it holds Entra's own requests
//! and whatever the fuzzer found to reach new code with.

use serde_json::{Map, Value, json};
use tombolo_scim::bulk::{BulkRequest, Done};
use tombolo_scim::patch::PatchRequest;
use tombolo_scim::query::ListQuery;
use tombolo_scim::resource::{read_with, replace};
use tombolo_scim::{Error, Filter, Path, Resource, ResourceType, Rules, path};

/// Both ways of reading.
const MODES: [Rules; 2] = [Rules::ENTRA, Rules::STRICT];

/// Someone with a value of every kind.
fn ana(ty: &ResourceType) -> Resource {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User",
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "userName": "ana@example.test", "externalId": "ana", "active": true, "displayName": "Ana",
        "name": {"givenName": "Ana", "familyName": "Ruiz"},
        "emails": [{"type": "work", "value": "ana@example.test", "primary": true},
                   {"type": "home", "value": "ana@home.test"}],
        "phoneNumbers": [{"type": "mobile", "value": "555"}],
        "roles": [{"value": "admin", "primary": true}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
            {"employeeNumber": "7", "manager": {"value": "boss"}},
    });
    read_with(&Rules::ENTRA, ty, body.to_string().as_bytes())
        .expect("a good body")
        .resource
}

/// The type that a byte chooses.
fn chosen(data: &[u8]) -> (ResourceType, &[u8]) {
    match data.split_first() {
        Some((b'G', rest)) => (ResourceType::group(), rest),
        Some((_, rest)) => (ResourceType::user(), rest),
        None => (ResourceType::user(), data),
    }
}

fn is_sound(error: &Error) {
    assert!((400..=599).contains(&error.status), "{error:?}");
    assert!(!error.detail.is_empty());
    assert!(error.detail.len() < 4096, "a detail that repeats the request: {}", error.detail.len());
    let _ = error.to_json().to_string();
}

/// Printing what was parsed and parsing it again changes nothing; evaluating it never fails.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let ty = ResourceType::user();
    for rules in MODES {
        let Ok(filter) = Filter::parse_with(&rules, text) else {
            continue;
        };
        let printed = filter.to_string();
        let again = Filter::parse(&printed).expect("what is printed can be parsed");
        assert_eq!(again, filter, "{text:?} is printed as {printed:?}");
        let ana = ana(&ty);
        let matched = filter.matches(&ty, ana.as_map());
        assert_eq!(matched, again.matches(&ty, ana.as_map()));
        if let Err(error) = filter.check(&[&ty], &rules) {
            is_sound(&error);
        }
        let _ = filter.matches_member(&ResourceType::group(), &json!({"value": "x", "type": "User"}));
    }
    // The same text as a query.
    for rules in MODES {
        match ListQuery::from_query_with(&rules, text) {
            Ok(query) => {
                if let Err(error) = query.check(&[&ty], &rules) {
                    is_sound(&error);
                }
            }
            Err(error) => is_sound(&error),
        }
    }
}

/// The same of paths; reading, writing and removing along one keeps a resource a resource.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let ty = ResourceType::user();
    for rules in MODES {
        let Ok(path) = Path::parse_with(&rules, text) else {
            continue;
        };
        let printed = path.to_string();
        assert_eq!(
            Path::parse(&printed).expect("what is printed can be parsed"),
            path,
            "{text:?} is printed as {printed:?}"
        );
        let mut ana = ana(&ty);
        let _ = path::get(&ty, &ana, &path);
        if let Err(error) = path::set(&ty, &mut ana, &path, json!("x"), path::Mode::Replace) {
            is_sound(&error);
        }
        is_canonical(&ty, &ana);
        if let Err(error) = path::remove(&ty, &mut ana, &path) {
            is_sound(&error);
        }
        is_canonical(&ty, &ana);
    }
}

/// A PATCH changes everything that it says or nothing, and leaves a canonical resource.
pub fn patch(data: &[u8]) {
    let (ty, body) = chosen(data);
    for rules in MODES {
        let patch = match PatchRequest::parse_with(&rules, body) {
            Ok(patch) => patch,
            Err(error) => {
                is_sound(&error);
                continue;
            }
        };
        let before = if ty.name == "User" {
            ana(&ty)
        } else {
            read_with(&Rules::ENTRA, &ty, br#"{"displayName":"Finance"}"#)
                .expect("a good body")
                .resource
        };
        match patch.apply(&ty, &before) {
            Ok(patched) => is_canonical(&ty, &patched.resource),
            Err(error) => is_sound(&error),
        }
    }
}

/// A bulk request comes to an end, in the request's order, whatever becomes of its operations.
pub fn bulk(data: &[u8]) {
    let (fate, body) = data.split_first().map_or((0, data), |(fate, rest)| (*fate, rest));
    for rules in MODES {
        let request = match BulkRequest::parse(&rules, body) {
            Ok(request) => request,
            Err(error) => {
                is_sound(&error);
                continue;
            }
        };
        let count = request.len();
        let mut run = request.begin("https://scim.example.test/scim/v2");
        let mut tasks = 0_usize;
        while let Some(task) = run.next_task() {
            tasks += 1;
            assert!(tasks <= 2 * count, "an operation is done and linked at most");
            let done = Done {
                status: 200,
                id: format!("id-{tasks}"),
                location: format!("https://scim.example.test/scim/v2/Users/id-{tasks}"),
                version: None,
            };
            let fails = fate & (1 << (tasks % 8)) != 0;
            run.finish(
                &task,
                if fails {
                    Err(Error::invalid_value("refused"))
                } else {
                    Ok(done)
                },
            );
        }
        let answer = run.answer();
        let operations = answer["Operations"].as_array().expect("operations");
        assert!(operations.len() <= count);
        for operation in operations {
            assert!(operation["status"].is_string(), "{operation}");
        }
    }
}


/// What a body leaves is canonical; a PUT of it over anything keeps it so.
pub fn body(data: &[u8]) {
    let (ty, body) = chosen(data);
    for rules in MODES {
        match read_with(&rules, &ty, body) {
            Ok(document) => {
                is_canonical(&ty, &document.resource);
                if ty.name == "User"
                    && let Ok(replaced) = replace(&ty, &ana(&ty), document.resource)
                {
                    is_canonical(&ty, &replaced);
                }
            }
            Err(error) => is_sound(&error),
        }
        if let Err(error) = ListQuery::from_search_body_with(&rules, body) {
            is_sound(&error);
        }
    }
}

/// A client that sends back what it was given changes nothing.
fn is_canonical(ty: &ResourceType, resource: &Resource) {
    let mut sent: Map<String, Value> = resource.as_map().clone();
    // Required, and a PATCH of nothing but members may meet a resource without it.
    sent.entry(if ty.name == "User" { "userName" } else { "displayName" })
        .or_insert_with(|| "x".into());
    let mut wanted = sent.clone();
    let text = Value::Object(sent).to_string();
    let again = read_with(&Rules::ENTRA, ty, text.as_bytes())
        .unwrap_or_else(|error| panic!("{text} is not read again: {}", error.detail));
    wanted.retain(|name, _| again.resource.as_map().contains_key(name) || name != "groups");
    assert_eq!(
        again.resource.as_map(),
        &wanted,
        "{text} is read as something else"
    );
}
