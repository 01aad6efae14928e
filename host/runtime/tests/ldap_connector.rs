//! The LDAP connector, as it ships, against a real OpenLDAP over ldaps: what is asked for is what `ldapsearch` shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tombolo_runtime::contract::{
    Attribute, Change, Comparison, Edit, EditKind, Entry, Fault, Node, Query, Scalar, Value,
};
use tombolo_runtime::{
    AppSpec, Call, CallError, Connector, LdapBind, LdapTarget, Limits, Options, Referrals, Reuse,
    Runtime, Target, state,
};

#[path = "support/slapd.rs"]
mod slapd;
use slapd::{ADMIN, PASSWORD, Settings, Slapd};

const PEOPLE: &str = "ou=people,dc=example,dc=test";
const GROUPS: &str = "ou=groups,dc=example,dc=test";

/// Names that break what is not escaped.
const HOSTILE: [&str; 12] = [
    r#",+"\<>;#="#,
    " leading",
    "trailing ",
    "#hash",
    "a=b,ou=c+d=e",
    "Žofie Ångström-李",
    "back\\slash\\",
    "\\20\\2c",
    "\"quoted\"",
    "star*(paren)",
    "semi;colon",
    "two  blanks",
];

/// The connector, built as it ships.
static WASM: LazyLock<PathBuf> =
    LazyLock::new(|| tombolo_tests::build::connector("ldap").expect("the connector builds"));

struct App {
    connector: Connector,
    server: Slapd,
}

impl App {
    async fn start(server: Settings, settings: Json) -> Self {
        let server = Slapd::start(server);
        let connector = bind(&server, PASSWORD, settings).await;
        Self { connector, server }
    }

    async fn create(&self, kind: &str, attributes: &[(&str, Value)]) -> Result<Entry, CallError> {
        let attributes: Vec<Attribute> = attributes
            .iter()
            .map(|(name, value)| attribute(name, value.clone()))
            .collect();
        self.connector
            .create(&call(), kind, &attributes, "request-1")
            .await
    }

    async fn user(&self, uid: &str) -> Entry {
        self.create("user", &[("uid", text(uid))]).await.unwrap()
    }

    async fn group(&self, cn: &str) -> Entry {
        self.create("group", &[("cn", text(cn))]).await.unwrap()
    }

    async fn put(
        &self,
        kind: &str,
        entry: &Entry,
        values: &[(&str, Option<Value>)],
    ) -> Result<Entry, CallError> {
        let edits: Vec<Edit> = values
            .iter()
            .map(|(name, value)| Edit {
                kind: EditKind::Put,
                attribute: Attribute {
                    name: (*name).to_owned(),
                    values: value.clone().into_iter().collect(),
                },
            })
            .collect();
        self.connector
            .update(&call(), kind, &entry.anchor, &edits, None, "request-1")
            .await
    }

    async fn find(&self, kind: &str, filter: Vec<Node>) -> Vec<Entry> {
        let query = Query {
            filter: Some(filter),
            attributes: vec![],
            cursor: None,
            limit: 100,
        };
        self.connector
            .search(&call(), kind, query)
            .await
            .unwrap()
            .entries
    }

    async fn members(&self, group: &Entry) -> Vec<String> {
        let mut members = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self
                .connector
                .list_members(&call(), &group.anchor, cursor.as_deref(), 3)
                .await
                .unwrap();
            members.extend(page.members);
            cursor = page.cursor;
            if cursor.is_none() {
                members.sort();
                return members;
            }
        }
    }

    async fn change(
        &self,
        group: &Entry,
        add: &[&Entry],
        remove: &[&Entry],
    ) -> Result<(), CallError> {
        let anchors = |entries: &[&Entry]| {
            entries
                .iter()
                .map(|entry| entry.anchor.clone())
                .collect::<Vec<_>>()
        };
        self.connector
            .change_members(
                &call(),
                &group.anchor,
                &anchors(add),
                &anchors(remove),
                "request-1",
            )
            .await
    }

    /// The values that the server itself shows for an anchor.
    fn shown(&self, anchor: &str, attribute: &str) -> Vec<String> {
        let ldif = self.server.search(
            "dc=example,dc=test",
            &format!("(entryUUID={anchor})"),
            &[attribute],
        );
        // `name: text`, `name:: base64`, or `name:` for an empty value (RFC 2849).
        let mut values: Vec<String> = ldif
            .lines()
            .filter_map(|line| line.strip_prefix(attribute)?.strip_prefix(':'))
            .map(|value| match value.strip_prefix(": ") {
                Some(coded) => decoded(coded),
                None => value.strip_prefix(' ').unwrap_or(value).to_owned(),
            })
            .collect();
        values.sort();
        values
    }
}

