use super::*;
use tombolo_sdk::{Attributes, Comparison, Fault, Node, Scalar};

struct App {
    directory: tempfile::TempDir,
    csv: Csv,
}

fn app() -> App {
    let directory = tempfile::tempdir().expect("a directory");
    let csv = Csv::at(directory.path(), &Settings::default()).expect("default settings");
    App { directory, csv }
}

impl App {
    fn user(&self, name: &str) -> Entry {
        self.csv
            .create("user", &[Attribute::new("userName", name)], name)
            .expect("created")
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.directory.path().join(file), text).expect("written");
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(file)).expect("read")
    }

    fn find(&self, attribute: &str, value: impl Into<Scalar>) -> Vec<String> {
        let filter = vec![Node::Test((
            attribute.to_owned(),
            Comparison::Equal,
            value.into(),
        ))];
        let query = Query {
            filter: Some(filter),
            attributes: Vec::new(),
            cursor: None,
            limit: 100,
        };
        self.csv
            .search("user", &query)
            .expect("found")
            .entries
            .into_iter()
            .map(|e| e.anchor)
            .collect()
    }
}

#[test]
fn values_survive_exactly() {
    let app = app();
    let hostile = [
        " lead",
        "trail ",
        "a,b;c",
        "\"quoted\"",
        "line\nfeed\r\nboth",
        "=1+1",
        "\u{feff}x",
        "José 漢字",
        "'",
        "\\",
    ];
    for (n, value) in hostile.into_iter().enumerate() {
        let attributes = [
            Attribute::new("userName", format!("u{n}")),
            Attribute::new("displayName", value),
        ];
        let made = app
            .csv
            .create("user", &attributes, &format!("r{n}"))
            .expect("created");
        let read = app.csv.get("user", &made.anchor, &[]).expect("there");
        assert_eq!(read.text("displayName"), Some(value));
        assert_eq!(read, made);
        assert_eq!(app.find("displayName", value), [made.anchor]);
    }
}

#[test]
fn a_repeated_create_answers_what_the_first_one_made() {
    let app = app();
    let (first, second) = (app.user("ana"), app.user("ana"));
    assert_eq!(first, second);
    let failure = app
        .csv
        .create("user", &[Attribute::new("userName", "ana")], "another")
        .expect_err("taken");
    assert_eq!(
        (failure.fault, failure.attribute.as_deref()),
        (Fault::AlreadyExists, Some("userName"))
    );
}

#[test]
fn unique_values_do_not_tell_upper_from_lower_case() {
    let app = app();
    app.user("Ána@x");
    let bo = app.user("bo");
    let failure = app
        .csv
        .update(
            "user",
            &bo.anchor,
            &[Edit::put("userName", ["ÁNA@X"])],
            None,
            "r",
        )
        .expect_err("taken");
    assert!(failure.is(Fault::AlreadyExists));
    app.csv
        .update(
            "user",
            &bo.anchor,
            &[Edit::put("userName", ["BO"])],
            None,
            "r",
        )
        .expect("its own name");
}

#[test]
fn an_update_of_another_version_is_refused_and_one_that_changes_nothing_writes_nothing() {
    let app = app();
    let ana = app.user("ana");
    let edits = [Edit::put("active", [false]), Edit::put("title", ["Lead"])];
    let now = app
        .csv
        .update("user", &ana.anchor, &edits, ana.version.as_deref(), "r")
        .expect("updated");
    assert_eq!(
        (now.boolean("active"), now.text("title")),
        (Some(false), Some("Lead"))
    );
    let failure = app
        .csv
        .update("user", &ana.anchor, &edits, ana.version.as_deref(), "r")
        .expect_err("stale");
    assert!(failure.is(Fault::Changed));
    let modified = |app: &App| {
        app.directory
            .path()
            .join("people.csv")
            .metadata()
            .and_then(|m| m.modified())
            .expect("there")
    };
    let before = modified(&app);
    app.csv
        .update("user", &ana.anchor, &edits, None, "r")
        .expect("the same again");
    assert_eq!(modified(&app), before);
    let cleared = app
        .csv
        .update(
            "user",
            &ana.anchor,
            &[Edit::put("title", Vec::<&str>::new())],
            None,
            "r",
        )
        .expect("cleared");
    assert!(cleared.attribute("title").is_none());
    let required = app.csv.update(
        "user",
        &ana.anchor,
        &[Edit::put("userName", Vec::<&str>::new())],
        None,
        "r",
    );
    assert!(required.expect_err("required").is(Fault::Invalid));
}

#[test]
fn foreign_columns_stay_and_a_missing_one_is_named() {
    let app = app();
    app.write("people.csv", "id;badge;userName\n7;red;ana\n");
    let settings = Settings {
        delimiter: ";".to_owned(),
        ..Settings::default()
    };
    let csv = Csv::at(app.directory.path(), &settings).expect("settings");
    csv.update("user", "7", &[Edit::put("userName", ["ana.r"])], None, "r")
        .expect("updated");
    assert_eq!(app.read("people.csv"), "id;badge;userName\n7;red;ana.r\n");
    let failure = csv
        .update("user", "7", &[Edit::put("title", ["Lead"])], None, "r")
        .expect_err("no such column");
    assert!(
        failure.message.contains("no column title"),
        "{}",
        failure.message
    );
    csv.update(
        "user",
        "7",
        &[Edit::put("title", Vec::<&str>::new())],
        None,
        "r",
    )
    .expect("there is nothing to clear");
}

