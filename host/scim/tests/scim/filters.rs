//! The filter grammar and its evaluation.

use serde_json::{Map, Value, json};
use tombolo_scim::{Filter, ResourceType};

use crate::ENTERPRISE;

fn user() -> Map<String, Value> {
    let value = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "id": "u1", "externalId": "jyoung", "userName": "Ana@Contoso.com", "displayName": "Ána Ruiz", "active": true,
        "name": {"givenName": "Ana"},
        "emails": [{"type": "work", "value": "ana@work", "primary": true}, {"type": "home", "value": "ana@home"}],
        ENTERPRISE: {"employeeNumber": "10042", "manager": {"value": "m1"}},
        "groups": [{"value": "g1"}],
        "meta": {"lastModified": "2026-05-01T10:00:00Z", "resourceType": "User"}});
    value.as_object().unwrap().clone()
}

fn passes(filter: &str) -> bool {
    let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    parsed.matches(&ResourceType::user(), &user())
}

#[test]
fn these_filters_find_the_user() {
    for filter in [
        r#"userName eq "ana@contoso.com""#,
        r#"USERNAME EQ "ANA@CONTOSO.COM""#,
        r#"displayName eq "ÁNA ruiz""#,
        "externalId eq jyoung",
        r#"emails[type eq "work"].value eq "ana@work""#,
        r#"emails[type eq "WORK" and value co "work"]"#,
        r#"emails[primary eq "True"].value eq "ana@work""#,
        r#"emails[type eq "work"].value pr"#,
        r#"emails eq "ana@home""#,
        r#"emails.type eq "home""#,
        r#"emails.value sw "ana""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "10042""#,
        "URN:ietf:params:scim:schemas:extension:enterprise:2.0:user:employeenumber eq 10042",
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "ana""#,
        r#"id eq "u1" and manager eq "m1""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "m1""#,
        r#"groups eq "g1""#,
        r#"groups.value eq "g1""#,
        r#"active eq "True""#,
        "active eq true",
        "active ne false",
        r#"meta.lastModified gt "2026-05-01T11:30:00+02:00""#,
        r#"meta.lastModified eq "2026-05-01T12:00:00.000+02:00""#,
        r#"meta.resourceType eq "User""#,
        "name.givenName pr and not (title pr)",
        "title eq null",
        r#"title ne "Boss""#,
        r#"userName eq "x" or userName co "tos" and active eq true"#,
        r#"(userName eq "x" or userName ew "COM") and (active eq true)"#,
        r#"NOT(userName eq "x")AND active eq true"#,
        r#"emails ne "ana@work""#,
        "schemas co \"enterprise\"",
        "emails[not (type eq \"work\")]",
    ] {
        assert!(passes(filter), "{filter}");
    }
}

#[test]
fn these_filters_do_not_find_the_user() {
    for filter in [
        r#"PLACEHOLDER eq "8f1c""#,
        r#"PLACEHOLDER ne "8f1c""#,
        r#"urn:nobody:knows:this.attribute eq "x""#,
        "externalId eq JYOUNG",
        r#"id eq "U1""#,
        r#"emails[type eq "work" and value eq "ana@home"]"#,
        r#"emails[type eq "work"].value eq "ana@home""#,
        "title pr",
        r#"title eq "x""#,
        r#"title co """#,
        "active eq false",
        "active gt false",
        r#"meta.lastModified lt "2026-05-01T10:00:00Z""#,
        "name eq \"Ana\"",
        "displayName eq null",
        r#"userName eq "x" or (userName co "tos" and active eq false)"#,
        r#"emails[nope eq "x"]"#,
    ] {
        assert!(!passes(filter), "{filter}");
    }
}

#[test]
fn precedence_is_not_then_and_then_or() {
    let text = "a pr or b pr and not (c pr) or d pr";
    assert_eq!(Filter::parse(text).unwrap().to_string(), text);
    assert_eq!(
        Filter::parse("a pr or (b pr and not (c pr))").unwrap(),
        Filter::parse("a pr or b pr and not (c pr)").unwrap()
    );
    assert_ne!(
        Filter::parse("a pr and (b pr and c pr)").unwrap(),
        Filter::parse("a pr and b pr and c pr").unwrap()
    );
}

#[test]
fn json_escapes_in_strings_are_understood() {
    let mut user = user();
    user.insert("title".into(), json!("a\"b\\cé]"));
    let filter = Filter::parse(r#"title eq "a\"b\\c\u00e9]""#).unwrap();
    assert!(filter.matches(&ResourceType::user(), &user));
}

#[test]
fn malformed_filters_say_where() {
    let rows = [
        ("", 1),
        ("userName", 9),
        ("userName xx \"a\"", 10),
        ("userName eq", 12),
        ("userName eq \"a", 13),
        ("userName eq \"a\" and", 20),
        ("(userName pr", 13),
        ("userName pr)", 12),
        ("emails[type pr", 15),
        ("emails[a[b pr]]", 9),
        ("emails[]", 8),
        ("emails[type pr].", 17),
        ("é eq \"\\x\"", 6),
        (".a pr", 1),
        ("a. pr", 1),
        ("a eq b\"c", 7),
    ];
    for (text, position) in rows {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.position, position, "{text}: {error}");
    }
}

#[test]
fn nesting_and_length_are_bounded() {
    for text in [
        "(".repeat(100_000),
        "not(".repeat(100_000),
        "a[".repeat(100_000),
        vec!["a pr"; 100_000].join(" and "),
    ] {
        assert!(Filter::parse(&text).is_err());
    }
    assert!(Filter::parse(&vec!["a pr"; 400].join(" or ")).is_ok());
}

#[test]
fn a_filter_says_which_attributes_it_mentions() {
    let filter = Filter::parse("id eq \"g\" and (Members eq \"u\" or not (title pr))").unwrap();
    assert!(filter.mentions("members") && filter.mentions("title") && !filter.mentions("value"));
}
