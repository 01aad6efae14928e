//! Schemas that are not a row a person: keys of several columns, tables for values, statements for writes.

use super::*;

fn composite() -> (Lite, Sql) {
    let lite = Lite::new(include_str!("../../examples/composite.sql"));
    let connector = lite.connector(include_str!("../../examples/composite.toml"));
    (lite, connector)
}

fn employee(sql: &Sql, no: i64, login: &str) -> Entry {
    let attributes = [Attribute::new("no", no), Attribute::new("login", login)];
    sql.create("user", &attributes, &format!("r{no}"))
        .expect(login)
}

fn mail(kind: &str, address: &str, primary: Option<bool>) -> Value {
    let mut parts = vec![("type", Scalar::from(kind)), ("value", address.into())];
    parts.extend(primary.map(|primary| ("primary", primary.into())));
    parts.sort_by_key(|(name, _)| *name);
    Value::complex(parts)
}

#[test]
fn a_key_of_two_columns_and_rows_of_others_that_nobody_sees() {
    let (lite, sql) = composite();
    sql.check().expect("all there");
    lite.run("INSERT INTO employee (org, no, login) VALUES ('OTHER', 1, 'ana')");
    let ana = employee(&sql, 1, "ana");
    assert_eq!(ana.anchor, "e:ACME,1");
    assert_eq!(
        (ana.boolean("active"), ana.text("given")),
        (Some(true), None)
    );
    let bo = employee(&sql, 2, "bo");
    let edits = [
        Edit::put("manager", [ana.anchor.as_str()]),
        Edit::put("active", [false]),
    ];
    let bo = sql
        .update("user", &bo.anchor, &edits, None, "r")
        .expect("updated");
    assert_eq!(
        (bo.text("manager"), bo.boolean("active")),
        (Some("e:ACME,1"), Some(false))
    );
    assert_eq!(
        lite.table("SELECT boss_org, boss_no, locked FROM employee WHERE no = 2"),
        ["ACME|1|1"]
    );
    assert_eq!(all(&sql, "user").len(), 2);
    assert!(
        sql.get("user", "e:OTHER,1", &[])
            .expect_err("not ours")
            .is(Fault::NotFound)
    );
    assert!(
        sql.delete("user", "e:OTHER,1", "r")
            .expect_err("not ours")
            .is(Fault::NotFound)
    );
    // Nothing is deleted, but who is gone is gone.
    sql.delete("user", "e:ACME,1", "r").expect("deleted");
    assert!(
        sql.get("user", "e:ACME,1", &[])
            .expect_err("gone")
            .is(Fault::NotFound)
    );
    assert_eq!(all(&sql, "user").len(), 1);
    assert_eq!(
        lite.table("SELECT org, no, gone FROM employee ORDER BY org, no"),
        ["ACME|1|1", "ACME|2|0", "OTHER|1|0"]
    );
}

#[test]
fn a_natural_key_may_change() {
    let (lite, sql) = composite();
    let ana = employee(&sql, 1, "ana");
    let now = sql
        .update("user", &ana.anchor, &[Edit::put("no", [7])], None, "r")
        .expect("updated");
    assert_eq!(
        (now.anchor.as_str(), now.integer("no")),
        ("e:ACME,7", Some(7))
    );
    assert_eq!(lite.table("SELECT no FROM employee"), ["7"]);
}

