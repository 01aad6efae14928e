//! An export of Entra's synchronization schema is brought over, and makes the same objects of a thousand people as a plain
//! evaluation that knows nothing of the expression language.
//!
//! `fixtures/entra_schema.json` has the shape of what Graph returns for an "On-premises ECMA app", with flows of every
//! kind and two scoping filters.

use serde_json::{Value, json};
use tombolo_mapping::bring::document::Schema;
use tombolo_mapping::bring::{Fate, entra, export};
use tombolo_mapping::expression::{Nowhere, Value as Found};
use tombolo_mapping::{Kind, Mapping, ObjectValue, References, Scalar};
use tombolo_scim::Resource;

const SCHEMA: &str = include_str!("fixtures/entra_schema.json");
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:entra:2.0:User";

fn kind() -> Kind {
    let text = |name: &str| json!({ "name": name, "type": "text" });
    let mut attributes = vec![
        json!({ "name": "uid", "type": "text", "required": true, "unique": true, "scim": "userName" }),
        json!({ "name": "sn", "type": "text", "required": true, "scim": "name.familyName" }),
        json!({ "name": "enabled", "type": "boolean", "scim": "active" }),
        json!({ "name": "expires", "type": "integer" }),
        json!({ "name": "permissions", "type": "text", "multi": true }),
        json!({ "name": "secretary", "type": "reference", "to": "user" }),
        // Suggested by the connector, and not in the schema.
        json!({ "name": "nick", "type": "text", "scim": "nickName" }),
    ];
    attributes.extend(
        [
            "cn",
            "givenName",
            "displayName",
            "mail",
            "department",
            "site",
            "employeeNumber",
            "initials",
            "phone",
            "userType",
            "hired",
            "gecos",
            "city",
            "costCentre",
        ]
        .map(text),
    );
    serde_json::from_value(json!({ "kind": "user", "resource": "User", "attributes": attributes }))
        .expect("a kind")
}

/// A person as Entra has them; what is `None` is not there.
#[derive(Default)]
struct Person {
    user_principal_name: String,
    given_name: Option<String>,
    surname: Option<String>,
    display_name: Option<String>,
    mail: Option<String>,
    department: Option<String>,
    state: Option<String>,
    city: Option<String>,
    country: Option<String>,
    employee_id: Option<String>,
    telephone: Option<String>,
    hired: Option<String>,
    leaves: Option<String>,
    attribute1: Option<String>,
    attribute5: Option<String>,
    manager: Option<String>,
    deleted: bool,
}

/// Draws the same people whenever it is asked.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).expect("small")
    }

    /// One of them, or none.
    fn one(&mut self, of: &[&str]) -> Option<String> {
        let rolled = self.roll(of.len() + 1);
        of.get(rolled).map(|text| (*text).to_owned())
    }
}

fn people() -> Vec<Person> {
    let mut dice = Dice(7);
    (0..1000)
        .map(|number| {
            let given_name = dice.one(&[
                "Zoë",
                "María José",
                "Søren",
                "Łukasz",
                "Ana",
                "O'Neil",
                "李",
            ]);
            let surname = dice.one(&[
                "Müller",
                "de la Cruz",
                "Ångström",
                "Ruiz",
                "Smith-Jones",
                "Ünal",
            ]);
            let domain = ["contoso.com", "Contoso.com", "fabrikam.test"][dice.roll(3)];
            Person {
                user_principal_name: format!("User.{number}@{domain}"),
                display_name: dice.one(&["ana RUIZ", "zoë (second)", "smith-jones, bo", "x"]),
                mail: dice.one(&["ana@contoso.com", "Bo@Contoso.com"]),
                department: dice.one(&["Sales", "Board", "R & D"]),
                state: dice.one(&["NSW", "QLD", "SA", "qld", "WA"]),
                city: dice.one(&["Brisbane", "Sydney"]),
                country: dice.one(&["ES", "AU", "es"]),
                employee_id: (dice.roll(4) > 0).then(|| format!("{number:05}")),
                telephone: dice.one(&["+61 (7) 5555-0100", "07 5555 0100", "n/a"]),
                hired: dice.one(&["2021-03-16T00:00:00Z", "1999-12-31T23:59:59Z"]),
                leaves: dice.one(&["2030-01-01T00:00:00Z", "2012-01-01T23:00:00Z"]),
                attribute1: dice.one(&["AU-4711/9", "AU/0815-x", "none", "-a-b"]),
                attribute5: dice.one(&["One, Two", "One", "a,b , a"]),
                manager: dice.one(&["id-1", "id-2"]),
                deleted: dice.roll(5) == 0,
                given_name,
                surname,
            }
        })
        .collect()
}

