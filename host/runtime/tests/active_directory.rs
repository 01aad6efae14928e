//! The connector for Active Directory, as it ships, against a real domain controller (Samba) over ldaps: what is asked
//! for is what `ldapsearch` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tombolo_runtime::contract::{
    Attribute, Change, Edit, EditKind, Entry, Fault, Query, Scalar, Value,
};
use tombolo_runtime::{
    AppSpec, Call, CallError, Connector, LdapBind, LdapTarget, Limits, Options, Referrals, Reuse,
    Runtime, Target, state,
};
use tombolo_tests::samba::{BASE, BIND_DN, PASSWORD, Samba, UNIT};

/// The connector, built as it ships.
static WASM: LazyLock<PathBuf> = LazyLock::new(|| {
    tombolo_tests::build::connector("active-directory").expect("the connector builds")
});

struct App {
    connector: Connector,
    samba: Arc<Samba>,
}

impl App {
    async fn start(settings: Json) -> Self {
        Self::on(Arc::new(Samba::start().expect("a domain")), settings).await
    }

    async fn on(samba: Arc<Samba>, settings: Json) -> Self {
        let runtime = Runtime::new(Options {
            cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
            ..Options::default()
        })
        .unwrap();
        let component = runtime
            .load("active-directory", std::fs::read(&*WASM).unwrap())
            .await
            .unwrap();
        let target = Target::Ldap(LdapTarget {
            url: samba.ldaps(),
            start_tls: false,
            ca: Some(std::fs::read(samba.ca()).expect("an authority")),
            identity: None,
            bind: LdapBind::Simple {
                dn: BIND_DN.to_owned(),
                password: PASSWORD.to_owned().into(),
            },
            referrals: Referrals::Ignore,
            pool_size: 4,
            connect_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(60),
        });
        let spec = AppSpec {
            app: "directory".to_owned(),
            settings,
            targets: BTreeMap::from([("directory".to_owned(), target)]),
            secrets: BTreeMap::new(),
            directories: Vec::new(),
            state: Arc::new(state::Memory::default()),
            limits: Limits::default(),
            reuse: Reuse::Auto,
        };
        let connector = runtime.bind(&component, spec).await.unwrap();
        Self { connector, samba }
    }

    async fn create(&self, kind: &str, attributes: &[(&str, &str)]) -> Result<Entry, CallError> {
        let attributes: Vec<Attribute> = attributes
            .iter()
            .map(|(name, value)| attribute(name, text(value)))
            .collect();
        self.connector
            .create(&call(), kind, &attributes, "request-1")
            .await
    }

    async fn put(
        &self,
        kind: &str,
        entry: &Entry,
        name: &str,
        value: Option<Value>,
    ) -> Result<Entry, CallError> {
        let edits = [Edit {
            kind: EditKind::Put,
            attribute: Attribute {
                name: name.to_owned(),
                values: value.into_iter().collect(),
            },
        }];
        self.connector
            .update(&call(), kind, &entry.anchor, &edits, None, "request-1")
            .await
    }

    async fn since(&self, kind: &str, token: Option<&str>) -> (Vec<Change>, String) {
        let (mut all, mut token) = (Vec::new(), token.map(str::to_owned));
        loop {
            let told = self
                .connector
                .since(&call(), kind, token.as_deref(), 100)
                .await
                .unwrap();
            all.extend(told.changes);
            token = Some(told.token);
            if !told.more {
                return (all, token.unwrap_or_default());
            }
        }
    }

    async fn members(&self, group: &str, limit: u32) -> Vec<String> {
        let (mut members, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let page = self
                .connector
                .list_members(&call(), group, cursor.as_deref(), limit)
                .await
                .unwrap();
            assert!(page.members.len() <= limit as usize);
            members.extend(page.members);
            cursor = page.cursor;
            if cursor.is_none() {
                return members;
            }
        }
    }
}

fn settings() -> Json {
    json!({ "base": BASE, "users": { "base": UNIT }, "groups": { "base": UNIT } })
}