#[test]
fn values_in_tables_of_their_own_come_and_go_alone() {
    let (lite, sql) = composite();
    let attributes = [
        Attribute::new("no", 1),
        Attribute::new("login", "ana"),
        Attribute::all(
            "emails",
            [mail("work", "a@x", Some(true)), mail("home", "b@x", None)],
        ),
        Attribute::new("mobile", "+1"),
    ];
    let ana = sql.create("user", &attributes, "r").expect("created");
    assert_eq!(
        parts(&ana, "emails"),
        BTreeSet::from([
            "primary=true type=work value=a@x".to_owned(),
            "type=home value=b@x".to_owned()
        ])
    );
    lite.run(
        "INSERT INTO employee_phone VALUES ('ACME', 1, 'fax', '+9'), ('ACME', 1, 'mobile', '+2')",
    );
    lite.writes();
    let edits = [
        Edit::add(
            "emails",
            [mail("home", "c@x", None), mail("work", "a@x", Some(true))],
        ),
        Edit::remove("emails", [mail("home", "b@x", None)]),
        Edit::put("mobile", ["+3"]),
    ];
    let now = sql
        .update("user", &ana.anchor, &edits, None, "r")
        .expect("updated");
    // One goes and one comes in each table, and the version.
    assert_eq!(lite.writes().len(), 5);
    assert_eq!(
        parts(&now, "emails"),
        BTreeSet::from([
            "primary=true type=work value=a@x".to_owned(),
            "type=home value=c@x".to_owned()
        ])
    );
    assert_eq!(now.version.as_deref(), Some("2"));
    assert_eq!(
        lite.table("SELECT kind, phone FROM employee_phone ORDER BY kind, phone"),
        ["fax|+9", "mobile|+2", "mobile|+3"]
    );
    sql.update(
        "user",
        &ana.anchor,
        &[Edit::put(
            "emails",
            [mail("work", "a@x", Some(true)), mail("home", "c@x", None)],
        )],
        None,
        "r",
    )
    .expect("the same");
    assert_eq!(lite.writes(), Vec::<String>::new());
    let cleared = sql
        .update(
            "user",
            &ana.anchor,
            &[
                Edit::put("mobile", Vec::<&str>::new()),
                Edit::put("emails", Vec::<Value>::new()),
            ],
            None,
            "r",
        )
        .expect("cleared");
    assert!(cleared.attribute("mobile").is_none() && cleared.attribute("emails").is_none());
    assert_eq!(lite.table("SELECT kind FROM employee_phone"), ["fax"]);
    let wrong = sql.update(
        "user",
        &ana.anchor,
        &[Edit::put("emails", [Value::complex([("display", "x")])])],
        None,
        "r",
    );
    assert_eq!(
        wrong.expect_err("no such part").attribute.as_deref(),
        Some("emails")
    );
}

#[test]
fn fewer_rows_than_were_asked_for_end_no_listing() {
    let (mut lite, sql) = composite();
    let team = sql
        .create("group", &[Attribute::new("name", "All")], "r")
        .expect("created")
        .anchor;
    let mut everybody = Vec::new();
    for no in 10..30 {
        let anchor = employee(&sql, no, &format!("u{no}")).anchor;
        let mails = ["a@x", "b@x", "c@x"].map(|address| mail("work", address, None));
        sql.update("user", &anchor, &[Edit::put("emails", mails)], None, "r")
            .expect("updated");
        everybody.push(anchor);
    }
    sql.change_members(&team, &everybody, &[], "r")
        .expect("added");
    // A target whose max-rows is small.
    lite.cap = 7;
    let sql = lite.connector(include_str!("../../examples/composite.toml"));
    let (mut page, mut seen) = (query(None), Vec::new());
    loop {
        let found = sql.search("user", &page).expect("a page");
        assert!(
            found
                .entries
                .iter()
                .all(|entry| parts(entry, "emails").len() == 3)
        );
        seen.extend(found.entries.into_iter().map(|entry| entry.anchor));
        page.cursor = found.cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, everybody);
    let (mut cursor, mut members) = (None, Vec::new());
    loop {
        let page = sql
            .list_members(&team, cursor.as_deref(), 100)
            .expect("a page");
        members.extend(page.members);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(members, everybody);
}

#[test]
fn values_in_tables_of_their_own_are_searched() {
    let (_, sql) = composite();
    for (no, address, kind) in [(1, "a@x", "work"), (2, "B_@x", "home")] {
        let attributes = [
            Attribute::new("no", no),
            Attribute::new("login", format!("u{no}")),
            Attribute::all("emails", [mail(kind, address, None)]),
        ];
        sql.create("user", &attributes, &format!("r{no}"))
            .expect("created");
    }
    let element = |inner: Vec<Node>| {
        let mut filter = inner;
        let root = u32::try_from(filter.len() - 1).expect("small");
        filter.push(Node::Element(("emails".to_owned(), root)));
        let page = sql.search("user", &query(Some(filter))).expect("found");
        page.entries
            .into_iter()
            .map(|entry| entry.anchor)
            .collect::<Vec<_>>()
    };
    let test = |name: &str, comparison, value: &str| {
        Node::Test((name.to_owned(), comparison, value.into()))
    };
    assert_eq!(
        element(vec![
            test("type", Comparison::Equal, "HOME"),
            test("value", Comparison::StartsWith, "b_"),
            Node::All(vec![0, 1])
        ]),
        ["e:ACME,2"]
    );
    assert!(
        element(vec![
            test("type", Comparison::Equal, "work"),
            test("value", Comparison::StartsWith, "b_"),
            Node::All(vec![0, 1])
        ])
        .is_empty()
    );
    assert_eq!(
        element(vec![Node::Present("primary".to_owned())]),
        Vec::<String>::new()
    );
    assert_eq!(
        element(vec![
            test("type", Comparison::Equal, "nothing"),
            Node::Present("type".to_owned()),
            Node::Any(vec![0, 1])
        ])
        .len(),
        2
    );
    assert!(element(vec![Node::Present("type".to_owned()), Node::Negate(0)]).is_empty());
}

#[test]
fn members_of_two_kinds_share_a_listing() {
    let (lite, sql) = composite();
    let people: Vec<String> = (1..=3)
        .map(|no| employee(&sql, no, &format!("u{no}")).anchor)
        .collect();
    let unit = |name: &str| {
        sql.create("group", &[Attribute::new("name", name)], name)
            .expect("created")
            .anchor
    };
    let (all, inner) = (unit("All"), unit("Inner"));
    assert_eq!(unit("All"), all, "the key is made of the request");
    let mut add = people.clone();
    add.push(inner.clone());
    sql.change_members(&all, &add, &[], "r").expect("added");
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = sql
            .list_members(&all, cursor.as_deref(), 1)
            .expect("a page");
        assert_eq!(page.members.len(), 1);
        seen.extend(page.members);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>(), add.iter().collect());
    assert_eq!(
        lite.table("SELECT emp_no, role FROM unit_employee"),
        ["1|member", "2|member", "3|member"]
    );
    sql.change_members(&all, &[], &add, "r").expect("removed");
    assert!(
        sql.list_members(&all, None, 10)
            .expect("listed")
            .members
            .is_empty()
    );
}