/// What Entra sends of a person by its default mapping, and what the notes say has to be mapped besides.
fn sent(person: &Person) -> Resource {
    let mut work = json!({ "type": "work" });
    for (name, value) in [
        ("region", &person.state),
        ("locality", &person.city),
        ("country", &person.country),
    ] {
        if let Some(value) = value {
            work[name] = json!(value);
        }
    }
    let typed = |value: &Option<String>| match value {
        Some(value) => json!([{ "type": "work", "value": value }]),
        None => json!([]),
    };
    let mut body = json!({
        "userName": person.user_principal_name,
        "active": !person.deleted,
        "displayName": person.display_name,
        "name": { "givenName": person.given_name, "familyName": person.surname },
        "emails": typed(&person.mail),
        "phoneNumbers": typed(&person.telephone),
        "addresses": [work],
        ENTERPRISE: { "department": person.department, "employeeNumber": person.employee_id },
        EXTENSION: {
            "employeeHireDate": person.hired, "employeeLeaveDateTime": person.leaves,
            "extensionAttribute1": person.attribute1, "extensionAttribute5": person.attribute5,
        },
    });
    if let Some(manager) = &person.manager {
        body[ENTERPRISE]["manager"] = json!({ "value": manager });
    }
    let body = without_nulls(body);
    serde_json::from_value(body).expect("a resource")
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k, without_nulls(v)))
            .collect(),
        other => other,
    }
}

/// Plainly, flow by flow, as an administrator would read the schema.
fn plainly(person: &Person) -> Vec<(&'static str, Vec<Scalar>)> {
    let text = |text: &str| vec![Scalar::Text(text.to_owned())];
    let given = person.given_name.as_deref();
    let surname = person.surname.as_deref();
    let joined = |separator: &str, parts: [Option<&str>; 2]| {
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        parts.join(separator)
    };
    let upn = &person.user_principal_name;
    let mut object = vec![
        (
            "uid",
            text(&upn[..upn.find('@').expect("a domain")].to_lowercase()),
        ),
        ("cn", text(&joined(" ", [given, surname]))),
        ("sn", text(surname.unwrap_or("-"))),
        ("givenName", text(given.unwrap_or(""))),
        ("displayName", text(&joined(", ", [surname, given]))),
        ("mail", text(person.mail.as_deref().unwrap_or(upn))),
        ("enabled", vec![Scalar::Boolean(!person.deleted)]),
        (
            "department",
            text(person.department.as_deref().unwrap_or("")),
        ),
        (
            "employeeNumber",
            text(person.employee_id.as_deref().unwrap_or("")),
        ),
        ("userType", text("employee")),
        ("city", text(person.city.as_deref().unwrap_or(""))),
    ];
    let site = match person.state.as_deref() {
        Some("QLD") => "Australia/Brisbane",
        Some("SA") => "Australia/Adelaide",
        _ => "Australia/Sydney",
    };
    object.push(("site", text(site)));
    // Without a given name there is nothing to append to.
    let initials = given.map(|given| {
        let first = |name: &str| match name.chars().next() {
            Some('Ł') => "L".to_owned(),
            Some('Å') => "A".to_owned(),
            Some('Ü') => "U".to_owned(),
            Some(other) => other.to_uppercase().to_string(),
            None => String::new(),
        };
        format!("{}{}", first(given), surname.map(first).unwrap_or_default())
    });
    object.push(("initials", text(&initials.unwrap_or_default())));
    let phone: String = person
        .telephone
        .iter()
        .flat_map(|phone| phone.chars())
        .filter(|c| !"()- ".contains(*c))
        .collect();
    object.push(("phone", text(&phone)));
    let hired = match person.hired.as_deref() {
        Some("2021-03-16T00:00:00Z") => "16.03.2021",
        Some(_) => "31.12.1999",
        None => "",
    };
    object.push(("hired", text(hired)));
    let display = person.display_name.as_deref().unwrap_or("");
    let gecos = match (person.country.as_deref(), display) {
        (Some("ES"), "ana RUIZ") => "Ana Ruiz".to_owned(),
        (Some("ES"), "zoë (second)") => "Zoë (Second)".to_owned(),
        (Some("ES"), "smith-jones, bo") => "Smith-Jones, Bo".to_owned(),
        (Some("ES"), "x") => "X".to_owned(),
        _ => display.to_uppercase(),
    };
    object.push(("gecos", text(&gecos)));
    let expires = match person.leaves.as_deref() {
        Some("2012-01-01T23:00:00Z") => 129_699_324_000_000_000,
        Some(_) => 135_379_296_000_000_000,
        None => i64::MAX,
    };
    object.push(("expires", vec![Scalar::Integer(expires)]));
    let permissions: &[&str] = match person.attribute5.as_deref() {
        Some("One, Two") => &["One", "Two"],
        Some("One") => &["One"],
        Some(_) => &["a", "b"],
        None => &[],
    };
    let permissions = permissions
        .iter()
        .map(|text| Scalar::Text((*text).to_owned()));
    object.push(("permissions", permissions.collect()));
    let centre = match person.attribute1.as_deref() {
        Some("AU-4711/9") => "4711",
        Some("AU/0815-x") => "0815",
        Some("-a-b") => "b",
        _ => "",
    };
    object.push(("costCentre", text(centre)));
    let secretary = person
        .manager
        .as_deref()
        .map(|id| Scalar::Text(id.replace("id", "anchor")));
    object.push(("secretary", secretary.into_iter().collect()));
    object
}