fn call() -> Call {
    Call {
        request_id: "request-1".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
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

fn held(entry: &Entry, name: &str) -> Option<Value> {
    let found = entry.attributes.iter().find(|a| a.name == name)?;
    found.values.first().cloned()
}

fn fault<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> Fault {
    match outcome {
        Err(CallError::Failure(failure)) => failure.fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_account_keeps_its_flags_and_ends_when_it_is_said() {
    let app = App::start(settings()).await;
    let given = [
        (
            "userPrincipalName",
            "annamaria.von.hohenstein@ad.example.test",
        ),
        ("displayName", "Anna-Maria, von \"H\""),
    ];
    let user = app.create("user", &given).await.unwrap();
    let shown = app.samba.one("(displayName=Anna*)").unwrap();
    assert_eq!(shown.one("sAMAccountName"), Some("annamaria.von.hohens"));
    assert_eq!(shown.one("userAccountControl"), Some("512"));
    assert_eq!(shown.one("adminDescription"), Some("User_Tombolo"));
    assert_eq!(held(&user, "adminDescription"), None);
    assert_eq!(held(&user, "cn"), Some(text("Anna-Maria, von \"H\"")));

    // Somebody else's flags stay: DONT_EXPIRE_PASSWORD.
    app.samba
        .modify(&format!(
            "dn: {}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 66048\n",
            shown.dn
        ))
        .unwrap();
    let control = |app: &App| {
        let shown = app.samba.one("(displayName=Anna*)").unwrap();
        shown.one("userAccountControl").unwrap().to_owned()
    };
    app.put("user", &user, "active", Some(flag(false)))
        .await
        .unwrap();
    assert_eq!(control(&app), "66050");
    app.put("user", &user, "active", Some(flag(true)))
        .await
        .unwrap();
    assert_eq!(control(&app), "66048");

    let end = Value::Simple(Scalar::Instant("2031-05-06T07:08:09Z".to_owned()));
    let ended = app
        .put("user", &user, "accountExpires", Some(end.clone()))
        .await
        .unwrap();
    assert_eq!(held(&ended, "accountExpires"), Some(end));
    let tool = app
        .samba
        .tool(&["user", "show", "annamaria.von.hohens"])
        .unwrap();
    assert!(
        tool.contains("accountExpires: 135802912890000000"),
        "{tool}"
    );
    let never = app
        .put("user", &user, "accountExpires", None)
        .await
        .unwrap();
    assert_eq!(held(&never, "accountExpires"), None);

    // The same again writes nothing.
    let before = app.samba.writes().unwrap();
    app.put("user", &user, "active", Some(flag(true)))
        .await
        .unwrap();
    app.put("user", &user, "accountExpires", None)
        .await
        .unwrap();
    assert_eq!(app.samba.writes().unwrap(), before);
}

#[tokio::test]
async fn a_password_signs_in_and_the_policy_is_told() {
    let app = App::start(settings()).await;
    let user = app
        .create("user", &[("userPrincipalName", "ana@ad.example.test")])
        .await
        .unwrap();
    let dn = format!("CN=ana,{UNIT}");
    for password in ["F1rst-Pass phrase", "S3cond \"pass\" €uro"] {
        app.connector
            .set_password(&call(), &user.anchor, password.to_owned().into(), false)
            .await
            .unwrap();
        assert!(app.samba.signs_in(&dn, password).unwrap(), "{password}");
    }
    app.connector
        .set_password(
            &call(),
            &user.anchor,
            "Th1rd-Passphrase".to_owned().into(),
            true,
        )
        .await
        .unwrap();
    let shown = app.samba.one("(cn=ana)").unwrap();
    assert_eq!(shown.one("pwdLastSet"), Some("0"));
    let short = app
        .connector
        .set_password(&call(), &user.anchor, "a".to_owned().into(), false)
        .await;
    match short {
        Err(CallError::Failure(failure)) => {
            assert_eq!(failure.fault, Fault::Invalid);
            assert!(failure.message.contains("policy"), "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn people_go_where_their_values_say_and_never_where_synchronisation_reads() {
    let samba = Arc::new(Samba::start().expect("a domain"));
    let [sales, left, synced] = ["Sales", "Left", "Synced"].map(|unit| format!("OU={unit},{UNIT}"));
    for unit in [&sales, &left, &synced] {
        samba.unit(unit).unwrap();
    }
    let app = App::on(
        samba,
        json!({
            "base": BASE,
            "protected": [synced],
            "users": { "base": UNIT, "places": [
                { "attribute": "active", "values": ["false"], "container": left },
                { "attribute": "department", "values": ["Sales"], "container": sales },
            ] },
            "groups": { "base": UNIT },
        }),
    )
    .await;
    app.connector.check(&call()).await.unwrap();
    let boss = app
        .create("user", &[("userPrincipalName", "boss@x"), ("cn", "Boss")])
        .await
        .unwrap();
    let given = [
        ("userPrincipalName", "ana@x"),
        ("displayName", "Ana Ruiz"),
        ("department", "sales"),
        ("manager", boss.anchor.as_str()),
    ];
    let ana = app.create("user", &given).await.unwrap();
    let dn = || app.samba.one("(userPrincipalName=ana@x)").unwrap().dn;
    assert_eq!(dn(), format!("CN=Ana Ruiz,{sales}"));

    // Another department, another name; then out, then back.
    app.put("user", &ana, "department", Some(text("Legal")))
        .await
        .unwrap();
    assert_eq!(dn(), format!("CN=Ana Ruiz,{UNIT}"));
    let renamed = app
        .put("user", &ana, "displayName", Some(text("Ana Sol")))
        .await
        .unwrap();
    assert_eq!(renamed.anchor, ana.anchor);
    assert_eq!(dn(), format!("CN=Ana Sol,{UNIT}"));
    app.put("user", &ana, "active", Some(flag(false)))
        .await
        .unwrap();
    assert_eq!(dn(), format!("CN=Ana Sol,{left}"));
    app.put("user", &ana, "parentDistinguishedName", Some(text(&sales)))
        .await
        .unwrap();
    assert_eq!(dn(), format!("CN=Ana Sol,{sales}"));
    // The manager is renamed, and the reference follows.
    app.put("user", &boss, "cn", Some(text("The, Boss")))
        .await
        .unwrap();
    let shown = app.samba.one("(userPrincipalName=ana@x)").unwrap();
    assert_eq!(
        shown.one("manager"),
        Some(format!("CN=The\\, Boss,{UNIT}").as_str())
    );

    // A namesake in the same place, and a name that is taken.
    let given = [
        ("userPrincipalName", "ana2@x"),
        ("displayName", "The, Boss"),
    ];
    let second = app.create("user", &given).await.unwrap();
    assert_eq!(held(&second, "cn"), Some(text("The, Boss (ana2)")));
    let taken = app.create("user", &[("userPrincipalName", "ana2@x")]).await;
    assert_eq!(fault(taken), Fault::AlreadyExists);

    let nowhere = app
        .put(
            "user",
            &ana,
            "parentDistinguishedName",
            Some(text("OU=No,DC=x")),
        )
        .await;
    assert_eq!(fault(nowhere), Fault::Invalid);
    let guarded = app
        .put("user", &ana, "parentDistinguishedName", Some(text(&synced)))
        .await;
    assert_eq!(fault(guarded), Fault::Forbidden);
    let inside = format!("CN=Inside,{synced}");
    app.samba
        .modify(&format!(
            "dn: {inside}\nchangetype: add\nobjectClass: user\nsAMAccountName: inside\nuserPrincipalName: inside@x\n"
        ))
        .unwrap();
    let query = Query {
        filter: None,
        attributes: vec!["dn".to_owned()],
        cursor: None,
        limit: 100,
    };
    let page = app.connector.search(&call(), "user", query).await.unwrap();
    let found = page.entries.into_iter();
    let found = found
        .filter(|entry| held(entry, "dn") == Some(text(&inside)))
        .collect::<Vec<_>>();
    let refused = app.put("user", &found[0], "title", Some(text("x"))).await;
    assert_eq!(fault(refused), Fault::Forbidden);
    let deleted = app
        .connector
        .delete(&call(), "user", &found[0].anchor, "request-1")
        .await;
    assert_eq!(fault(deleted), Fault::Forbidden);
}

#[tokio::test]
async fn a_large_group_is_filled_in_portions_and_read_in_ranges() {
    let many = std::env::var("TOMBOLO_TEST_MEMBERS");
    let many: usize = many.ok().and_then(|n| n.parse().ok()).unwrap_or(1700);
    let app = App::start(settings()).await;
    let mut ldif = String::new();
    for n in 0..many {
        use std::fmt::Write as _;
        let _ = write!(
            ldif,
            "dn: CN=m{n},{UNIT}\nchangetype: add\nobjectClass: user\nsAMAccountName: m{n}\n\n"
        );
    }
    app.samba.modify(&ldif).unwrap();
    let (mut people, mut cursor) = (Vec::new(), None);
    loop {
        let query = Query {
            filter: None,
            attributes: vec!["sAMAccountName".to_owned()],
            cursor,
            limit: 1000,
        };
        let page = app.connector.search(&call(), "user", query).await.unwrap();
        people.extend(page.entries.into_iter().map(|entry| entry.anchor));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(people.len(), many);
    let group = app.create("group", &[("cn", "Everybody")]).await.unwrap();
    let change = async |add: &[String], remove: &[String]| {
        app.connector
            .change_members(&call(), &group.anchor, add, remove, "request-1")
            .await
            .unwrap();
    };
    for portion in people.chunks(1000) {
        change(portion, &[]).await;
    }
    let held = || {
        let found = app
            .samba
            .search(UNIT, &format!("(memberOf=CN=Everybody,{UNIT})"), &["cn"]);
        found.unwrap().len()
    };
    assert_eq!(held(), many);
    let listed = app.members(&group.anchor, 1000).await;
    let everybody: BTreeSet<&String> = people.iter().collect();
    assert_eq!(listed.len(), many);
    assert_eq!(listed.iter().collect::<BTreeSet<_>>(), everybody);

    // Who is in comes in again: nothing is written.
    let before = app.samba.writes().unwrap();
    change(&people[..700], &[]).await;
    assert_eq!(app.samba.writes().unwrap(), before);
    // Half of them are in, and one of those to go is not.
    change(&[], &people[..500]).await;
    change(&[], &people[400..600]).await;
    assert_eq!(held(), many - 600);
    change(&people[..1000], &[]).await;
    assert_eq!(held(), many);

    // Members who go between two pages hide nobody.
    let first = app
        .connector
        .list_members(&call(), &group.anchor, None, 100)
        .await
        .unwrap();
    change(&[], &first.members[..50]).await;
    let (mut rest, mut cursor) = (Vec::new(), first.cursor);
    while let Some(next) = cursor {
        let page = app
            .connector
            .list_members(&call(), &group.anchor, Some(&next), 1000)
            .await
            .unwrap();
        rest.extend(page.members);
        cursor = page.cursor;
    }
    assert_eq!(rest.len(), many - 100);
}

#[tokio::test]
async fn whose_primary_group_it_is_is_in_it() {
    let app = App::start(settings()).await;
    let group = app.create("group", &[("cn", "First")]).await.unwrap();
    let mut people = Vec::new();
    for n in 0..5 {
        let name = format!("p{n}@x");
        let user = app.create("user", &[("userPrincipalName", &name)]).await;
        people.push(user.unwrap().anchor);
    }
    app.connector
        .change_members(&call(), &group.anchor, &people[..4], &[], "request-1")
        .await
        .unwrap();
    let tool = app.samba.tool(&["group", "show", "First"]).unwrap();
    let sid = tool
        .lines()
        .find_map(|line| line.strip_prefix("objectSid: "))
        .expect("a SID");
    let id = sid.rsplit('-').next().expect("an id");
    for n in 0..3 {
        app.samba
            .modify(&format!(
                "dn: CN=p{n},{UNIT}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {id}\n"
            ))
            .unwrap();
    }
    for limit in [1, 2, 3, 100] {
        let mut members = app.members(&group.anchor, limit).await;
        members.sort();
        let mut expected = people[..4].to_vec();
        expected.sort();
        assert_eq!(members, expected, "{limit} a page");
    }
    // Who is in already comes in again, and one does not go.
    app.connector
        .change_members(&call(), &group.anchor, &people, &[], "request-1")
        .await
        .unwrap();
    assert_eq!(app.members(&group.anchor, 100).await.len(), 5);
    let stays = app
        .connector
        .change_members(&call(), &group.anchor, &[], &people[..1], "request-1")
        .await;
    assert_eq!(fault(stays), Fault::Invalid);
}

#[tokio::test]
async fn what_changed_moved_and_went_is_told_once() {
    let samba = Arc::new(Samba::start().expect("a domain"));
    let outside = format!("OU=Outside,{BASE}");
    samba.unit(&outside).unwrap();
    let app = App::on(Arc::clone(&samba), settings()).await;
    let mut people = Vec::new();
    for name in ["kept", "moved", "doomed", "quiet"] {
        let user = app.create("user", &[("userPrincipalName", name)]).await;
        people.push(user.unwrap());
    }
    let group = app.create("group", &[("cn", "Team")]).await.unwrap();
    let (none, users) = app.since("user", None).await;
    let (_, groups) = app.since("group", None).await;
    assert!(none.is_empty());

    app.put("user", &people[0], "title", Some(text("Lead")))
        .await
        .unwrap();
    samba
        .modify(&format!(
            "dn: CN=moved,{UNIT}\nchangetype: moddn\nnewrdn: CN=moved\ndeleteoldrdn: 1\nnewsuperior: {outside}\n\ndn: CN=doomed,{UNIT}\nchangetype: delete\n"
        ))
        .unwrap();
    app.connector
        .change_members(
            &call(),
            &group.anchor,
            &[people[3].anchor.clone()],
            &[],
            "request-1",
        )
        .await
        .unwrap();

    // Another instance, as after a restart.
    let app = App::on(Arc::clone(&samba), settings()).await;
    let (told, next) = app.since("user", Some(&users)).await;
    let (mut changed, mut gone) = (Vec::new(), BTreeSet::new());
    for change in told {
        match change {
            Change::Changed(entry) => changed.push(entry),
            Change::Gone(anchor) => {
                gone.insert(anchor);
            }
        }
    }
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0].anchor, people[0].anchor);
    assert_eq!(held(&changed[0], "title"), Some(text("Lead")));
    assert_eq!(held(&changed[0], "userPrincipalName"), Some(text("kept")));
    let expected = [&people[1].anchor, &people[2].anchor].map(Clone::clone);
    assert_eq!(gone, BTreeSet::from(expected));
    let (again, _) = app.since("user", Some(&next)).await;
    assert!(again.is_empty(), "{again:?}");
    let (told, _) = app.since("group", Some(&groups)).await;
    assert!(
        matches!(told.as_slice(), [Change::Changed(entry)] if entry.anchor == group.anchor),
        "{told:?}"
    );

    // Another domain at the same target.
    let other = users.split_once('.').expect("a token").1;
    let other = format!("f81d4fae-7dec-11d0-a765-00a0c91e6bf6.{other}");
    let refused = app
        .connector
        .since(&call(), "user", Some(&other), 100)
        .await;
    assert_eq!(fault(refused), Fault::Invalid);
}