async fn bind(server: &Slapd, password: &str, settings: Json) -> Connector {
    let runtime = Runtime::new(Options {
        cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
        ..Options::default()
    })
    .unwrap();
    let component = runtime
        .load("ldap", std::fs::read(&*WASM).unwrap())
        .await
        .unwrap();
    runtime
        .bind(&component, spec(server, password, settings))
        .await
        .unwrap()
}

fn spec(server: &Slapd, password: &str, settings: Json) -> AppSpec {
    let target = Target::Ldap(LdapTarget {
        url: server.ldaps(),
        start_tls: false,
        ca: Some(server.ca()),
        identity: None,
        bind: LdapBind::Simple {
            dn: ADMIN.to_owned(),
            password: password.to_owned().into(),
        },
        referrals: Referrals::Ignore,
        pool_size: 4,
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(10),
    });
    AppSpec {
        app: "directory".to_owned(),
        settings,
        targets: BTreeMap::from([("directory".to_owned(), target)]),
        secrets: BTreeMap::new(),
        directories: Vec::new(),
        state: Arc::new(state::Memory::default()),
        limits: Limits::default(),
        reuse: Reuse::Auto,
    }
}

fn settings() -> Json {
    json!({ "base": "dc=example,dc=test" })
}

fn ruled() -> Json {
    json!({
        "base": "dc=example,dc=test",
        "users": { "disable": { "attribute": "pwdAccountLockedTime", "disabled": "000001010000Z" } },
    })
}

fn call() -> Call {
    Call {
        request_id: "request-1".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
    }
}

fn text(value: &str) -> Value {
    Value::Simple(Scalar::Text(value.to_owned()))
}

fn flag(value: bool) -> Value {
    Value::Simple(Scalar::Boolean(value))
}

fn attribute(name: &str, value: Value) -> Attribute {
    Attribute {
        name: name.to_owned(),
        values: vec![value],
    }
}

fn held<'e>(entry: &'e Entry, name: &str) -> Option<&'e Value> {
    entry
        .attributes
        .iter()
        .find(|a| a.name == name)
        .and_then(|a| a.values.first())
}

fn equal(name: &str, value: &str) -> Node {
    Node::Test((
        name.to_owned(),
        Comparison::Equal,
        Scalar::Text(value.to_owned()),
    ))
}

fn fault<T: std::fmt::Debug>(result: Result<T, CallError>) -> Fault {
    match result.unwrap_err() {
        CallError::Failure(failure) => failure.fault,
        other => panic!("{other}"),
    }
}

