//! Flows with terms and by expression: what is made of a resource, what a change of it edits, what is read back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tombolo_mapping::expression::Nowhere;
use tombolo_mapping::overrides::{Apply, Choice, Constant, Formula, Terms};
use tombolo_mapping::{
    Edit, EditKind, Environment, Kind, Mapping, Object, ObjectValue, Overrides, References, Scalar,
    Shape,
};
use tombolo_scim::{AttributePath, Resource};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn kind() -> Kind {
    serde_json::from_value(json!({ "kind": "user", "resource": "User", "attributes": [
        { "name": "uid", "type": "text", "required": true, "unique": true, "scim": "userName" },
        { "name": "cn", "type": "text", "required": true },
        { "name": "sn", "type": "text", "scim": "name.familyName" },
        { "name": "title", "type": "text", "scim": "title" },
        { "name": "mail", "type": "text", "unique": true },
        { "name": "enabled", "type": "boolean", "scim": "active" },
        { "name": "expires", "type": "instant" },
        { "name": "age", "type": "integer" },
        { "name": "photo", "type": "binary" },
        { "name": "tag", "type": "text", "multi": true },
        { "name": "boss", "type": "reference", "to": "user" },
        { "name": "secret", "type": "text" },
        { "name": "modified", "type": "instant", "mutability": "read-only" },
        { "name": "badge", "type": "complex", "parts": [{ "name": "no", "type": "text" }] } ] }))
    .expect("a kind")
}

