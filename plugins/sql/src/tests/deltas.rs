//! Tokens: nothing is lost, and nothing is told twice.

use super::*;

#[test]
fn a_change_table_tells_each_row_once_as_it_is_now() {
    let (lite, sql) = hr();
    let ana = user(&sql, "ana").anchor;
    let token = sql.since("user", None, 100).expect("a token").token;
    assert_eq!(told(&sql, &token, 100).0, Vec::<String>::new());
    user(&sql, "bo");
    user(&sql, "cy");
    group(&sql, "Sales");
    sql.update("user", "2", &[Edit::put("login", ["bob"])], None, "r")
        .expect("updated");
    sql.delete("user", &ana, "r").expect("deleted");
    let (changes, token, more) = told(&sql, &token, 100);
    assert_eq!(
        (changes, more),
        (
            vec!["2 bob".to_owned(), "3 cy".to_owned(), "1 gone".to_owned()],
            false
        )
    );
    assert_eq!(told(&sql, &token, 100).0, Vec::<String>::new());
    // In pages: all of it, and never too much.
    for n in 0..7 {
        user(&sql, &format!("u{n}"));
    }
    let (mut seen, mut token, mut more) = (Vec::new(), token, true);
    while more {
        let page = told(&sql, &token, 3);
        assert!(page.0.len() <= 3);
        seen.extend(page.0);
        (token, more) = (page.1, page.2);
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 7);
    assert!(
        sql.since("user", Some("{}"), 10)
            .expect_err("forged")
            .is(Fault::Invalid)
    );
    lite.run("DELETE FROM change_log");
    assert_eq!(told(&sql, &token, 3).0, Vec::<String>::new());
}

#[test]
fn a_number_that_comes_late_is_told() {
    let (lite, sql) = hr();
    for login in ["ana", "bo", "cy"] {
        user(&sql, login);
    }
    // Numbers 10 and 12 are given, and their transactions are still open.
    lite.run(
        "DELETE FROM change_log; INSERT INTO change_log VALUES (9, 'person', 1), (11, 'team', 1)",
    );
    let token = sql.since("user", None, 100).expect("a token").token;
    lite.run("INSERT INTO change_log VALUES (13, 'person', 3)");
    let (changes, token, _) = told(&sql, &token, 100);
    assert_eq!(changes, ["3 cy"]);
    lite.run("INSERT INTO change_log VALUES (10, 'person', 1), (12, 'person', 2)");
    let (changes, token, _) = told(&sql, &token, 100);
    assert_eq!(changes, ["1 ana", "2 bo"]);
    assert_eq!(told(&sql, &token, 100).0, Vec::<String>::new());
}

fn watermarked(overlap: u32, column: &str) -> (Lite, Sql) {
    let lite = Lite::new(&format!(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, login TEXT, gone INTEGER DEFAULT 0, changed {column})"
    ));
    let sql = lite.connector(&format!(
        "[kinds.user]\ntable = 'p'\nkey = {{ column = 'id', type = 'integer' }}\ndelete = {{ column = 'gone', value = 1 }}\n\
         delta.watermark = {{ column = 'changed', overlap = {overlap} }}\nattributes.login = {{}}"
    ));
    (lite, sql)
}

#[test]
fn equal_times_lose_nothing_and_repeat_nothing() {
    let (lite, sql) = watermarked(60, "TEXT");
    let token = sql.since("user", None, 100).expect("a token").token;
    for n in 1..=10 {
        lite.run(&format!(
            "INSERT INTO p VALUES ({n}, 'u{n}', 0, '2026-01-01 10:00:00.000')"
        ));
    }
    let (mut seen, mut token, mut more, mut pages) = (Vec::new(), token, true, 0);
    while more {
        let page = told(&sql, &token, 3);
        assert!(page.0.len() <= 3);
        seen.extend(page.0);
        (token, more) = (page.1, page.2);
        pages += 1;
    }
    assert_eq!((seen.len(), pages), (10, 4));
    assert_eq!(told(&sql, &token, 3).0, Vec::<String>::new());
    // One with the very same time, and one that began earlier and ended later.
    lite.run("INSERT INTO p VALUES (0, 'late', 0, '2026-01-01 09:59:30.000'), (11, 'same', 0, '2026-01-01 10:00:00.000')");
    let (changes, token, _) = told(&sql, &token, 100);
    assert_eq!(changes, ["0 late", "11 same"]);
    lite.run("UPDATE p SET gone = 1, changed = '2026-01-01 10:02:00.000' WHERE id = 5; UPDATE p SET login = 'x', changed = '2026-01-01 10:02:00.001' WHERE id = 6");
    let (changes, token, _) = told(&sql, &token, 100);
    assert_eq!(changes, ["5 gone", "6 x"]);
    assert_eq!(told(&sql, &token, 100).0, Vec::<String>::new());
    // What lies further back than the overlap is not carried along.
    assert!(token.len() < 200, "{token}");
}

#[test]
fn a_token_for_now_leaves_out_what_was_before() {
    let (lite, sql) = watermarked(5, "INTEGER");
    lite.run("INSERT INTO p VALUES (1, 'a', 0, 100), (2, 'b', 0, 98), (3, 'old', 0, 1)");
    let token = sql.since("user", None, 1).expect("a token");
    assert!(token.changes.is_empty() && !token.more);
    assert_eq!(told(&sql, &token.token, 10).0, Vec::<String>::new());
    lite.run("INSERT INTO p VALUES (4, 'late', 0, 97); UPDATE p SET changed = 101 WHERE id = 3");
    assert_eq!(told(&sql, &token.token, 10).0, ["4 late", "3 old"]);
}

#[test]
fn statements_of_the_operator_tell_keys() {
    let lite = Lite::new(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, login TEXT); CREATE TABLE v (id INTEGER, version INTEGER);",
    );
    let sql = lite.connector(
        "[kinds.user]\ntable = 'p'\nkey = { column = 'id', type = 'integer' }\nattributes.login = {}\n\
         [kinds.user.delta.statements]\ntoken = 'SELECT COALESCE(MAX(version), 0) FROM v'\n\
         changes = 'SELECT id FROM v WHERE version > :token'",
    );
    let token = sql.since("user", None, 10).expect("a token").token;
    lite.run("INSERT INTO p VALUES (1, 'ana'), (2, 'bo'), (3, 'cy'); INSERT INTO v VALUES (1, 1), (2, 1), (3, 2), (9, 3)");
    let (first, token, more) = told(&sql, &token, 3);
    assert_eq!(
        (first, more),
        (
            vec!["1 ana".to_owned(), "2 bo".to_owned(), "3 cy".to_owned()],
            true
        )
    );
    // Told already in this round, and changed since: told again in the next.
    lite.run("UPDATE p SET login = 'anna' WHERE id = 1; INSERT INTO v VALUES (1, 4)");
    let (second, token, more) = told(&sql, &token, 3);
    assert_eq!((second, more), (vec!["9 gone".to_owned()], false));
    let (third, token, _) = told(&sql, &token, 3);
    assert_eq!(third, ["1 anna"]);
    assert_eq!(told(&sql, &token, 3).0, Vec::<String>::new());
}
