//! The connector on a real SQL engine, with the settings and schemas of `examples/`.

use std::collections::BTreeSet;

use tombolo_sdk::{
    Attribute, Attributes, Change, Comparison, Connector, Delta, Edit, Entry, Fault, Filter,
    Members, Node, Query, Read, Scalar, Value, Write,
};

use crate::Sql;
use crate::testing::Lite;

mod deltas;
mod shapes;

const HOSTILE: [&str; 14] = [
    "O'Brien'); DROP TABLE person; --",
    "\"quoted\" `ticked` [bracketed]",
    "100%_sure\\ really!",
    " leading",
    "trailing  ",
    "名前 Ελένη محمد",
    "👩‍👩‍👧 family",
    "İstanbul ı",
    "ß ẞ ﬀ",
    "line\nfeed\ttab",
    "?",
    "??:name $1 @p1",
    "\u{feff}x",
    "é e\u{301}",
];

/// The simple HR schema.
fn hr() -> (Lite, Sql) {
    let lite = Lite::new(include_str!("../examples/hr.sqlite.sql"));
    let connector = lite.connector(include_str!("../examples/hr.toml"));
    (lite, connector)
}

fn user(sql: &Sql, login: &str) -> Entry {
    sql.create("user", &[Attribute::new("login", login)], login)
        .unwrap_or_else(|failure| panic!("{login}: {failure:?}"))
}

fn group(sql: &Sql, name: &str) -> String {
    let made = sql.create("group", &[Attribute::new("name", name)], name);
    made.expect("a group").anchor
}

fn query(filter: Option<Vec<Node>>) -> Query {
    Query {
        filter,
        attributes: Vec::new(),
        cursor: None,
        limit: 100,
    }
}

fn all(sql: &Sql, kind: &str) -> Vec<Entry> {
    sql.search(kind, &query(None)).expect("listed").entries
}

fn find(
    sql: &Sql,
    name: &str,
    comparison: Comparison,
    value: impl Into<Scalar>,
) -> Result<Vec<String>, Fault> {
    let filter = vec![Node::Test((name.to_owned(), comparison, value.into()))];
    match sql.search("user", &query(Some(filter))) {
        Ok(page) => Ok(page.entries.into_iter().map(|entry| entry.anchor).collect()),
        Err(failure) => Err(failure.fault),
    }
}

#[test]
fn values_survive_exactly_and_are_found() {
    let (lite, sql) = hr();
    for (n, value) in HOSTILE.into_iter().enumerate() {
        let attributes = [
            Attribute::new("login", value),
            Attribute::new("title", value),
        ];
        let made = sql
            .create("user", &attributes, &format!("r{n}"))
            .expect(value);
        assert_eq!(made.text("title"), Some(value));
        assert_eq!(sql.get("user", &made.anchor, &[]), Ok(made.clone()));
        for comparison in [
            Comparison::Equal,
            Comparison::StartsWith,
            Comparison::Contains,
            Comparison::EndsWith,
        ] {
            assert_eq!(
                find(&sql, "login", comparison, value),
                Ok(vec![made.anchor.clone()]),
                "{value}"
            );
            // Case does not count, whatever SQLite's LOWER knows of it.
            let upper = value.to_uppercase().to_lowercase();
            if upper == value.to_lowercase() {
                let found = find(&sql, "login", comparison, value.to_uppercase());
                assert_eq!(found, Ok(vec![made.anchor.clone()]), "{value}");
            }
        }
    }
    assert_eq!(
        lite.table("SELECT COUNT(*) FROM person"),
        [HOSTILE.len().to_string()]
    );
}