#[test]
fn statements_take_the_place_of_writes() {
    let lite = Lite::new(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, login TEXT UNIQUE, boss TEXT, enabled INTEGER DEFAULT 1);
         CREATE TABLE journal (what TEXT);
         CREATE TABLE g (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO g VALUES (1, 'all');
         CREATE TABLE ga (g INTEGER, login TEXT);",
    );
    let sql = lite.connector(
        "[kinds.user]\nquery = 'SELECT id, login, boss, enabled FROM a;'\nkey = { column = 'id', type = 'integer' }\n\
         [kinds.user.statements]\n\
         create = ['INSERT INTO a (login, boss) VALUES (:login, :boss)', \"INSERT INTO journal VALUES ('create ' || :request)\"]\n\
         update = 'UPDATE a SET login = :login, boss = :boss WHERE id = :key'\n\
         enable = 'UPDATE a SET enabled = 1 WHERE id = :key'\n\
         disable = 'UPDATE a SET enabled = 0 WHERE id = :key_id'\n\
         delete = 'DELETE FROM a WHERE id = :key'\n\
         [kinds.user.attributes]\nlogin = { required = true, unique = true }\n\
         active = { column = 'enabled', type = 'boolean' }\nboss = { columns = { boss = 'login' } }\n\
         [kinds.group]\ntable = 'g'\nkey = { column = 'id', type = 'integer' }\nattributes.name = {}\n\
         [kinds.group.members.user]\ntable = 'ga'\ngroup = { g = 'id' }\nmember = { login = 'login' }\n\
         add = 'INSERT INTO ga SELECT :group, login FROM a WHERE id = :member'\n\
         remove = 'DELETE FROM ga WHERE g = :group AND login = (SELECT login FROM a WHERE id = :member)'",
    );
    sql.check().expect("all there");
    let ana = user(&sql, "ana");
    let attributes = [
        Attribute::new("login", "bo"),
        Attribute::new("active", false),
        Attribute::new("boss", ana.anchor.as_str()),
    ];
    let bo = sql.create("user", &attributes, "r-bo").expect("created");
    assert_eq!(
        (bo.boolean("active"), bo.text("boss")),
        (Some(false), Some("1"))
    );
    assert_eq!(lite.table("SELECT * FROM a"), ["1|ana|-|1", "2|bo|ana|0"]);
    assert_eq!(
        lite.table("SELECT * FROM journal"),
        ["create ana", "create r-bo"]
    );
    let edits = [Edit::put("active", [true]), Edit::put("login", ["bob"])];
    let bo = sql
        .update("user", &bo.anchor, &edits, None, "r")
        .expect("updated");
    assert_eq!(
        (bo.boolean("active"), bo.text("login"), bo.text("boss")),
        (Some(true), Some("bob"), Some("1"))
    );
    lite.writes();
    sql.update("user", &bo.anchor, &edits, None, "r")
        .expect("the same");
    assert_eq!(lite.writes(), Vec::<String>::new());
    for _ in 0..2 {
        sql.change_members("1", std::slice::from_ref(&bo.anchor), &[], "r")
            .expect("added");
    }
    assert_eq!(lite.table("SELECT * FROM ga"), ["1|bob"]);
    assert_eq!(
        sql.list_members("1", None, 10).expect("listed").members,
        ["2"]
    );
    sql.change_members("1", &[], &[bo.anchor, "1".to_owned()], "r")
        .expect("removed");
    assert_eq!(lite.table("SELECT * FROM ga"), Vec::<String>::new());
    sql.delete("user", &ana.anchor, "r").expect("deleted");
    assert_eq!(lite.table("SELECT login FROM a"), ["bob"]);
}