fn decoded(base64: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = base64
        .bytes()
        .filter_map(|byte| ALPHABET.iter().position(|known| *known == byte))
        .map(|position| u32::try_from(position).unwrap())
        .collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let bits = four
            .iter()
            .enumerate()
            .fold(0, |bits, (at, digit)| bits | digit << (18 - 6 * at));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_are_created_found_renamed_and_deleted_exactly_as_asked_for() {
    let app = App::start(Settings::default(), settings()).await;
    app.connector.check(&call()).await.unwrap();
    for (number, name) in HOSTILE.iter().enumerate() {
        let group = app.group(name).await;
        assert_eq!(app.shown(&group.anchor, "cn"), [*name]);
        let user = app
            .create(
                "user",
                &[
                    ("uid", text(name)),
                    ("cn", text(name)),
                    ("sn", text(name)),
                    ("title", text(name)),
                ],
            )
            .await
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
        for attribute in ["uid", "cn", "sn", "title"] {
            assert_eq!(app.shown(&user.anchor, attribute), [*name], "{attribute}");
            assert_eq!(held(&user, attribute), Some(&text(name)));
        }
        let found = app.find("user", vec![equal("uid", name)]).await;
        assert_eq!(
            found,
            std::slice::from_ref(&user),
            "{name:?} is found by its name"
        );
        assert_eq!(
            fault(app.create("user", &[("uid", text(name))]).await),
            Fault::AlreadyExists,
            "{name:?}"
        );

        app.change(&group, &[&user], &[]).await.unwrap();
        assert_eq!(
            app.members(&group).await,
            std::slice::from_ref(&user.anchor),
            "{name:?}"
        );

        let other = format!("{name}{number}");
        let renamed = app
            .put(
                "user",
                &user,
                &[("uid", Some(text(&other))), ("title", None)],
            )
            .await
            .unwrap();
        assert_eq!(renamed.anchor, user.anchor);
        assert_eq!(app.shown(&user.anchor, "uid"), [other.as_str()]);
        assert_eq!(app.shown(&user.anchor, "cn"), [*name]);
        assert!(app.shown(&user.anchor, "title").is_empty());
        assert_eq!(
            app.members(&group).await,
            std::slice::from_ref(&user.anchor),
            "{name:?} is still a member"
        );
        let back = app
            .put("user", &user, &[("uid", Some(text(name)))])
            .await
            .unwrap();
        assert_eq!(held(&back, "uid"), Some(&text(name)));
        assert_eq!(app.shown(&user.anchor, "uid"), [*name], "renamed back");

        let regrouped = app
            .put("group", &group, &[("cn", Some(text(&other)))])
            .await
            .unwrap();
        assert_eq!(app.shown(&regrouped.anchor, "cn"), [other.as_str()]);
        app.connector
            .delete(&call(), "user", &user.anchor, "request-1")
            .await
            .unwrap();
        assert!(
            app.members(&group).await.is_empty(),
            "{name:?} leaves nothing behind"
        );
        assert_eq!(
            app.shown(&group.anchor, "member"),
            [""],
            "{name:?}: the placeholder"
        );
        let gone = app.connector.get(&call(), "user", &user.anchor, &[]).await;
        assert_eq!(fault(gone), Fault::NotFound);
        assert_eq!(
            fault(
                app.connector
                    .delete(&call(), "user", &user.anchor, "request-1")
                    .await
            ),
            Fault::NotFound
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attribute_of_a_person_is_written_and_read_back() {
    let app = App::start(Settings::default(), settings()).await;
    let boss = app.user("boss").await;
    let attributes = [
        ("uid", "ana"),
        ("cn", "Ana Ruiz"),
        ("sn", "Ruiz"),
        ("givenName", "Ana"),
        ("mail", "ana@example.org"),
        ("employeeNumber", "10042"),
        ("departmentNumber", "Sales"),
        ("title", "Lead"),
        ("telephoneNumber", "+49 30 123"),
        ("mobile", "555-0100"),
        ("postalAddress", "1 Road\nTown $5"),
        ("street", "1 Road"),
        ("l", "Town"),
        ("st", "State"),
        ("postalCode", "10001"),
        ("preferredLanguage", "es-ES"),
        ("o", "Example"),
        ("manager", boss.anchor.as_str()),
    ];
    let values: Vec<(&str, Value)> = attributes
        .iter()
        .map(|(name, value)| (*name, text(value)))
        .collect();
    let ana = app.create("user", &values).await.unwrap();
    for (name, value) in &values {
        assert_eq!(held(&ana, name), Some(value), "{name}");
    }
    assert_eq!(
        app.shown(&ana.anchor, "manager"),
        [format!("uid=boss,{PEOPLE}")]
    );
    assert_eq!(
        app.shown(&ana.anchor, "postalAddress"),
        ["1 Road$Town \\245"]
    );

    // The same again changes nothing: not even the change sequence number moves.
    let puts: Vec<(&str, Option<Value>)> = values
        .iter()
        .map(|(name, value)| (*name, Some(value.clone())))
        .collect();
    let again = app.put("user", &ana, &puts).await.unwrap();
    assert_eq!(again, ana);
    assert!(ana.version.is_some());

    let found = app
        .find(
            "user",
            vec![
                equal("manager", &boss.anchor),
                equal("uid", "ANA"),
                Node::All(vec![0, 1]),
            ],
        )
        .await;
    assert_eq!(found, std::slice::from_ref(&ana));
    let renamed = app
        .put("user", &boss, &[("uid", Some(text("chief")))])
        .await
        .unwrap();
    assert_eq!(
        app.shown(&ana.anchor, "manager"),
        [format!("uid=chief,{PEOPLE}")],
        "the reference follows"
    );
    app.connector
        .delete(&call(), "user", &renamed.anchor, "request-1")
        .await
        .unwrap();
    assert!(app.shown(&ana.anchor, "manager").is_empty());

    // cn and sn are the schema's: cleared, they are made of what is left.
    let cleared = app
        .put(
            "user",
            &ana,
            &[("cn", None), ("sn", None), ("mail", Some(text("")))],
        )
        .await
        .unwrap();
    assert_eq!(held(&cleared, "cn"), Some(&text("Ana")));
    assert_eq!(held(&cleared, "sn"), Some(&text("Ana")));
    assert_eq!(held(&cleared, "mail"), None);

    let stale = app
        .connector
        .update(
            &call(),
            "user",
            &ana.anchor,
            &[],
            ana.version.as_deref(),
            "request-1",
        )
        .await;
    assert_eq!(fault(stale), Fault::Changed);
    let partial = app
        .connector
        .get(&call(), "user", &ana.anchor, &["uid".to_owned()])
        .await
        .unwrap();
    assert_eq!(partial.attributes, [attribute("uid", text("ana"))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_that_changes_only_case_is_a_rename() {
    let app = App::start(Settings::default(), settings()).await;
    let user = app.user("Ana").await;
    let renamed = app
        .put("user", &user, &[("uid", Some(text("ana")))])
        .await
        .unwrap();
    assert_eq!(held(&renamed, "uid"), Some(&text("ana")));
    assert_eq!(app.shown(&user.anchor, "uid"), ["ana"]);
    app.user("bob").await;
    assert_eq!(
        fault(app.put("user", &user, &[("uid", Some(text("bob")))]).await),
        Fault::AlreadyExists
    );
    assert_eq!(
        fault(app.put("user", &user, &[("uid", None)]).await),
        Fault::Invalid
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_follows_the_rule_and_the_disabled_are_still_found() {
    let app = App::start(Settings::default(), ruled()).await;
    let ana = app.user("ana").await;
    assert_eq!(held(&ana, "active"), Some(&flag(true)));
    let disabled = app
        .put("user", &ana, &[("active", Some(flag(false)))])
        .await
        .unwrap();
    assert_eq!(held(&disabled, "active"), Some(&flag(false)));
    assert_eq!(
        app.shown(&ana.anchor, "pwdAccountLockedTime"),
        ["000001010000Z"]
    );
    let bob = app
        .create("user", &[("uid", text("bob")), ("active", flag(false))])
        .await
        .unwrap();
    assert_eq!(held(&bob, "active"), Some(&flag(false)));

    let active = |value| {
        vec![Node::Test((
            "active".to_owned(),
            Comparison::Equal,
            Scalar::Boolean(value),
        ))]
    };
    assert_eq!(app.find("user", active(false)).await.len(), 2);
    assert_eq!(app.find("user", active(true)).await.len(), 0);
    assert_eq!(app.find("user", vec![equal("uid", "ana")]).await.len(), 1);
    let enabled = app
        .put("user", &ana, &[("active", Some(flag(true)))])
        .await
        .unwrap();
    assert_eq!(held(&enabled, "active"), Some(&flag(true)));
    assert!(app.shown(&ana.anchor, "pwdAccountLockedTime").is_empty());
}

async fn members_come_and_go(app: &App) {
    let mut users = Vec::new();
    for number in 0..8 {
        users.push(app.user(&format!("u{number}")).await);
    }
    let group = app.group("staff").await;
    assert!(
        app.members(&group).await.is_empty(),
        "a placeholder is nobody"
    );
    let all: Vec<&Entry> = users.iter().collect();
    app.change(&group, &all[..5], &[]).await.unwrap();
    assert_eq!(app.members(&group).await.len(), 5);
    // Once more, with one who is new and one who is not in.
    app.change(&group, &all[3..6], &all[6..7]).await.unwrap();
    assert_eq!(app.members(&group).await.len(), 6);
    app.change(&group, &all[7..8], &all[..1]).await.unwrap();
    let mut expected: Vec<String> = users[1..6]
        .iter()
        .chain(&users[7..])
        .map(|user| user.anchor.clone())
        .collect();
    expected.sort();
    assert_eq!(app.members(&group).await, expected);
    app.change(&group, &[], &all).await.unwrap();
    assert!(app.members(&group).await.is_empty());
    app.change(&group, &[], &all).await.unwrap();
    app.change(&group, &all[..1], &[]).await.unwrap();
    assert_eq!(app.members(&group).await, [users[0].anchor.clone()]);

    let nobody = "11111111-2222-4333-8444-555555555555".to_owned();
    let unknown = app
        .connector
        .change_members(
            &call(),
            &group.anchor,
            std::slice::from_ref(&nobody),
            &[],
            "r",
        )
        .await;
    assert_eq!(fault(unknown), Fault::Invalid);
    app.connector
        .change_members(&call(), &group.anchor, &[], &[nobody], "r")
        .await
        .unwrap();

    let renamed = app
        .put("user", &users[0], &[("uid", Some(text("renamed, #0")))])
        .await
        .unwrap();
    assert_eq!(
        app.members(&group).await,
        std::slice::from_ref(&renamed.anchor)
    );
    app.connector
        .delete(&call(), "user", &renamed.anchor, "request-1")
        .await
        .unwrap();
    assert!(app.members(&group).await.is_empty());
    app.connector
        .delete(&call(), "group", &group.anchor, "request-1")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_without_overlays() {
    let app = App::start(Settings::default(), settings()).await;
    members_come_and_go(&app).await;
    let (inner, outer) = (app.group("inner").await, app.group("outer").await);
    app.change(&outer, &[&inner], &[]).await.unwrap();
    assert_eq!(
        app.members(&outer).await,
        [inner.anchor],
        "a group in a group"
    );
    assert_eq!(
        app.shown(&outer.anchor, "member"),
        [format!("cn=inner,{GROUPS}")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_with_memberof_and_refint() {
    let app = App::start(
        Settings {
            memberof: true,
            ..Settings::default()
        },
        settings(),
    )
    .await;
    members_come_and_go(&app).await;
    let (user, group) = (app.user("ana").await, app.group("team").await);
    app.change(&group, &[&user], &[]).await.unwrap();
    assert_eq!(
        app.shown(&user.anchor, "memberOf"),
        [format!("cn=team,{GROUPS}")]
    );
    app.put("user", &user, &[("uid", Some(text("anna")))])
        .await
        .unwrap();
    assert_eq!(
        app.shown(&group.anchor, "member"),
        [format!("uid=anna,{PEOPLE}")]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_in_unique_names_and_posix_groups() {
    for groups in [
        json!({ "object-classes": ["groupOfUniqueNames"] }),
        json!({ "object-classes": ["posixGroup"], "defaults": { "gidNumber": "5000" } }),
    ] {
        let settings = json!({ "base": "dc=example,dc=test", "groups": groups });
        members_come_and_go(&App::start(Settings::default(), settings).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_is_changed_in_portions() {
    let app = App::start(
        Settings {
            memberof: true,
            ..Settings::default()
        },
        settings(),
    )
    .await;
    let mut ldif = String::new();
    for number in 0..1200 {
        use std::fmt::Write as _;
        let _ = write!(
            ldif,
            "dn: uid=m{number},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: m{number}\ncn: m\nsn: m\n\n"
        );
    }
    app.server.add(&ldif);
    let (mut users, mut cursor) = (Vec::new(), None);
    loop {
        let query = Query {
            filter: None,
            attributes: vec!["uid".to_owned()],
            cursor,
            limit: 500,
        };
        let page = app.connector.search(&call(), "user", query).await.unwrap();
        users.extend(page.entries);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(users.len(), 1200);
    let group = app.group("everybody").await;
    let all: Vec<&Entry> = users.iter().collect();
    app.change(&group, &all, &[]).await.unwrap();
    let page = app
        .connector
        .list_members(&call(), &group.anchor, None, 10_000)
        .await
        .unwrap();
    assert_eq!(page.members.len(), 500);
    assert!(page.cursor.is_some());
    assert_eq!(app.shown(&group.anchor, "member").len(), 1200);
    app.change(&group, &[], &all).await.unwrap();
    assert_eq!(app.shown(&group.anchor, "member"), [""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_with_its_fault_and_without_the_password() {
    let mut app = App::start(Settings::default(), settings()).await;
    app.create(
        "user",
        &[("uid", text("ana")), ("employeeNumber", text("1"))],
    )
    .await
    .unwrap();
    let taken = app
        .create(
            "user",
            &[("uid", text("bob")), ("employeeNumber", text("1"))],
        )
        .await
        .unwrap_err();
    let CallError::Failure(taken) = taken else {
        panic!("{taken}")
    };
    assert_eq!(
        (taken.fault, taken.target_code.as_deref()),
        (Fault::AlreadyExists, Some("19")),
        "{}",
        taken.message
    );

    let unwritable = [("uid", text("eve")), ("mail", text("é@x"))];
    let CallError::Failure(invalid) = app.create("user", &unwritable).await.unwrap_err() else {
        panic!("a failure")
    };
    assert_eq!(
        (invalid.fault, invalid.attribute.as_deref()),
        (Fault::Invalid, Some("mail")),
        "{}",
        invalid.message
    );
    assert_eq!(
        fault(
            app.create("user", &[("uid", text("eve")), ("salary", text("1"))])
                .await
        ),
        Fault::Invalid
    );
    assert_eq!(fault(app.create("device", &[]).await), Fault::Unsupported);

    let wrong = bind(&app.server, "wrong-hush-word", settings()).await;
    let CallError::Failure(refused) = wrong.check(&call()).await.unwrap_err() else {
        panic!("a failure")
    };
    assert_eq!(
        (refused.fault, refused.target_code.as_deref()),
        (Fault::Unauthenticated, Some("49"))
    );
    assert!(
        !format!("{refused:?}").contains("hush") && refused.message.contains("bind-dn"),
        "{}",
        refused.message
    );

    let elsewhere = bind(
        &app.server,
        PASSWORD,
        json!({ "base": "ou=nowhere,dc=example,dc=test" }),
    )
    .await;
    let CallError::Failure(missing) = elsewhere.check(&call()).await.unwrap_err() else {
        panic!("a failure")
    };
    assert_eq!(missing.fault, Fault::Other);
    assert!(
        missing.message.contains("ou=people,ou=nowhere"),
        "{}",
        missing.message
    );

    app.server.restart();
    assert_eq!(
        app.find("user", vec![equal("uid", "ana")]).await.len(),
        1,
        "a restart is healed"
    );
    app.server.stop();
    assert_eq!(
        fault(app.connector.check(&call()).await),
        Fault::Unavailable
    );
}

#[tokio::test]
async fn a_password_signs_in_and_must_be_changed_where_that_is_asked() {
    let app = App::start(Settings::default(), settings()).await;
    let user = app.user("ana").await;
    let dn = format!("uid=ana,{PEOPLE}");
    for (password, must_change) in [("f1rst-password", false), ("s3cond \"password\" €", true)] {
        app.connector
            .set_password(
                &call(),
                &user.anchor,
                password.to_owned().into(),
                must_change,
            )
            .await
            .unwrap();
        assert!(app.server.accepts(&dn, password), "{password}");
    }
    assert_eq!(app.shown(&user.anchor, "pwdReset"), ["TRUE"]);
    let nobody = app
        .connector
        .set_password(&call(), "no-such-anchor", "x".to_owned().into(), false)
        .await;
    assert_eq!(fault(nobody), Fault::NotFound);
}

#[tokio::test]
async fn what_changed_and_what_is_gone_is_told_after_a_token() {
    let remembers = Settings {
        sync: Some(100),
        ..Settings::default()
    };
    let app = App::start(remembers, settings()).await;
    let (kept, doomed) = (app.user("kept").await, app.user("doomed").await);
    let since = async |token: Option<&str>| app.connector.since(&call(), "user", token, 10).await;
    let start = since(None).await.unwrap();
    assert!(start.changes.is_empty() && !start.more);
    app.put("user", &kept, &[("title", Some(text("Boss")))])
        .await
        .unwrap();
    app.connector
        .delete(&call(), "user", &doomed.anchor, "request-2")
        .await
        .unwrap();
    let told = since(Some(&start.token)).await.unwrap();
    assert!(!told.more && told.changes.len() == 2, "{told:?}");
    for change in told.changes {
        match change {
            Change::Changed(entry) => {
                assert_eq!(entry.anchor, kept.anchor);
                assert!(entry.attributes.contains(&attribute("title", text("Boss"))));
            }
            Change::Gone(anchor) => assert_eq!(anchor, doomed.anchor),
        }
    }
    assert_eq!(fault(since(Some("c0ffee")).await), Fault::Invalid);

    let forgets = App::start(Settings::default(), settings()).await;
    let refused = forgets.connector.since(&call(), "user", None, 10).await;
    assert_eq!(fault(refused), Fault::Unsupported);
}