#[test]
fn what_the_database_finds_is_what_the_filter_means() {
    let (lite, sql) = hr();
    lite.run(
        "INSERT INTO person (login, external_id, title, mail, status, created_by) VALUES
         ('ana', 'X', 'Lead', NULL, 'A', 't'), ('ANA2', 'x', 'lead', 'a@x', 'I', 't'), ('Ána', 'Xy', '', 'A@X', 'A', 't'),
         ('b%o', NULL, NULL, '100%', 'I', 't'), ('b_o', 'é', 'É', 'b_@', 'A', 't'), ('c!d', 'É', 'é', '!', 'A', 't')",
    );
    let boss = all(&sql, "user")[0].anchor.clone();
    sql.update(
        "user",
        "2",
        &[Edit::put("manager", [boss.as_str()])],
        None,
        "r",
    )
    .expect("updated");
    let (entries, kind) = (
        all(&sql, "user"),
        sql.describe().expect("described").kinds.remove(1),
    );
    assert_eq!((entries.len(), kind.kind.as_str()), (6, "user"));
    let mut tests = Vec::new();
    for name in ["login", "external_id", "title", "mail", "nothing"] {
        tests.push(Node::Present(name.to_owned()));
        for comparison in [
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Contains,
            Comparison::StartsWith,
            Comparison::EndsWith,
            Comparison::Greater,
            Comparison::AtMost,
        ] {
            for value in [
                "ana", "ÁNA", "x", "%", "_", "!", "é", "É", "", "lead", "a\0",
            ] {
                tests.push(Node::Test((name.to_owned(), comparison, value.into())));
            }
            tests.push(Node::Test((name.to_owned(), comparison, 1.into())));
        }
    }
    for value in [true, false] {
        tests.push(Node::Test((
            "active".to_owned(),
            Comparison::Equal,
            value.into(),
        )));
        tests.push(Node::Test((
            "active".to_owned(),
            Comparison::NotEqual,
            value.into(),
        )));
    }
    tests.push(Node::Test((
        "manager".to_owned(),
        Comparison::Equal,
        boss.as_str().into(),
    )));
    tests.push(Node::Test((
        "manager".to_owned(),
        Comparison::NotEqual,
        boss.as_str().into(),
    )));
    tests.push(Node::Test((
        "manager".to_owned(),
        Comparison::Equal,
        "no key".into(),
    )));
    let (mut answered, mut unsupported) = (0, 0);
    for (at, test) in tests.iter().enumerate() {
        let other = &tests[(at * 7 + 3) % tests.len()];
        for filter in [
            vec![test.clone()],
            vec![test.clone(), Node::Negate(0)],
            vec![test.clone(), other.clone(), Node::All(vec![0, 1])],
            vec![
                test.clone(),
                other.clone(),
                Node::Any(vec![0, 1]),
                Node::Negate(2),
            ],
        ] {
            let tree = Filter::read(&filter).expect("a filter");
            let expected: Vec<&Entry> = entries
                .iter()
                .filter(|entry| tree.matches(&kind, entry))
                .collect();
            match sql.search("user", &query(Some(filter))) {
                Ok(page) => {
                    assert_eq!(
                        page.entries.iter().collect::<Vec<_>>(),
                        expected,
                        "{tree:?}"
                    );
                    if let Some(total) = page.total {
                        assert_eq!(usize::try_from(total), Ok(expected.len()), "{tree:?}");
                    }
                    answered += 1;
                }
                Err(failure) => {
                    assert!(failure.is(Fault::Unsupported), "{tree:?}: {failure:?}");
                    unsupported += 1;
                }
            }
        }
    }
    assert!(
        answered > 500 && unsupported > 0,
        "{answered} answered, {unsupported} not"
    );
}