fn mapping(toml: &str) -> Mapping {
    let overrides: Overrides = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
    Mapping::new(&kind(), &overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// The usual one: `cn` is made of the name.
fn named(more: &str) -> Mapping {
    mapping(&format!(
        "[expressions]\ncn = 'Join(\" \", [name.givenName], [name.familyName])'\n{more}"
    ))
}

fn problem(toml: &str) -> String {
    let overrides: Overrides = toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"));
    match Mapping::new(&kind(), &overrides) {
        Ok(_) => panic!("{toml} is a mapping"),
        Err(error) => error.to_string(),
    }
}

fn resource(body: Value) -> Resource {
    serde_json::from_value(body).expect("a resource")
}

fn ana() -> Value {
    json!({ "userName": "Ana", "name": { "givenName": "Ana", "familyName": "Ruiz" }, "title": "Boss", "active": true })
}

fn text(object: &Object, name: &str) -> Option<String> {
    match object.get(name) {
        [ObjectValue::Simple(Scalar::Text(text))] => Some(text.clone()),
        _ => None,
    }
}

fn created(mapping: &Mapping, body: Value) -> Object {
    mapping
        .to_new_object(&resource(body), &References::new(), &Nowhere)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn edits(mapping: &Mapping, old: Value, new: Value) -> Vec<Edit> {
    let none = References::new();
    mapping
        .update((&resource(old), &none), (&resource(new), &none), &Nowhere)
        .unwrap_or_else(|error| panic!("{error}"))
        .edits
}

/// Ana with something else about her.
fn but(path: &str, value: Value) -> Value {
    let mut body = ana();
    *body.pointer_mut(path).expect("it is there") = value;
    body
}

#[test]
fn row_55_a_change_of_any_source_edits_what_is_made_of_the_whole() {
    let mapping = named("");
    assert_eq!(
        text(&created(&mapping, ana()), "cn").as_deref(),
        Some("Ana Ruiz")
    );
    // The given name goes nowhere but into `cn`, and the family name did not change.
    let edited = edits(&mapping, ana(), but("/name/givenName", json!("Eva")));
    let put = |name: &str, text: &str| Edit {
        kind: EditKind::Put,
        name: name.to_owned(),
        values: vec![text.into()],
    };
    assert_eq!(edited, [put("cn", "Eva Ruiz")]);
    let both = edits(&mapping, ana(), but("/name/familyName", json!("Gil")));
    assert_eq!(both, [put("cn", "Ana Gil"), put("sn", "Gil")]);
    assert_eq!(
        edits(&mapping, ana(), but("/title", json!("Chief"))),
        [put("title", "Chief")]
    );
}

/// Entra's own bug: a `Switch` over an attribute that did not change is null, and empties the target.
#[test]
fn row_55_a_switch_over_what_did_not_change_stays() {
    let mapping = named("tag = 'Switch([title], \"External\", \"Boss\", \"A\")'");
    let edited = edits(&mapping, ana(), but("/name/familyName", json!("Gil")));
    assert!(edited.iter().all(|edit| edit.name != "tag"), "{edited:?}");
}

#[test]
fn it_is_only_ever_written_unless_it_is_turned_back() {
    let object: Object = [
        ("uid".to_owned(), vec!["Ana".into()]),
        ("cn".to_owned(), vec!["Eva Gil".into()]),
    ]
    .into_iter()
    .collect();
    let mut base = resource(ana());
    named("").overlay(&mut base, &object, &References::new());
    assert_eq!(base.get("name").expect("a name")["givenName"], "Ana");

    let both = mapping(
        r#"[expressions.cn]
        expression = 'Join(" ", [name.givenName], [nickName])'
        inverse = { "name.givenName" = 'Word([cn], 1, " ")', nickName = 'Word([cn], 2, " ")' }"#,
    );
    assert!(both.readable_attributes().contains(&"cn".to_owned()));
    let mut base = resource(json!({ "userName": "Ana", "name": { "givenName": "Ana" } }));
    both.overlay(&mut base, &object, &References::new());
    assert_eq!(base.get("name").expect("a name")["givenName"], "Eva");
    assert_eq!(base.get("nickName"), Some(&json!("Gil")));
    // What makes the same again is left as the client wrote it.
    let mut spelt = resource(json!({ "userName": "Ana", "name": { "givenName": "Eva Gil" } }));
    both.overlay(&mut spelt, &object, &References::new());
    assert_eq!(spelt.get("name").expect("a name")["givenName"], "Eva Gil");
}

#[test]
fn a_default_is_for_new_objects_without_a_value() {
    let mapping = named(
        "tag = { expression = '[nickName]', default = [\"none\", \"new\"] }\n[title]\nattribute = \"title\"\ndefault = \"-\"",
    );
    let new = created(
        &mapping,
        json!({ "userName": "a", "name": { "givenName": "A" } }),
    );
    assert_eq!(text(&new, "title").as_deref(), Some("-"));
    assert_eq!(new.get("tag").len(), 2);
    let cleared = edits(&mapping, ana(), {
        let mut body = ana();
        body.as_object_mut().expect("an object").remove("title");
        body
    });
    assert_eq!(cleared.len(), 1);
    assert!(
        cleared[0].values.is_empty(),
        "a client that clears means it"
    );
}

#[test]
fn what_flows_at_the_creation_only_is_not_changed_later() {
    let mapping = named(
        "mail = { expression = 'Append(ToLower([userName]), \"@x.test\")', apply = \"create\" }\n[title]\nattribute = \"title\"\napply = \"create\"",
    );
    let new = created(&mapping, ana());
    assert_eq!(text(&new, "mail").as_deref(), Some("ana@x.test"));
    assert_eq!(text(&new, "title").as_deref(), Some("Boss"));
    let mut changed = but("/title", json!("Chief"));
    changed["userName"] = json!("Bo");
    let edited = edits(&mapping, ana(), changed);
    assert_eq!(edited.len(), 1, "{edited:?}");
    assert_eq!(edited[0].name, "uid");
    // What the client wrote since stays written; else it would send it for ever.
    let mut base = resource(but("/title", json!("Chief")));
    mapping.overlay(&mut base, &new, &References::new());
    assert_eq!(base.get("title"), Some(&json!("Chief")));
    // A create whose outcome is unknown is looked for by what it made; a later change is not.
    let known = mapping
        .to_created_object(&resource(ana()), &References::new())
        .expect("an object");
    assert_eq!(text(&known, "mail").as_deref(), Some("ana@x.test"));
    let later = mapping
        .to_object(&resource(ana()), &References::new())
        .expect("an object");
    assert!(later.get("mail").is_empty());
}

#[test]
fn ignore_flow_leaves_the_attribute_alone() {
    let mapping = named("tag = 'IgnoreFlowIfNullOrEmpty([nickName])'");
    let mut with = ana();
    with["nickName"] = json!("An");
    assert!(
        edits(&mapping, with.clone(), ana()).is_empty(),
        "neither set nor cleared"
    );
    assert_eq!(edits(&mapping, ana(), with).len(), 1);
    assert!(created(&mapping, ana()).get("tag").is_empty());
}

/// A write that was cut off is judged by this: the resource alone does not show what expressions made.
#[test]
fn whether_a_change_has_reached_the_target_is_seen_in_what_was_made() {
    let mapping = named("secret = 'Guid()'");
    let none = References::new();
    let object =
        |cn: &str| -> Object { [("cn".to_owned(), vec![cn.into()])].into_iter().collect() };
    assert!(mapping.is_made(&resource(ana()), &none, &object("Ana Ruiz")));
    assert!(!mapping.is_made(&resource(ana()), &none, &object("Eva Ruiz")));
}

/// A clock, dice that always fall alike, and a target that has some values.
struct World {
    free: BTreeMap<(String, String), bool>,
}

impl Environment for World {
    fn now(&self) -> Option<Timestamp> {
        "2026-01-31T12:00:00Z".parse().ok()
    }
    fn random(&self, attribute: &str, number: u64) -> Option<u64> {
        let seed = attribute.bytes().map(u64::from).sum::<u64>();
        Some((seed + number).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
    fn is_free(&self, attribute: &str, value: &str) -> Option<bool> {
        self.free
            .get(&(attribute.to_owned(), value.to_owned()))
            .copied()
    }
}

#[test]
fn what_chance_made_is_not_made_again_by_a_change() {
    let mapping = named(
        "secret = 'RandomString(12,2,2,2,2)'\nexpires = 'DateAdd(\"yyyy\", 1, Now())'\ntag = 'Guid()'",
    );
    let world = World {
        free: BTreeMap::new(),
    };
    let none = References::new();
    let new = mapping
        .to_new_object(&resource(ana()), &none, &world)
        .expect("an object");
    assert_eq!(
        new.get("expires"),
        [ObjectValue::Simple(Scalar::Instant(
            "2027-01-31T12:00:00Z".to_owned()
        ))]
    );
    assert!(text(&new, "secret").is_some());
    let changed = resource(but("/title", json!("Chief")));
    let update = mapping
        .update((&resource(ana()), &none), (&changed, &none), &world)
        .expect("an update");
    assert_eq!(update.edits.len(), 1);
    // Nobody can say afterwards what chance made, so nothing is looked for by it.
    let known = mapping
        .to_created_object(&resource(ana()), &none)
        .expect("an object");
    assert!(known.get("secret").is_empty() && known.get("tag").is_empty());
}

#[test]
fn the_target_is_asked_which_unique_value_is_free() {
    let mapping = named(
        "mail = { expression = 'SelectUniqueValue(Append([name.givenName], \"@x.test\"), Append([name.familyName], \"@x.test\"))', apply = \"create\" }",
    );
    let mut world = World {
        free: BTreeMap::new(),
    };
    let new = |world: &World| mapping.to_new_object(&resource(ana()), &References::new(), world);
    let error = new(&world).expect_err("nobody has asked");
    assert_eq!(error.unasked(), Some(("mail", "Ana@x.test")));
    world
        .free
        .insert(("mail".to_owned(), "Ana@x.test".to_owned()), false);
    let error = new(&world).expect_err("the second is not asked yet");
    assert_eq!(error.unasked(), Some(("mail", "Ruiz@x.test")));
    world
        .free
        .insert(("mail".to_owned(), "Ruiz@x.test".to_owned()), true);
    assert_eq!(
        text(&new(&world).expect("an object"), "mail").as_deref(),
        Some("Ruiz@x.test")
    );
    world
        .free
        .insert(("mail".to_owned(), "Ruiz@x.test".to_owned()), false);
    assert!(new(&world).expect_err("both are taken").is_none_free());
}

#[test]
fn values_of_every_type_are_made() {
    let mapping = named(
        r#"expires = 'CDate("2026-03-16-07:00")'
        age = 'Len([userName])'
        enabled = 'Not(CBool([title] = "Gone"))'
        photo = 'ConvertToBase64("x")'
        tag = 'Split([nickName], ";")'
        boss = 'Coalesce([urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager], [externalId])'"#,
    );
    let mut body = ana();
    body["nickName"] = json!("a;b;a");
    body[ENTERPRISE] = json!({ "manager": { "value": "id-1" } });
    let ids = mapping.reference_ids(&resource(body.clone()));
    assert_eq!((ids.len(), ids[0].value.as_str()), (1, "id-1"));
    let mut references = References::new();
    references.link("user", "id-1", "anchor-1");
    let object = mapping
        .to_new_object(&resource(body.clone()), &references, &Nowhere)
        .unwrap_or_else(|e| panic!("{e}"));
    let one = |scalar| vec![ObjectValue::Simple(scalar)];
    assert_eq!(
        object.get("expires"),
        one(Scalar::Instant("2026-03-16T07:00:00Z".to_owned()))
    );
    assert_eq!(object.get("age"), one(Scalar::Integer(3)));
    assert_eq!(object.get("enabled"), one(Scalar::Boolean(true)));
    assert_eq!(object.get("photo"), one(Scalar::Bytes(vec![b'x', 0])));
    assert_eq!(object.get("tag"), ["a".into(), "b".into()]);
    assert_eq!(object.get("boss"), one(Scalar::Text("anchor-1".to_owned())));
    let error = mapping
        .to_new_object(&resource(body), &References::new(), &Nowhere)
        .expect_err("an unknown manager");
    assert_eq!(
        error.to_string(),
        "the target's attribute `boss` is made by an expression, and its result refers to `id-1`, and there is no such user"
    );
}

#[test]
fn an_error_names_the_attribute_the_function_and_the_place() {
    let table = [
        (
            "age = '[title]'",
            "the target's attribute `age` is made by an expression, and its result is not a whole number of 64 bits, as the attribute's type integer demands",
        ),
        (
            "mail = 'Split([title], \"o\")'",
            "the target's attribute `mail` is made by an expression, and its result has several values, and the attribute holds one",
        ),
        (
            "mail = 'Append(Mid([title], 0, 1), \"x\")'",
            "the target's attribute `mail` is made by an expression, and it cannot be evaluated: `Mid` at character 8: start counts from 1",
        ),
    ];
    for (line, said) in table {
        let error = named(line)
            .to_new_object(&resource(ana()), &References::new(), &Nowhere)
            .expect_err(line);
        assert_eq!(error.to_string(), said);
    }
    let missing = named("")
        .to_new_object(
            &resource(json!({ "userName": "a" })),
            &References::new(),
            &Nowhere,
        )
        .expect("an object");
    let error = named("").require(&missing).expect_err("no name");
    assert_eq!(
        error.to_string(),
        "`Join(\" \", [name.givenName], [name.familyName])` is required: the target needs a value for its attribute `cn`"
    );
}

#[test]
fn what_an_expression_reads_is_mapped() {
    let mapping = mapping("enabled = false\n\"active\" = false\n[expressions]\ncn = '[nickName]'\ntag = 'Switch([active], \"x\", \"False\", \"off\")'".replace("enabled = false\n", "").as_str());
    let is_mapped = |path: &str| mapping.is_mapped(&AttributePath::parse(path).expect("a path"));
    assert!(is_mapped("nickName") && is_mapped("active") && is_mapped("name.familyName"));
    assert!(!is_mapped("name.givenName"));
    assert!(!mapping.host_kept().contains(&"nickName".to_owned()));
    assert!(mapping.maps_active(), "a disable reaches the target");
}

#[test]
fn what_is_wrong_with_the_table_is_said() {
    let table = [
        (
            "[expressions]\nmial = '[title]'\ncn = '[title]'",
            "mapping.user: `expressions` names `mial`, which the connector does not have; did you mean `mail`?",
        ),
        (
            "[expressions]\ncn = 'Join(\" \", [title)'",
            "mapping.user: the expression for `cn`: at character 11: this `[` has no `]`",
        ),
        (
            "[expressions]\ncn = '[nickname2]'",
            "mapping.user: the expression for `cn`: the resource type has no attribute `[nickname2]`; did you mean `[nickName]`?",
        ),
        (
            "[expressions]\ncn = '[name.given]'",
            "mapping.user: the expression for `cn`: `[name.given]`: `name` has no `given`",
        ),
        (
            "title = \"cn\"\n[expressions]\ncn = '[title]'",
            "mapping.user: the expression for `cn`: a SCIM path is mapped to the attribute as well",
        ),
        (
            "constants = { cn = \"x\" }\n[expressions]\ncn = '[title]'",
            "mapping.user: the constant for `cn` does not fit: a SCIM path or an expression feeds it as well",
        ),
        (
            "nickName = \"cn\"\n[expressions]\nmodified = '[title]'",
            "mapping.user: the expression for `modified`: the target does not let the attribute be written",
        ),
        (
            "nickName = \"cn\"\n[expressions]\nbadge = '[title]'",
            "mapping.user: the expression for `badge`: the attribute is complex, and an expression makes single values",
        ),
        (
            "nickName = \"cn\"\n[expressions]\nmail = 'SelectUniqueValue([title], [userName])'",
            "mapping.user: the expression for `mail`: `SelectUniqueValue` is for new objects: say `apply = \"create\"`",
        ),
        (
            "[expressions]\ncn = { expression = '[nickName]', inverse = { nickName = '[mial]' } }",
            "mapping.user: the inverse of `cn` for `nickName`: the connector has no attribute `[mial]`; did you mean `[mail]`?",
        ),
        (
            "[expressions]\ncn = { expression = '[nickName]', inverse = { title = '[cn]' } }",
            "mapping.user: `title` and `title` overlap: one value cannot come from both `title` and `cn`",
        ),
        (
            "[expressions]\ncn = { expression = '[nickName]', inverse = { nickName = 'Guid()' } }",
            "mapping.user: the inverse of `cn` for `nickName`: it must come to the same value whenever it is read",
        ),
        (
            "nickName = { attribute = \"cn\" }\n[expressions]\nage = { expression = '[title]', default = \"x\" }",
            "mapping.user: the expression for `age`: its default does not fit: it must be a whole number of 64 bits",
        ),
    ];
    for (toml, said) in table {
        assert_eq!(problem(toml), said);
    }
    for wrong in [
        "title = { attribute = \"title\", aply = \"create\" }",
        "[expressions]\ncn = { expression = '[a]', aply = \"create\" }",
        "[expressions]\ncn = 7",
        "title = { attribute = \"title\", apply = \"often\" }",
    ] {
        assert!(toml::from_str::<Overrides>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_table_is_written_as_it_was_read() {
    let terms = Terms {
        default: Some(Constant::Text("-".to_owned())),
        apply: Apply::Create,
        matching: Some(2),
    };
    let mut formula = Formula::new("[userName]");
    formula.terms = terms.clone();
    formula
        .inverse
        .insert("userName".to_owned(), "[mail]".to_owned());
    let mut overrides = Overrides::none()
        .map("nickName", "cn")
        .unmap("active")
        .choose(
            "title",
            Choice::Direct(tombolo_mapping::overrides::Direct {
                attribute: "title".to_owned(),
                terms,
            }),
        )
        .constant("tag", Constant::Many(vec![Constant::Integer(7)]))
        .express("mail", formula)
        .express("secret", Formula::new("Guid()"));
    overrides.default_domain = Some("contoso.com".to_owned());
    let written = toml::to_string(&overrides).expect("it is written");
    let read: Overrides =
        toml::from_str(&written).unwrap_or_else(|error| panic!("{written}\n{error}"));
    assert_eq!(read, overrides);
}

#[test]
fn matching_attributes_come_by_precedence_and_the_domain_from_the_file() {
    let mapping = mapping(
        "default-domain = \"contoso.com\"\n[title]\nattribute = \"title\"\nmatch = 2\n[expressions]\ncn = { expression = 'Join(\"@\", [nickName], DefaultDomain())', match = 1 }",
    );
    assert_eq!(mapping.matching(), ["nickName", "title"]);
    let mut body = ana();
    body["nickName"] = json!("an");
    assert_eq!(
        text(&created(&mapping, body), "cn").as_deref(),
        Some("an@contoso.com")
    );
    assert_eq!(named("secret = 'Redact([title])'").redacted(), ["secret"]);
}

/// An ECMA app's attributes stand below one URN, and an expression may leave it out.
#[test]
fn expressions_read_an_ecma_apps_attributes_by_their_names() {
    let overrides: Overrides =
        toml::from_str("[expressions]\ncn = 'Join(\" \", [title], [sn])'").expect("overrides");
    let mapping = Shape::Ecma
        .mapping(&kind(), &overrides)
        .unwrap_or_else(|error| panic!("{error}"))
        .expect("users are shown");
    let body =
        json!({ tombolo_mapping::ecma::ECMA_URN: { "uid": "ana", "title": "Dr.", "sn": "Ruiz" } });
    assert_eq!(
        text(&created(&mapping, body), "cn").as_deref(),
        Some("Dr. Ruiz")
    );
}