fn in_scope(person: &Person) -> bool {
    let staff =
        person.employee_id.is_some() && person.department.as_deref().is_some_and(|d| d != "Board");
    let queensland = person.state.as_deref() == Some("QLD")
        && person.user_principal_name.contains("@contoso.com");
    staff || queensland
}

fn references() -> References {
    let mut references = References::new();
    references.link("user", "id-1", "anchor-1");
    references.link("user", "id-2", "anchor-2");
    references
}

fn schema() -> Schema {
    Schema::read(SCHEMA).unwrap_or_else(|error| panic!("{error}"))
}

/// How many of a thousand differ from the plain evaluation, and how the first of them does.
fn differing(mapping: &Mapping) -> Vec<String> {
    let mut differing = Vec::new();
    for person in people() {
        let object = mapping
            .to_new_object(&sent(&person), &references(), &Nowhere)
            .unwrap_or_else(|error| panic!("{}: {error}", person.user_principal_name));
        for (name, scalars) in plainly(&person) {
            let wanted: Vec<ObjectValue> = scalars
                .into_iter()
                .filter(|scalar| scalar.as_text() != Some(""))
                .map(ObjectValue::Simple)
                .collect();
            if object.get(name) != wanted.as_slice() {
                let shown = |values: &[ObjectValue]| serde_json::to_string(values).expect("JSON");
                differing.push(format!(
                    "{}: {name} is {}, not {}",
                    person.user_principal_name,
                    shown(object.get(name)),
                    shown(&wanted)
                ));
            }
        }
        assert!(object.get("nick").is_empty(), "the schema does not map it");
    }
    differing
}

#[test]
fn an_export_makes_the_same_of_a_thousand_people_as_a_plain_evaluation() {
    let brought =
        entra::bring(&schema(), "User", Some(&kind())).unwrap_or_else(|error| panic!("{error}"));
    let mapping =
        Mapping::new(&kind(), &brought.overrides).unwrap_or_else(|error| panic!("{error}"));
    let differing = differing(&mapping);
    assert!(
        differing.is_empty(),
        "{} differ, such as {:?}",
        differing.len(),
        differing.first()
    );

    let ty = mapping.resource_type();
    let mut inside = 0;
    for person in people() {
        let resource = sent(&person);
        let read = |name: &str| {
            let path = tombolo_scim::Path::parse(name).expect("a path");
            match tombolo_scim::path::get(ty, &resource, &path).first() {
                Some(Value::String(text)) => Found::text(text.as_str()),
                _ => Found::Null,
            }
        };
        let expected = in_scope(&person);
        assert_eq!(
            brought.scope.includes(&read),
            expected,
            "{}",
            person.user_principal_name
        );
        inside += usize::from(expected);
    }
    assert!(
        (100..900).contains(&inside),
        "{inside} of 1000 in scope prove nothing"
    );
}