#[test]
fn pages_follow_the_key_and_lose_nobody() {
    let (lite, sql) = hr();
    for n in 0..25 {
        user(&sql, &format!("u{n}"));
    }
    let mut seen = Vec::new();
    let mut page = query(None);
    page.limit = 10;
    page.attributes = vec!["title".to_owned()];
    let mut totals = Vec::new();
    loop {
        let found = sql.search("user", &page).expect("a page");
        totals.push(found.total);
        seen.extend(found.entries.into_iter().map(|entry| entry.anchor));
        // Who comes and goes meanwhile moves nobody else.
        lite.run("DELETE FROM person WHERE id = 3");
        page.cursor = found.cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(totals, [Some(25), None, None]);
    page.cursor = Some("' OR 1=1".to_owned());
    assert!(
        sql.search("user", &page)
            .expect_err("forged")
            .is(Fault::Invalid)
    );
}

#[test]
fn a_repeated_create_answers_what_the_first_one_made() {
    let (lite, sql) = hr();
    let (first, again) = (user(&sql, "ana"), user(&sql, "ana"));
    assert_eq!(first, again);
    assert_eq!(lite.table("SELECT COUNT(*) FROM person"), ["1"]);
    let failure = sql
        .create("user", &[Attribute::new("login", "ana")], "another")
        .expect_err("taken");
    assert_eq!(
        (
            failure.fault,
            failure.attribute.as_deref(),
            failure.target_code.as_deref()
        ),
        (Fault::AlreadyExists, Some("login"), Some("23505"))
    );
    let bo = user(&sql, "bo");
    let failure = sql
        .update(
            "user",
            &bo.anchor,
            &[Edit::put("login", ["ana"])],
            None,
            "r",
        )
        .expect_err("taken");
    assert_eq!(failure.attribute.as_deref(), Some("login"));
    let failure = sql.create("user", &[], "r2").expect_err("no login");
    assert_eq!(
        (failure.fault, failure.attribute.as_deref()),
        (Fault::Invalid, Some("login"))
    );
}

#[test]
fn only_what_differs_is_written_and_another_version_is_refused() {
    let (lite, sql) = hr();
    let ana = user(&sql, "ana");
    assert_eq!(
        (ana.boolean("active"), ana.version.as_deref()),
        (Some(true), Some("1"))
    );
    let edits = [
        Edit::put("active", [false]),
        Edit::put("title", ["Lead"]),
        Edit::put("login", ["ana"]),
    ];
    lite.writes();
    let now = sql
        .update("user", &ana.anchor, &edits, ana.version.as_deref(), "r")
        .expect("updated");
    assert_eq!(
        lite.writes(),
        [
            "UPDATE `person` SET `status` = ?, `title` = ?, `row_version` = COALESCE(`row_version`, 0) + 1 WHERE `id` = ? AND `row_version` = ?"
        ]
    );
    assert_eq!(
        (now.boolean("active"), now.text("title")),
        (Some(false), Some("Lead"))
    );
    let stale = sql.update("user", &ana.anchor, &edits, ana.version.as_deref(), "r");
    assert!(stale.expect_err("stale").is(Fault::Changed));
    sql.update("user", &ana.anchor, &edits, None, "r")
        .expect("the same again");
    assert_eq!(lite.writes(), Vec::<String>::new());
    let edits = [
        Edit::remove("title", ["Director"]),
        Edit::add("title", ["Lead"]),
        Edit::remove("title", ["Lead"]),
    ];
    let cleared = sql
        .update("user", &ana.anchor, &edits, None, "r")
        .expect("cleared");
    assert!(cleared.attribute("title").is_none());
    for (edit, fault) in [
        (Edit::put("login", Vec::<&str>::new()), Fault::Invalid),
        (Edit::put("title", ["a", "b"]), Fault::Invalid),
        (Edit::put("nothing", ["a"]), Fault::Invalid),
        (Edit::put("manager", ["999"]), Fault::Invalid),
    ] {
        let failure = sql
            .update("user", &ana.anchor, &[edit], None, "r")
            .expect_err("refused");
        assert!(failure.is(fault), "{failure:?}");
    }
    for unknown in ["999", "x", "1 ", "01", ""] {
        let failure = sql
            .update("user", unknown, &[], None, "r")
            .expect_err("unknown");
        assert!(failure.is(Fault::NotFound), "{unknown}");
        assert!(
            sql.get("user", unknown, &[])
                .expect_err("unknown")
                .is(Fault::NotFound)
        );
        assert!(
            sql.delete("user", unknown, "r")
                .expect_err("unknown")
                .is(Fault::NotFound)
        );
    }
}

#[test]
fn memberships_are_rows_and_go_with_either_side() {
    let (lite, sql) = hr();
    let (ana, bo) = (user(&sql, "ana").anchor, user(&sql, "bo").anchor);
    sql.update(
        "user",
        &bo,
        &[Edit::put("manager", [ana.as_str()])],
        None,
        "r",
    )
    .expect("updated");
    let (sales, hr) = (group(&sql, "Sales"), group(&sql, "HR"));
    let both = [ana.clone(), bo.clone()];
    let nobody = ["999".to_owned(), "x".to_owned()];
    lite.writes();
    for _ in 0..2 {
        sql.change_members(&sales, &both, &nobody, "r")
            .expect("added");
    }
    // Two people, two statements; and the second time none.
    assert_eq!(lite.writes().len(), 2);
    sql.change_members(&hr, &both, &[], "r").expect("added");
    let failure = sql
        .change_members(&hr, &["999".to_owned()], std::slice::from_ref(&ana), "r")
        .expect_err("unknown");
    assert_eq!(
        (failure.fault, failure.attribute.as_deref()),
        (Fault::Invalid, Some("members"))
    );
    assert_eq!(
        sql.list_members(&hr, None, 100).expect("listed").members,
        both
    );
    sql.delete("user", &ana, "r").expect("deleted");
    assert_eq!(
        lite.table("SELECT team_id, person_id FROM team_member"),
        ["1|2", "2|2"]
    );
    assert_eq!(lite.table("SELECT id, manager_id FROM person"), ["2|-"]);
    sql.delete("group", &hr, "r").expect("deleted");
    assert_eq!(lite.table("SELECT team_id FROM team_member"), ["1"]);
    assert!(
        sql.list_members(&hr, None, 10)
            .expect_err("gone")
            .is(Fault::NotFound)
    );
    assert!(
        sql.change_members(&hr, &[], &[], "r")
            .expect_err("gone")
            .is(Fault::NotFound)
    );
}

#[test]
fn a_large_group_is_paged_and_changed_in_portions() {
    let (lite, sql) = hr();
    lite.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) INSERT INTO person (login, created_by) SELECT 'u' || i, 't' FROM n");
    let team = group(&sql, "All");
    let everybody: Vec<String> = (1..=1200).map(|n| n.to_string()).collect();
    sql.change_members(&team, &everybody, &[], "r")
        .expect("added");
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = sql
            .list_members(&team, cursor.as_deref(), 500)
            .expect("a page");
        assert!(page.members.len() <= 500);
        seen.extend(page.members);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, everybody);
    assert_eq!(all(&sql, "user").len(), 100);
    sql.change_members(&team, &[], &everybody, "r")
        .expect("removed");
    assert_eq!(lite.table("SELECT COUNT(*) FROM team_member"), ["0"]);
}

