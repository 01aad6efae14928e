//! The connector against answers of real services, without a host.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde_json::{Value, json};
use tombolo_sdk::http::{HttpError, Request, Response, Service, Transport};
use tombolo_sdk::{
    Attribute, Attributes as _, Comparison, Connector as _, Edit, Failure, Fault, Members as _,
    Node, Query, Read as _, Scalar, Write as _,
};

use crate::Rest;
use crate::settings::Settings;

/// Answers in order, and keeps what it was asked.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Response>>,
    asked: RefCell<Vec<String>>,
}

impl Transport for Script {
    fn send(&self, request: &Request<'_>) -> Result<Response, HttpError> {
        let body = String::from_utf8_lossy(request.bytes()).trim().to_owned();
        self.asked.borrow_mut().push(
            format!("{} {} {body}", request.method(), request.path_and_query())
                .trim()
                .to_owned(),
        );
        self.answers
            .borrow_mut()
            .pop_front()
            .ok_or(HttpError::Timeout)
    }
}

fn answer(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    }
}

fn settings(example: &str) -> Value {
    let app: toml::Value = toml::from_str(example).expect("TOML");
    serde_json::to_value(&app["settings"]).expect("JSON")
}

fn rest(settings: &Value, answers: impl IntoIterator<Item = Response>) -> (Rest, Rc<Script>) {
    let script = Rc::new(Script::default());
    script.answers.borrow_mut().extend(answers);
    let settings = Settings::parse(&settings.to_string()).expect("settings");
    (
        Rest::new(settings, Service::over("api", script.clone())),
        script,
    )
}

fn redmine(answers: impl IntoIterator<Item = Response>) -> (Rest, Rc<Script>) {
    rest(&settings(include_str!("../examples/redmine.toml")), answers)
}

fn equal(name: &str, value: &str) -> Query {
    Query {
        filter: Some(vec![Node::Test((
            name.to_owned(),
            Comparison::Equal,
            Scalar::from(value),
        ))]),
        attributes: Vec::new(),
        cursor: None,
        limit: 10,
    }
}

fn all(cursor: Option<String>) -> Query {
    Query {
        filter: None,
        attributes: Vec::new(),
        cursor,
        limit: 2,
    }
}

const ANA: &str = r#"{"user":{"id":5,"login":"ana","admin":false,"firstname":"Ana","lastname":"Ruiz","mail":"ana@example.test","created_on":"2026-11-24T09:10:59Z","twofa_scheme":null,"api_key":"x","status":3}}"#;

#[test]
fn the_examples_are_described() {
    for example in [
        include_str!("../examples/redmine.toml"),
        include_str!("../examples/soap_hr.toml"),
    ] {
        let (rest, _) = rest(&settings(example), []);
        let description = rest.describe().expect("a description");
        assert_eq!(description.kinds.len(), 2);
        assert_eq!(description.kinds[1].members, ["user"]);
    }
}

#[test]
fn the_documented_example_is_the_one_that_is_tested() {
    let documented = include_str!("../../../docs/rest.md");
    assert!(documented.contains(include_str!("../examples/redmine.toml")));
}

#[test]
fn a_user_is_created_and_read_back() {
    let (rest, script) = redmine([answer(201, ANA), answer(200, ANA)]);
    let given = [
        Attribute::new("login", "ana"),
        Attribute::new("firstname", "\"A\" {{x}}"),
        Attribute::new("active", false),
    ];
    let entry = rest.create("user", &given, "r1").expect("created");
    assert_eq!(
        (entry.anchor.as_str(), entry.boolean("active")),
        ("5", Some(false))
    );
    let asked = script.asked.borrow();
    assert_eq!(
        asked[0],
        r#"POST /users.json {"user":{"firstname":"\"A\" {{x}}","generate_password":true,"login":"ana","status":3}}"#
    );
    assert_eq!(asked[1], "GET /users/5.json");
}

#[test]
fn what_redmine_refuses_is_blamed_on_its_attribute() {
    for (body, fault, attribute) in [
        (
            r#"{"errors":["Email has already been taken"]}"#,
            Fault::AlreadyExists,
            Some("mail"),
        ),
        (
            r#"{"errors":["First name cannot be blank"]}"#,
            Fault::Invalid,
            Some("firstname"),
        ),
    ] {
        let (rest, _) = redmine([answer(422, body)]);
        let failure = rest
            .create("user", &[Attribute::new("login", "ana")], "r")
            .expect_err("refused");
        assert_eq!(
            (failure.fault, failure.attribute.as_deref()),
            (fault, attribute)
        );
        assert_eq!(failure.target_code.as_deref(), Some("422"));
        assert!(
            failure
                .message
                .starts_with("POST /users.json: the service answered 422: "),
            "{}",
            failure.message
        );
    }
    let (rest, _) = redmine([answer(404, "")]);
    assert!(
        rest.get("user", "55", &[])
            .expect_err("gone")
            .is(Fault::NotFound)
    );
}