#[test]
fn the_report_says_what_has_to_be_done_and_what_was_left_out() {
    let brought = entra::bring(&schema(), "User", Some(&kind())).expect("it is brought over");
    let of = |name: &str| {
        let note = brought
            .notes
            .iter()
            .find(|note| note.attribute.ends_with(name));
        note.unwrap_or_else(|| panic!("no note on {name}"))
    };
    assert_eq!(of(":badgePrinter").fate, Fate::Left);
    assert_eq!(of(":enabled").fate, Fate::Same);
    assert_eq!(of(":enabled").text, "a direct flow");
    assert_eq!(of(":hired").fate, Fate::Look);
    assert!(of(":hired").text.contains("map it to `urn:ietf:params:scim:schemas:extension:entra:2.0:User:employeeHireDate` in Entra"), "{}", of(":hired"));
    // The second flow that reads an attribute is an expression: one path flows to one attribute.
    assert_eq!(of(":cn").text, "an expression, which is only ever written");
    let mapping = Mapping::new(&kind(), &brought.overrides).expect("a mapping");
    assert_eq!(mapping.matching().len(), 2);
    assert!(mapping.maps_active());

    let group = entra::bring(&schema(), "Group", None).expect("it is brought over");
    assert_eq!(group.notes[1].text, "members go by the connector's own way");
    let error = entra::bring(&schema(), "Contact", None).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "it maps no `Contact`; it maps `User`, `Group`"
    );
}

#[test]
fn what_is_exported_is_brought_back_as_the_same() {
    let brought = entra::bring(&schema(), "User", Some(&kind())).expect("it is brought over");
    let mapping = Mapping::new(&kind(), &brought.overrides).expect("a mapping");
    let exported = export::export("payroll", &[(&mapping, &brought.scope)]);
    let text = serde_json::to_string_pretty(&exported).expect("JSON");
    let again = Schema::read(&text).expect("a schema");
    let again = entra::bring(&again, "User", Some(&kind())).expect("it is brought back");
    assert_eq!(again.scope.table(), brought.scope.table());
    let mapping = Mapping::new(&kind(), &again.overrides).unwrap_or_else(|error| panic!("{error}"));
    let differing = differing(&mapping);
    assert!(
        differing.is_empty(),
        "{} differ, such as {:?}",
        differing.len(),
        differing.first()
    );
}

/// Without the texts of its functions the schema still says what they are.
#[test]
fn an_export_without_the_texts_is_read_from_its_parts() {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if map.get("type").and_then(Value::as_str) == Some("Attribute") {
                    map.remove("expression");
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut json: Value = serde_json::from_str(SCHEMA).expect("JSON");
    strip(&mut json);
    let cn = json
        .pointer_mut("/synchronizationRules/0/objectMappings/0/attributeMappings/1/source")
        .expect("the flow to cn");
    cn.as_object_mut().expect("an object").remove("expression");
    let schema = Schema::read(&json.to_string()).expect("a schema");
    let brought = entra::bring(&schema, "User", Some(&kind())).expect("it is brought over");
    let cn = &brought.overrides.expressions["cn"].expression;
    assert_eq!(cn, r#"Join(" ", [name.givenName], [name.familyName])"#);
}

#[test]
fn what_is_no_schema_is_refused() {
    for (text, said) in [
        ("{", "this is no synchronization schema: EOF"),
        (
            "{}",
            "this is no synchronization schema: it has no `synchronizationRules`",
        ),
        ("[1]", "this is no synchronization schema: "),
    ] {
        let error = Schema::read(text).expect_err("it is none").to_string();
        assert!(error.starts_with(said), "{error}");
    }
}