#[test]
fn check_says_what_is_missing() {
    let (lite, sql) = hr();
    lite.writes();
    sql.check().expect("all there");
    assert!(lite.writes().is_empty(), "check writes nothing");
    let message = || sql.check().expect_err("missing").message;
    lite.run("ALTER TABLE person RENAME COLUMN title TO job");
    let said = message();
    assert!(
        said.contains("[settings.kinds.user]: table `person` has no column `title`"),
        "{said}"
    );
    lite.run("ALTER TABLE person RENAME COLUMN mobile TO cell");
    let said = message();
    assert!(said.contains("has no columns `mobile`, `title`"), "{said}");
    lite.run("DROP TABLE team_member");
    let said = message();
    assert!(said.contains("[settings.kinds.group]: table `team_member` cannot be read; the database says: no such table"), "{said}");
}

#[test]
fn names_of_the_settings_cannot_leave_their_quotes() {
    let lite = Lite::new(
        "CREATE TABLE \"we`ird \"\"t\" (\"i`d\" TEXT PRIMARY KEY, \"a]b\"\"c'\" TEXT); CREATE TABLE plain (id TEXT)",
    );
    let sql = lite.connector("[kinds.user]\ntable = 'we`ird \"t'\nkey = 'i`d'\n[kinds.user.attributes]\nid = { column = 'i`d' }\nodd = { column = '''a]b\"c'''' }");
    sql.check().expect("all there");
    let made = sql
        .create(
            "user",
            &[Attribute::new("id", "1"), Attribute::new("odd", "x")],
            "r",
        )
        .expect("created");
    assert_eq!(made.text("odd"), Some("x"));
    let sql = lite.connector("[kinds.user]\ntable = 'plain'\nkey = 'id'\n[kinds.user.attributes]\nodd = { column = '''id` FROM plain; DROP TABLE plain; --''' }");
    assert!(
        sql.check()
            .expect_err("no such column")
            .message
            .contains("has no column")
    );
    lite.table("SELECT * FROM plain");
}

/// The values of a complex attribute, in an order that tells them apart.
fn parts(entry: &Entry, name: &str) -> BTreeSet<String> {
    let text = |scalar: &Scalar| scalar.to_plain().unwrap_or_default().into_owned();
    let one = |value: &Value| match value {
        Value::Simple(scalar) => text(scalar),
        Value::Complex(parts) => parts
            .iter()
            .map(|part| {
                format!(
                    "{}={}",
                    part.name,
                    part.values.iter().map(text).collect::<String>()
                )
            })
            .collect::<Vec<_>>()
            .join(" "),
    };
    entry.values(name).iter().map(one).collect()
}

/// What a round of changes says, as text; and its token.
fn told(sql: &Sql, token: &str, limit: u32) -> (Vec<String>, String, bool) {
    let changes = sql.since("user", Some(token), limit).expect("changes");
    let one = |change: &Change| match change {
        Change::Changed(entry) => format!(
            "{} {}",
            entry.anchor,
            entry.text("login").unwrap_or_default()
        ),
        Change::Gone(anchor) => format!("{anchor} gone"),
    };
    (
        changes.changes.iter().map(one).collect(),
        changes.token,
        changes.more,
    )
}