#[test]
fn an_update_says_only_what_changes_and_clears_with_null() {
    let (rest, script) = redmine([answer(204, ""), answer(200, ANA)]);
    rest.update(
        "user",
        "5",
        &[
            Edit::put("active", [true]),
            Edit::put("mail", Vec::<&str>::new()),
        ],
        None,
        "r",
    )
    .expect("changed");
    assert_eq!(
        script.asked.borrow()[0],
        r#"PUT /users/5.json {"user":{"mail":null,"status":1}}"#
    );
}

#[test]
fn listings_go_on_over_pages_and_states() {
    let page = |ids: &[u32], total: u32| {
        let users: Vec<Value> = ids
            .iter()
            .map(|id| json!({"id": id, "login": format!("u{id}")}))
            .collect();
        answer(
            200,
            &json!({"users": users, "total_count": total}).to_string(),
        )
    };
    let (rest, script) = redmine([page(&[1, 2], 3), page(&[3], 3), page(&[4], 1)]);
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = rest.search("user", &all(cursor)).expect("a page");
        seen.extend(
            page.entries
                .iter()
                .map(|e| (e.anchor.clone(), e.boolean("active"))),
        );
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected = [("1", true), ("2", true), ("3", true), ("4", false)]
        .map(|(id, active)| (id.to_owned(), Some(active)));
    assert_eq!(seen, expected);
    assert_eq!(
        *script.asked.borrow(),
        [
            "GET /users.json?limit=2&offset=0&status=1",
            "GET /users.json?limit=2&offset=2&status=1",
            "GET /users.json?limit=2&offset=0&status=3"
        ]
    );
}

#[test]
fn what_is_found_too_much_is_left_out() {
    let found =
        json!({"users": [{"id": 5, "login": "ana"}, {"id": 6, "login": "ana2"}], "total_count": 2})
            .to_string();
    let other = ANA
        .replace("\"id\":5", "\"id\":6")
        .replace("\"ana\"", "\"ana2\"");
    let (rest, script) = redmine([answer(200, &found), answer(200, ANA), answer(200, &other)]);
    let page = rest.search("user", &equal("login", "ANA")).expect("a page");
    assert_eq!(
        page.entries
            .iter()
            .map(|e| e.anchor.as_str())
            .collect::<Vec<_>>(),
        ["5"]
    );
    assert!(
        script.asked.borrow()[0].starts_with("GET /users.json?limit=10&name=ANA&offset=0&status=")
    );
    let failure = rest
        .search("user", &equal("firstname", "x"))
        .expect_err("no such find");
    assert!(failure.is(Fault::Unsupported));
}

#[test]
fn a_refused_member_is_looked_for() {
    let group = r#"{"group":{"id":6,"name":"Team","users":[{"id":5,"name":"Ana"}]}}"#;
    let refused = r#"{"errors":["User is invalid"]}"#;
    // Is in there already: good.
    let (rest, script) = redmine([answer(200, ANA), answer(422, refused), answer(200, group)]);
    rest.change_members("6", &["5".to_owned()], &[], "r")
        .expect("no change");
    assert_eq!(
        script.asked.borrow()[1],
        r#"POST /groups/6/users.json {"user_ids":["5"]}"#
    );
    // Nobody knows it: nothing is asked of the group.
    let (rest, script) = redmine([answer(404, "")]);
    let failure = rest
        .change_members("6", &["7".to_owned()], &[], "r")
        .expect_err("unknown");
    assert_eq!(
        (failure.fault, failure.attribute.as_deref()),
        (Fault::Invalid, Some("members"))
    );
    assert_eq!(script.asked.borrow().len(), 1);
    // Is not in there: removed.
    let (rest, _) = redmine([answer(404, ""), answer(200, group)]);
    rest.change_members("6", &[], &["9".to_owned()], "r")
        .expect("no change");
}

#[test]
fn after_the_effect_nothing_is_certain() {
    let (rest, _) = redmine([answer(201, ANA), answer(404, "")]);
    let failure = rest
        .create("user", &[Attribute::new("login", "ana")], "r")
        .expect_err("not read");
    assert!(failure.is(Fault::Unavailable), "{failure:?}");
    let (rest, _) = redmine([answer(201, "{\"user\":{\"id\":5,")]);
    let failure = rest
        .create("user", &[Attribute::new("login", "ana")], "r")
        .expect_err("cut");
    assert!(failure.is(Fault::Unavailable), "{failure:?}");
}