#[test]
fn a_key_may_come_from_a_statement_and_a_view_may_hide_what_was_written() {
    let lite = Lite::new(
        "CREATE TABLE next (n INTEGER); INSERT INTO next VALUES (41);
         CREATE TABLE p (id INTEGER PRIMARY KEY, login TEXT, kind TEXT);",
    );
    let toml = "[kinds.user]\ntable = 'p'\nwhere = \"t.kind = 'E'\"\n\
         key = { column = 'id', generated = { statement = 'UPDATE next SET n = n + 1 RETURNING n' } }\n\
         attributes.login = {}\n";
    let failure = lite
        .connector(toml)
        .create("user", &[Attribute::new("login", "x")], "r")
        .expect_err("hidden");
    assert!(
        failure.message.contains("look at its `rows`, `where`"),
        "{failure:?}"
    );
    assert_eq!(
        lite.table("SELECT n, (SELECT COUNT(*) FROM p) FROM next"),
        ["41|0"],
        "rolled back"
    );
    let toml = toml.replace("key =", "defaults = { kind = 'E' }\nkey =");
    assert_eq!(user(&lite.connector(&toml), "x").anchor, "42");
}

#[test]
fn a_kind_that_can_only_be_read_says_so() {
    let lite = Lite::new("CREATE TABLE p (id TEXT, login TEXT); INSERT INTO p VALUES ('a', 'ana')");
    let sql = lite
        .connector("[kinds.user]\nquery = 'SELECT * FROM p'\nkey = 'id'\nattributes.login = {}");
    assert_eq!(all(&sql, "user").len(), 1);
    let failures = [
        sql.create("user", &[Attribute::new("login", "x")], "r")
            .expect_err("read only"),
        sql.update("user", "a", &[Edit::put("login", ["x"])], None, "r")
            .expect_err("read only"),
        sql.delete("user", "a", "r").expect_err("read only"),
        sql.change_members("a", &[], &[], "r")
            .expect_err("no members"),
        sql.since("user", None, 10).expect_err("no delta"),
    ];
    for failure in failures {
        assert!(failure.is(Fault::Unsupported), "{failure:?}");
    }
}

#[test]
fn the_examples_and_the_manifest_say_the_same() {
    let manifest: serde_json::Value =
        serde_json::from_str(include_str!("../../manifest.json")).expect("JSON");
    let validator = jsonschema::validator_for(&manifest["settings"]).expect("a schema");
    for example in [
        include_str!("../../examples/hr.toml"),
        include_str!("../../examples/composite.toml"),
        include_str!("../../examples/procedures.toml"),
    ] {
        let app: toml::Table = toml::from_str(example).expect("TOML");
        let settings = serde_json::to_value(&app["settings"]).expect("JSON");
        let wrong: Vec<String> = validator
            .iter_errors(&settings)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(wrong, Vec::<String>::new());
        let settings = crate::settings::Settings::parse(&settings.to_string()).expect("settings");
        crate::model::Model::new(&settings).expect("a model");
    }
}