#[test]
fn further_columns_come_from_the_settings() {
    let settings: Settings = serde_json::from_str(
        r#"{"columns": {"floor": {"scim": "urn:x:User:floor"}, "badge": "urn:x:User:badge"}, "delimiter": "tab"}"#,
    )
    .expect("settings");
    let directory = tempfile::tempdir().expect("a directory");
    let csv = Csv::at(directory.path(), &settings).expect("settings");
    let attributes = [
        Attribute::new("userName", "ana"),
        Attribute::new("floor", "3"),
    ];
    assert_eq!(
        csv.create("user", &attributes, "r")
            .expect("created")
            .text("floor"),
        Some("3")
    );
    assert!(
        csv.describe()
            .expect("described")
            .to_json()
            .contains("urn:x:User:badge")
    );
}

#[test]
fn pages_are_ordered_and_complete() {
    let app = app();
    let mut anchors: Vec<String> = (0..25).map(|n| app.user(&format!("u{n}")).anchor).collect();
    anchors.sort();
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let query = Query {
            filter: None,
            attributes: vec!["userName".to_owned()],
            cursor,
            limit: 10,
        };
        let page = app.csv.search("user", &query).expect("a page");
        assert_eq!(page.total, Some(25));
        seen.extend(page.entries.into_iter().map(|e| e.anchor));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, anchors);
}

#[test]
fn memberships_follow_their_people_and_groups() {
    let app = app();
    let (ana, bo) = (app.user("ana").anchor, app.user("bo").anchor);
    let group = |name: &str| {
        app.csv
            .create("group", &[Attribute::new("displayName", name)], name)
            .expect("created")
            .anchor
    };
    let (sales, hr) = (group("Sales"), group("HR"));
    let both = [ana.clone(), bo.clone()];
    let list = |group: &str| {
        app.csv.list_members(group, None, 100).map(|p| {
            p.members
                .into_iter()
                .collect::<std::collections::BTreeSet<_>>()
        })
    };
    for _ in 0..2 {
        app.csv
            .change_members(&sales, &both, &["nobody".to_owned()], "r")
            .expect("added");
    }
    app.csv.change_members(&hr, &both, &[], "r").expect("added");
    assert_eq!(list(&sales).expect("listed").len(), 2);
    let failure = app
        .csv
        .change_members(&sales, &["nobody".to_owned()], &[], "r")
        .expect_err("unknown");
    assert!(failure.is(Fault::Invalid) && failure.message.contains("nobody"));
    app.csv.delete("user", &ana, "r").expect("deleted");
    assert!(
        app.csv
            .delete("user", &ana, "r")
            .expect_err("gone")
            .is(Fault::NotFound)
    );
    assert_eq!(
        list(&sales)
            .expect("listed")
            .into_iter()
            .collect::<Vec<_>>(),
        [bo]
    );
    app.csv.delete("group", &hr, "r").expect("deleted");
    assert!(list(&hr).expect_err("gone").is(Fault::NotFound));
    assert!(!app.read("memberships.csv").contains(&hr));
}

#[test]
fn a_manager_who_is_gone_is_nobodys_manager() {
    let app = app();
    let boss = app.user("boss");
    for name in ["ana", "bo", "cy"] {
        let report = app.user(name);
        let manager = if name == "bo" { &report } else { &boss };
        let edits = [Edit::put("manager", [manager.anchor.as_str()])];
        app.csv
            .update("user", &report.anchor, &edits, None, name)
            .expect("updated");
    }
    app.csv.delete("user", &boss.anchor, "r").expect("deleted");
    assert!(!app.read("people.csv").contains(&boss.anchor));
    assert_eq!(app.find("userName", "cy").len(), 1);
    let bo = app.find("userName", "bo").remove(0);
    assert_eq!(app.find("manager", bo.as_str()), [bo]);
}

#[test]
fn check_says_what_is_wrong_with_a_file() {
    let app = app();
    app.csv.check().expect("an empty directory is fine");
    assert_eq!(
        std::fs::read_dir(app.directory.path())
            .expect("listed")
            .count(),
        0,
        "and stays empty"
    );
    app.write("people.csv", "id,userName\n1,ana\n,bo\n");
    assert!(
        app.csv
            .check()
            .expect_err("no id")
            .message
            .contains("record 3 has no id")
    );
    app.write("people.csv", "userName\nana\n");
    assert!(
        app.csv
            .check()
            .expect_err("no id column")
            .message
            .contains("no column id")
    );
}

#[test]
fn a_person_in_a_large_file_is_found_without_parsing_it() {
    let app = app();
    let header = app.csv.describe().expect("described").kinds[0]
        .attributes
        .len();
    app.user("seed");
    let mut text = app.read("people.csv");
    for n in 0..1000 {
        text.extend([
            format!("{n:032x},user{n}"),
            ",some text".repeat(header - 1),
            "\n".to_owned(),
        ]);
    }
    app.write("people.csv", &text);
    let last = format!("{:032x}", 999);
    let start = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(
            app.csv
                .get("user", &last, &[])
                .expect("there")
                .text("userName"),
            Some("user999")
        );
    }
    println!(
        "get in {} KiB: {:?}",
        text.len() / 1024,
        start.elapsed() / 100
    );
}