#[test]
fn a_soap_fault_and_a_soap_employee_are_understood() {
    let soap = settings(include_str!("../examples/soap_hr.toml"));
    let wrap = |inner: &str| {
        format!(
            "<?xml version='1.0'?><e:Envelope xmlns:e='urn:e'><e:Body>{inner}</e:Body></e:Envelope>"
        )
    };
    let fault = wrap(
        "<e:Fault><faultcode>Client.Duplicate</faultcode><faultstring>login is taken</faultstring></e:Fault>",
    );
    let (connector, script) = rest(&soap, [answer(500, &fault)]);
    let failure = connector
        .create("user", &[Attribute::new("login", "<&\"'>")], "r")
        .expect_err("taken");
    assert_eq!(
        (failure.fault, failure.attribute.as_deref()),
        (Fault::AlreadyExists, Some("login"))
    );
    assert!(script.asked.borrow()[0].contains("<login>&lt;&amp;&quot;&#39;&gt;</login>"));

    let employee = wrap(
        "<GetEmployeeResponse xmlns='urn:legacy:hr'><employee><id>1</id><login>ana</login><active>N</active><version>2</version><mail/></employee></GetEmployeeResponse>",
    );
    let updated = wrap("<UpdateEmployeeResponse xmlns='urn:legacy:hr'/>");
    let (connector, script) = rest(
        &soap,
        [
            answer(200, &employee),
            answer(200, &updated),
            answer(200, &employee),
        ],
    );
    let entry = connector
        .update("user", "1", &[Edit::put("last", ["Ruiz"])], Some("2"), "r")
        .expect("changed");
    assert_eq!(
        (
            entry.version.as_deref(),
            entry.boolean("active"),
            entry.text("mail")
        ),
        (Some("2"), Some(false), None)
    );
    let asked = script.asked.borrow();
    assert!(
        asked[1].contains("<id>1</id><login>ana</login><last>Ruiz</last>")
            && asked[1].contains("<active>N</active>"),
        "{}",
        asked[1]
    );

    let (connector, _) = rest(&soap, [answer(200, &employee)]);
    let failure = connector
        .update("user", "1", &[Edit::put("last", ["x"])], Some("1"), "r")
        .expect_err("old");
    assert!(failure.is(Fault::Changed));
}

fn small(more: &Value) -> Value {
    let mut kind = json!({
        "kind": "user", "id": "id", "attributes": [{"name": "name", "required": true, "unique": true}, {"name": "active", "type": "boolean"}, {"name": "tags", "multi": true}],
        "list": {"path": "/u", "items": "d", "paging": "next", "next": "links.next"},
        "get": {"path": "/u/{{ id }}"}, "delete": {"path": "/u/{{ id }}"},
    });
    for (name, value) in more.as_object().expect("an object") {
        kind[name] = value.clone();
    }
    json!({"check": {"path": "/"}, "kinds": [kind], "idempotency-header": "Idempotency-Key"})
}

#[test]
fn attributes_may_have_endpoints_of_their_own() {
    let own = small(&json!({
        "create": {"path": "/u", "location": true, "body": {"name": "{{ name }}"}},
        "update": {"path": "/u/{{ id }}", "method": "PATCH", "body": {"name": "{{ name }}"}},
        "changes": [
            {"attribute": "active", "value": false, "path": "/u/{{ id }}/stop"},
            {"attribute": "active", "value": true, "path": "/u/{{ id }}/start"},
            {"attribute": "tags", "on": "add", "path": "/u/{{ id }}/tags", "form": {"tag": "{{ value }}"}},
            {"attribute": "tags", "on": "remove", "path": "/u/{{ id }}/tags/{{ value }}"},
        ],
    }));
    let shown = r#"{"id":"a b","name":"n","tags":["x","y"],"active":true}"#;
    let mut created = answer(201, "");
    created.headers.push((
        "location".to_owned(),
        "https://x/u/a%20b.json?z=1".to_owned(),
    ));
    let (connector, script) = rest(&own, [created, answer(204, ""), answer(200, shown)]);
    connector
        .create(
            "user",
            &[Attribute::new("name", "n"), Attribute::new("active", false)],
            "r",
        )
        .expect("created");
    assert_eq!(
        *script.asked.borrow(),
        [
            "POST /u {\"name\":\"n\"}",
            "POST /u/a%20b/stop",
            "GET /u/a%20b"
        ]
    );

    let (connector, script) = rest(
        &own,
        [
            answer(200, shown),
            answer(204, ""),
            answer(204, ""),
            answer(200, shown),
        ],
    );
    connector
        .update("user", "7", &[Edit::put("tags", ["y", "a&b"])], None, "r")
        .expect("changed");
    assert_eq!(
        *script.asked.borrow(),
        [
            "GET /u/7",
            "POST /u/7/tags tag=a%26b",
            "DELETE /u/7/tags/x",
            "GET /u/7"
        ]
    );

    // The second step is refused: what the first one made is taken back.
    let mut created = answer(201, "");
    created
        .headers
        .push(("Location".to_owned(), "/u/9".to_owned()));
    let (connector, script) = rest(&own, [created, answer(400, "no"), answer(204, "")]);
    let failure = connector
        .create("user", &[Attribute::new("active", false)], "r")
        .expect_err("refused");
    assert!(failure.is(Fault::Invalid), "{failure:?}");
    assert_eq!(script.asked.borrow()[2], "DELETE /u/9");
}

