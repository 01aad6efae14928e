//! Every operator of Entra's scoping filters, with its rules on null and case.

use tombolo_mapping::expression::Value;
use tombolo_mapping::scope::{ClauseTable, FilterTable, Scope, ScopeTable};

/// An operator, what it compares with, and values for which it holds and fails.
type Row<'t> = (&'t str, Option<&'t str>, &'t [&'t str], &'t [&'t str]);

fn clause(attribute: &str, operator: &str, value: Option<&str>) -> ClauseTable {
    ClauseTable {
        attribute: attribute.to_owned(),
        operator: operator.to_owned(),
        value: value.map(str::to_owned),
    }
}

fn scope(filters: Vec<Vec<ClauseTable>>) -> Scope {
    let table = |clauses| FilterTable {
        title: String::new(),
        clauses,
    };
    Scope::new(&ScopeTable(filters.into_iter().map(table).collect()))
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_operator_does_what_is_documented() {
    // Operator, what it is compared with, and for which values the clause holds and fails.
    let table: [Row<'_>; 17] = [
        (
            "EQUALS",
            Some("sales"),
            &["sales"],
            &["Sales", "sales ", ""],
        ),
        (
            "NOT EQUALS",
            Some("sales"),
            &["Sales", "HR"],
            &["sales", ""],
        ),
        ("IS TRUE", None, &["True", "true"], &["False", "1", ""]),
        ("IS FALSE", None, &["False"], &["True", ""]),
        ("IS NULL", None, &[""], &["x"]),
        ("IS NOT NULL", None, &["x"], &[""]),
        ("PRESENT", None, &["x"], &[""]),
        (
            "REGEX MATCH",
            Some(".*\\@domain.com"),
            &["ana@domain.com"],
            &["ana@Domain.com", "ana@other.test", ""],
        ),
        (
            "NOT REGEX MATCH",
            Some(".*\\@domain.com"),
            &["ana@other.test"],
            &["ana@domain.com", ""],
        ),
        (
            "REGEX MATCH",
            Some("(1[0-9][0-9][0-9][0-9][0-9][0-9])"),
            &["1000000", "1999999"],
            &["2000000", "999999"],
        ),
        ("REGEX MATCH", Some("([1-9][0-9])"), &["10", "99"], &["9"]),
        ("Greater_Than", Some("10"), &["11"], &["10", "9", "x", ""]),
        (
            "Greater_Than_OR_EQUALS",
            Some("10"),
            &["11", "10"],
            &["9", ""],
        ),
        ("Includes", Some("gin"), &["Engineering"], &["GINNY", ""]),
        ("ENDS_WITH", Some("ing"), &["Engineering"], &["ingest", ""]),
        ("&", Some("Sales,HR"), &["HR", "Sales"], &["hr", "IT", ""]),
        ("!&", Some("Sales,HR"), &["IT", "hr"], &["HR", ""]),
    ];
    for (operator, value, holds, fails) in table {
        let scope = scope(vec![vec![clause("a", operator, value)]]);
        for (values, expected) in [(holds, true), (fails, false)] {
            for text in values {
                let read = |_: &str| Value::text(*text);
                assert_eq!(
                    scope.includes(&read),
                    expected,
                    "`{text}` {operator} {value:?}"
                );
            }
        }
        // Absent is as empty; several values fail.
        let empty = operator == "IS NULL";
        assert_eq!(scope.includes(&|_| Value::Null), empty, "{operator}");
        let several = Value::Many(vec!["sales".into(), "HR".into()]);
        let not_null = ["IS NOT NULL", "PRESENT"].contains(&operator);
        assert_eq!(scope.includes(&|_| several.clone()), not_null, "{operator}");
    }
}

#[test]
fn clauses_must_all_hold_and_one_filter_is_enough() {
    let both = scope(vec![
        vec![
            clause("state", "EQUALS", Some("New York")),
            clause("title", "IS NOT NULL", None),
        ],
        vec![clause("department", "EQUALS", Some("Board"))],
    ]);
    let person = |state: &'static str, title: &'static str, department: &'static str| {
        move |name: &str| {
            Value::text(match name {
                "state" => state,
                "title" => title,
                _ => department,
            })
        }
    };
    assert!(both.includes(&person("New York", "Engineer", "IT")));
    assert!(!both.includes(&person("New York", "", "IT")));
    assert!(both.includes(&person("Ohio", "", "Board")));
    assert!(Scope::everybody().includes(&|_| Value::Null));
    assert_eq!(both.attributes(), ["department", "state", "title"]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let wrong = |title: &str, clauses| {
        let filter = FilterTable {
            title: title.to_owned(),
            clauses,
        };
        Scope::new(&ScopeTable(vec![filter]))
            .expect_err("it is wrong")
            .to_string()
    };
    let cases = [
        (
            wrong("Sales", vec![clause("a", "EQUAL", Some("x"))]),
            "scoping filter `Sales`, clause 1: there is no operator `EQUAL`; did you mean `EQUALS`?",
        ),
        (
            wrong(
                "",
                vec![clause("a", "IS NULL", None), clause("a", "EQUALS", None)],
            ),
            "scoping filter 1, clause 2: the operator `EQUALS` needs a `value`",
        ),
        (
            wrong("", vec![clause("a", "IS TRUE", Some("x"))]),
            "scoping filter 1, clause 1: the operator `IS TRUE` takes no `value`",
        ),
        (
            wrong("", vec![clause("a", "GREATER_THAN", Some("x"))]),
            "scoping filter 1, clause 1: the value of `GREATER_THAN` must be a whole number",
        ),
        (
            wrong("", vec![clause("a", "REGEX MATCH", Some("("))]),
            "scoping filter 1, clause 1: the regular expression is not understood: unclosed group",
        ),
        (
            wrong("", vec![clause("a", "IsMemberOf", Some("g"))]),
            "scoping filter 1, clause 1: the operator `IsMemberOf` needs to know groups or certificates, and is not supported",
        ),
        (
            wrong("", vec![]),
            "scoping filter 1, clause 0: it has no clauses",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn it_is_read_from_toml_and_written_to_it() {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct File {
        scope: ScopeTable,
    }
    let text = r#"
        [[scope]]
        title = "Sales"
        clauses = [
            { attribute = "department", operator = "EQUALS", value = "Sales" },
            { attribute = "title", operator = "IS NOT NULL" },
        ]
    "#;
    let file: File = toml::from_str(text).expect("it is read");
    let scope = Scope::new(&file.scope).expect("a scope");
    let again = toml::to_string(&File {
        scope: scope.table(),
    })
    .expect("it is written");
    let again: File = toml::from_str(&again).expect("it is read again");
    assert_eq!(again.scope, file.scope);
    let misspelt = text.replace("operator", "operatr");
    assert!(toml::from_str::<File>(&misspelt).is_err());
}
