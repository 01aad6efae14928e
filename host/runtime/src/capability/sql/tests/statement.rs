//! The lexer, by table and by chance.

use proptest::prelude::*;

use crate::capability::sql::statement::{Dialect, Statement};

const ALL: [Dialect; 4] = [
    Dialect::Postgres,
    Dialect::Mysql,
    Dialect::Sqlite,
    Dialect::Odbc,
];

fn parsed(text: &str, dialect: Dialect) -> Statement {
    Statement::parse(text, dialect).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn state(text: &str, dialect: Dialect) -> String {
    match Statement::parse(text, dialect) {
        Ok(statement) => panic!("{text} became {statement:?}"),
        Err(error) => error.state().to_owned(),
    }
}

#[test]
fn placeholders_are_counted_and_spelled_for_the_driver() {
    let source = "SELECT a FROM t WHERE b=? AND c IN(?,?)";
    let postgres = parsed(source, Dialect::Postgres);
    assert_eq!(
        postgres.text,
        "SELECT a FROM t WHERE b= $1  AND c IN( $2 , $3 )"
    );
    assert_eq!(postgres.placeholders, 3);
    assert!(postgres.reads);
    let mysql = parsed(source, Dialect::Mysql);
    assert_eq!(mysql.text, "SELECT a FROM t WHERE b= ?  AND c IN( ? , ? )");
    assert!(!parsed("UPDATE t SET a=?", Dialect::Sqlite).reads);
    assert!(parsed("WITH x AS (SELECT 1) SELECT * FROM x", Dialect::Postgres).reads);
    assert!(
        !parsed(
            "WITH x AS (delete FROM t RETURNING a) SELECT * FROM x",
            Dialect::Postgres
        )
        .reads
    );
}

#[test]
fn what_is_quoted_is_left_alone() {
    for dialect in ALL {
        for text in ["'?'", "'it''s ?; --'", "\"a?\"", "\"a\"\"?;\""] {
            let statement = parsed(&format!("SELECT {text}"), dialect);
            assert_eq!(statement.placeholders, 0, "{text}");
            assert_eq!(statement.text, format!("SELECT {text}"));
        }
        // Comments are for people.
        assert_eq!(parsed("SELECT 1 -- ? ; '\n + ?", dialect).placeholders, 1);
        assert_eq!(parsed("SELECT /* ? ; ' */ ?", dialect).placeholders, 1);
    }
    for text in [
        "$$ ? ; ' $$",
        "$q$ $$ ? $x$ $q$",
        "E'\\'?'",
        "e'a\\\\' ",
        "a$1b$2",
        "'\\'",
    ] {
        assert_eq!(
            parsed(&format!("SELECT {text}"), Dialect::Postgres).placeholders,
            0,
            "{text}"
        );
    }
    assert_eq!(
        parsed("SELECT /* /* ? */ ? */ 1", Dialect::Postgres).placeholders,
        0
    );
    assert_eq!(
        parsed("SELECT '\\' ?', `?`, \"\\\"?\" # ?", Dialect::Mysql).placeholders,
        0
    );
    assert_eq!(parsed("SELECT 5--?", Dialect::Mysql).placeholders, 1);
    assert_eq!(parsed("SELECT [a?], `b?`", Dialect::Sqlite).placeholders, 0);
    // MySQL's driver looks for names after a quote that it does not see.
    assert_eq!(
        parsed("SELECT a-'x :y'", Dialect::Mysql).text,
        "SELECT a- 'x :y'"
    );
    assert_eq!(
        parsed("SELECT a->'$.b'", Dialect::Mysql).text,
        "SELECT a->'$.b'"
    );
}

#[test]
fn postgresqls_own_question_marks_are_doubled() {
    assert_eq!(
        parsed("SELECT a ?? 'b' AND c = ?", Dialect::Postgres).text,
        "SELECT a ? 'b' AND c =  $1 "
    );
    assert_eq!(
        parsed("SELECT a ??| b", Dialect::Postgres).text,
        "SELECT a ?| b"
    );
    assert_eq!(state("SELECT a ?| b", Dialect::Postgres), "42601");
    assert_eq!(state("SELECT a ?? b", Dialect::Mysql), "42601");
}

#[test]
fn other_spellings_of_parameters_are_refused() {
    for (text, dialect) in [
        ("SELECT $1", Dialect::Postgres),
        ("SELECT ?1", Dialect::Sqlite),
        ("SELECT :name", Dialect::Sqlite),
        ("SELECT @name", Dialect::Sqlite),
        ("SELECT $name", Dialect::Sqlite),
        ("SELECT :name", Dialect::Mysql),
        ("SELECT ?a", Dialect::Odbc),
    ] {
        assert_eq!(state(text, dialect), "42601", "{text}");
    }
    parsed("SELECT a::text FROM t", Dialect::Postgres);
}

#[test]
fn one_statement_and_no_other() {
    for dialect in ALL {
        parsed("SELECT 1;", dialect);
        parsed("SELECT 1 ; ; -- the end", dialect);
        for text in [
            "SELECT 1; SELECT 2",
            "SELECT 1;;DROP TABLE t",
            "",
            " ",
            ";",
            "-- only this",
            "SELECT 'a",
            "SELECT \"a",
            "SELECT /* a",
        ] {
            assert_eq!(state(text, dialect), "42601", "{text}");
        }
        assert_eq!(state("SELECT '\0'", dialect), "42601");
        assert_eq!(state("SELECT \0", dialect), "42601");
        for text in [
            "commit",
            "/**/Begin",
            "SET x=1",
            "-- a\nUSE b",
            "PRAGMA foreign_keys=0",
            "ATTACH 'x' AS y",
            "VACUUM INTO 'x'",
            "copy t from '/etc/passwd'",
            "DO $$ $$",
            "; SELECT 1",
        ] {
            let state = state(text, dialect);
            assert!(
                state == "0A000" || text.starts_with(';') && state == "42601",
                "{text}: {state}"
            );
        }
    }
    assert_eq!(
        state("SELECT /*!50000 SLEEP(9) */ 1", Dialect::Mysql),
        "42601"
    );
    assert_eq!(state("SELECT 1 /*M! + 1 */", Dialect::Mysql), "42601");
    assert_eq!(state("LOCK TABLES t WRITE", Dialect::Mysql), "0A000");
    parsed("LOCK TABLE t", Dialect::Postgres);
    parsed("(SELECT 1) UNION (SELECT 2)", Dialect::Postgres);
    parsed("{call p(?)}", Dialect::Odbc);
}

/// Pieces whose placeholders are known.
fn piece() -> impl Strategy<Value = (String, usize)> {
    prop_oneof![
        Just(("?".to_owned(), 1)),
        Just((" x ".to_owned(), 0)),
        Just((",".to_owned(), 0)),
        "[a-z?;$'-]{0,8}".prop_map(|inner| (format!("'{}'", inner.replace('\'', "''")), 0)),
        "[a-z?;$ -]{0,8}".prop_map(|inner| (format!("\"{inner}\""), 0)),
        "[a-z?;' ]{0,8}".prop_map(|inner| (format!("-- {inner}\n"), 0)),
        "[a-z?;' ]{0,8}".prop_map(|inner| (format!("/* {inner} */"), 0)),
    ]
}

proptest! {
    #[test]
    fn exactly_the_placeholders_are_found(pieces in prop::collection::vec(piece(), 0..20)) {
        let source = pieces.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" ");
        let count: usize = pieces.iter().map(|(_, count)| count).sum();
        for dialect in ALL {
            let statement = Statement::parse(&format!("SELECT {source}"), dialect).expect("a statement");
            prop_assert_eq!(statement.placeholders, count);
        }
    }

    #[test]
    fn no_text_is_too_strange(source in ".{0,60}") {
        for dialect in ALL {
            let _ = Statement::parse(&source, dialect);
        }
    }

    /// Whatever a guest writes, what a driver gets ends no earlier than the guest's statement does.
    #[test]
    fn no_semicolon_outside_of_quotes_is_passed_on(source in "[ a-z?;'\"$\\\\/*-]{0,40}") {
        for dialect in ALL {
            if let Ok(statement) = Statement::parse(&format!("SELECT {source}"), dialect)
                && !statement.text.contains(['\'', '"', '$', '`'])
            {
                prop_assert!(!statement.text.contains(';'), "{}", statement.text);
            }
        }
    }
}