#[test]
fn the_whole_object_is_said_with_what_else_there_is() {
    let own = small(
        &json!({"update": {"path": "/u/{{ id }}", "keep": true, "body": {"name": "{{ name }}"}}}),
    );
    let shown = r#"{"id":"7","name":"n","odd":"{{ name }}"}"#;
    let (connector, script) = rest(
        &own,
        [answer(200, shown), answer(200, ""), answer(200, shown)],
    );
    connector
        .update("user", "7", &[Edit::put("name", ["m"])], None, "r")
        .expect("changed");
    assert_eq!(
        script.asked.borrow()[1],
        r#"PUT /u/7 {"name":"m","id":"7","odd":"{{ name }}"}"#
    );
}

#[test]
fn links_are_followed_and_cut_to_the_page_that_is_asked_for() {
    let own = small(&json!({}));
    let first = r#"{"d":[{"id":1},{"id":2},{"id":3}],"links":{"next":"/u?after=3"}}"#;
    let second = r#"{"d":{"id":4},"links":{"next":null}}"#;
    let (connector, script) = rest(
        &own,
        [answer(200, first), answer(200, first), answer(200, second)],
    );
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = connector.search("user", &all(cursor)).expect("a page");
        assert!(page.entries.len() <= 2);
        seen.extend(page.entries.into_iter().map(|e| e.anchor));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["1", "2", "3", "4"]);
    assert_eq!(
        *script.asked.borrow(),
        ["GET /u", "GET /u", "GET /u?after=3"]
    );
}

#[test]
fn patience_and_hidden_errors_are_understood() {
    let mut own = small(&json!({}));
    own["errors"] = json!([
        {"status": 420, "fault": "busy", "retry-after-header": "X-Reset-In"},
        {"path": "error", "fault": "invalid"},
    ]);
    let mut busy = answer(420, "");
    busy.headers.push(("x-reset-in".to_owned(), "3".to_owned()));
    let (connector, _) = rest(&own, [busy, answer(200, r#"{"error":{"message":"x"}}"#)]);
    let failure = connector.get("user", "1", &[]).expect_err("busy");
    assert_eq!(
        (failure.fault, failure.retry_after_ms),
        (Fault::Busy, Some(3000))
    );
    assert!(
        connector
            .get("user", "1", &[])
            .expect_err("an error in 200")
            .is(Fault::Invalid)
    );
}

#[test]
fn settings_that_cannot_be_meant_are_refused_with_their_place() {
    let wrong = |more: Value| -> Failure {
        let (connector, _) = rest(&small(&more), []);
        connector.describe().expect_err("wrong settings")
    };
    let says = |failure: &Failure, words: &str| {
        assert!(failure.message.contains(words), "{}", failure.message);
    };
    says(
        &wrong(json!({"get": {"path": "/u/{{ nmae }}"}})),
        "kinds.user.get.path: `/u/{{ nmae }}`: there is no attribute `nmae`",
    );
    says(
        &wrong(json!({"get": {"path": "/u/{{ id"}})),
        "kinds.user.get.path",
    );
    says(
        &wrong(json!({"create": {"path": "/u"}})),
        "kinds.user.create: say where the new object's key is",
    );
    says(
        &wrong(json!({"changes": [{"attribute": "x", "path": "/"}]})),
        "kinds.user.changes: there is no attribute `x`",
    );
    says(
        &wrong(json!({"get": {"path": "/", "xml": "", "body": {}}})),
        "only one of",
    );
}
