//! The language itself: what is wrong with a text and where, and what holds of any expression.

use proptest::prelude::*;
use tombolo_mapping::expression::{Expression, Nowhere, Outcome, Value};

fn wrong(text: &str) -> String {
    match Expression::parse(text) {
        Ok(parsed) => panic!("{text} is read as {parsed}"),
        Err(error) => error.to_string(),
    }
}

fn value(text: &str, given: &Value) -> Result<Value, String> {
    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    match expression.evaluate("", &|_| given.clone(), &Nowhere) {
        Ok(Outcome::Value(value)) => Ok(value),
        Ok(Outcome::Ignored) => Err("ignored".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn an_error_says_where_and_what() {
    let table = [
        ("", "at character 1: the expression is empty"),
        (
            r#"Join(" ", [a]"#,
            "at character 14: expected `,` or `)`, found the end",
        ),
        (
            r#"Append([a], "x"#,
            "at character 13: this string has no closing quotation mark",
        ),
        ("Append([a, \"x\")", "at character 8: this `[` has no `]`"),
        (
            "Append([], \"x\")",
            "at character 8: there is no attribute's name between `[` and `]`",
        ),
        (
            "switch([a], 1)",
            "at character 1: there is no function `switch`; did you mean `Switch`? Names are case-sensitive",
        ),
        (
            "Append(Lower([a]), \"x\")",
            "at character 8: there is no function `Lower`; did you mean `ToLower`? Names are case-sensitive",
        ),
        (
            "Append([a])",
            "at character 1: `Append` takes 2 arguments, not 1",
        ),
        (
            "Append( , \"x\")",
            "at character 1: argument 1 of `Append` (source) is left out",
        ),
        (
            "Switch([a], 1, 2)",
            "at character 1: `Switch` takes a source, a default, and keys with their values: an even number of arguments",
        ),
        (
            "Append(SelectUniqueValue([a], [b]), \"x\")",
            "at character 8: `SelectUniqueValue` must be the outermost function",
        ),
        (
            "Replace([a], , \"(\", , \"\", , )",
            "at character 1: the regular expression is not understood: unclosed group",
        ),
        (
            "Replace([a])",
            "at character 1: `Replace` needs oldValue with replacementValue or template, or regexPattern with replacementValue or replacementAttributeName",
        ),
        (
            "Left([a], 99999999999999999999)",
            "at character 11: `99999999999999999999` is no whole number of 64 bits",
        ),
        (
            "Left([a], 1.5)",
            "at character 11: `1.5` is no whole number of 64 bits",
        ),
        (
            "[a] [b]",
            "at character 5: expected the end of the expression, found `[b]`",
        ),
        (
            "displayName",
            "at character 1: `displayName` is no value: write `[displayName]` for an attribute, `\"displayName\"` for a text",
        ),
        ("[a] ? [b]", "at character 5: `?` means nothing here"),
    ];
    for (text, message) in table {
        assert_eq!(wrong(text), message, "{text}");
    }
}

#[test]
fn its_length_and_its_depth_are_bounded() {
    let nested = |depth: usize| format!("{}[a]{}", "Trim(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&nested(64)).is_ok());
    assert_eq!(
        wrong(&nested(65)),
        "at character 321: functions are nested more than 64 deep"
    );
    assert!(wrong(&format!("\"{}\"", "x".repeat(10_000))).ends_with("at most 10000 characters"));
    // Unclosed, a hundred thousand of them, are refused by length alone.
    assert!(wrong(&"Trim(".repeat(100_000)).ends_with("at most 10000 characters"));
}

#[test]
fn what_an_expression_makes_is_bounded() {
    let mut text = "[a]".to_owned();
    for _ in 0..12 {
        text = format!("Replace({text}, \"a\", , , \"{}\", , )", "a".repeat(100));
    }
    let error = value(&text, &Value::from("a")).expect_err("it would be 100^12 long");
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
    // Linear whatever the pattern; an engine that goes back would not come to an end.
    let slow = r#"Replace([a], , "^(a+)+$", , "x", , )"#;
    let long = format!("{}b", "a".repeat(100_000));
    assert!(value(slow, &Value::from(long.as_str())) == Ok(Value::from(long)));
}

#[test]
fn an_error_names_the_function_and_the_argument_but_no_value() {
    let table = [
        (
            "Mid([a], 0, 1)",
            "`Mid` at character 1: start counts from 1",
        ),
        (
            "Left(\"x\", [a])",
            "`Left` at character 1: numChars is not a whole number",
        ),
        (
            "Trim(CDate([a]))",
            "`CDate` at character 6: expression is not a date such as 2026-01-31T12:00:00Z",
        ),
        (
            "DateAdd(\"day\", 1, Now())",
            "`DateAdd` at character 1: interval is not one of yyyy, m, d, ww, h, n and s",
        ),
        (
            "FormatDateTime([a], , \"yyyy\", \"yy\")",
            "`FormatDateTime` at character 1: the date does not have the format `yyyy`",
        ),
        (
            "Now()",
            "`Now` at character 1: the time is not available here",
        ),
        (
            "Replace([a], , \"(?<x>a)\", \"y\", \"z\", , )",
            "`Replace` at character 1: the regular expression has no group `y`",
        ),
    ];
    for (text, message) in table {
        let error = value(text, &Value::from("a secret")).expect_err(text);
        assert_eq!(error, message, "{text}");
        assert!(!error.contains("secret"));
    }
    let several = Value::Many(vec!["a".into(), "b".into()]);
    let error = value("Trim([a])", &several).expect_err("two values");
    assert!(error.contains("source has several values"), "{error}");
}

#[test]
fn null_is_no_value_and_empty_is_one() {
    for text in [
        "Append([a], \"x\")",
        "Trim([a])",
        "ToLower([a])",
        "CDate([a])",
        "Split([a], \",\")",
        "Replace([a], \"x\", , , \"y\", , )",
        "Mid([a], 1, 2)",
        "Join(\"-\", [a], [a])",
    ] {
        assert!(value(text, &Value::Null) == Ok(Value::Null), "{text}");
    }
    assert!(value("Append([a], \"x\")", &Value::from("")) == Ok(Value::from("x")));
}

#[test]
fn a_scim_path_may_have_brackets_of_its_own() {
    let expression =
        Expression::parse(r#"ToLower([emails[type eq "wo]rk"].value])"#).expect("an expression");
    assert_eq!(
        expression.attributes(),
        [r#"emails[type eq "wo]rk"].value"#]
    );
}

#[test]
fn comparisons_take_numbers_as_numbers_and_dates_as_dates() {
    for (text, holds) in [
        ("CBool([a] > 9)", true),
        ("CBool([a] >= 10)", true),
        ("CBool([a] < 9)", false),
        ("CBool([a] <> 10)", false),
        ("CBool([a] = \"10\")", true),
        ("CBool(CDate(\"2026-01-02\") > CDate(\"2025-12-31\"))", true),
        (
            "CBool(CDate(\"2026-01-02\") = \"1/2/2026 12:00:00 AM\")",
            true,
        ),
        ("CBool(\"a\" = \"A\")", false),
        ("CBool([b] <> \"x\")", true),
    ] {
        assert!(
            value(text, &Value::from("10")) == Ok(Value::Boolean(holds)),
            "{text}"
        );
    }
}

#[test]
fn dotnet_patterns_mean_what_they_mean_there() {
    let table = [
        (r#"Replace([a], , "[[]", , "(", , )"#, "x[y", "x(y"),
        (r#"Replace([a], , "[]x]", , "-", , )"#, "x]y", "--y"),
        (r#"Replace([a], , "[a&&b]", , "-", , )"#, "a&b", "---"),
        (r#"Replace([a], , "\<(\w+)\>", , "$1", , )"#, "<ana>", "ana"),
        (
            r#"Replace([a], , "(\d)(?<n>x)?", , "$1${n}$$$9", , )"#,
            "7",
            "7$$9",
        ),
        (
            r#"Replace([a], , "\w+", , "<$&>", , )"#,
            "ana ruiz",
            "<ana> <ruiz>",
        ),
    ];
    for (text, given, expected) in table {
        assert!(
            value(text, &Value::from(given)) == Ok(Value::from(expected)),
            "{text}: {:?}",
            value(text, &Value::from(given)).map(|v| v.to_text().map(std::borrow::Cow::into_owned))
        );
    }
}

/// Some expression, as text.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "\\[[a-zA-Z][a-zA-Z0-9.:]{0,8}\\]",
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{escaped}\"")
        }),
        Just("vbTextCompare".to_owned()),
        Just("True".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("Trim({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("Append({a} ,{b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("IIF({a} <> {b}, {b}, {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("Replace({a},\"x\",,,{b},,)")),
            prop::collection::vec(inner, 1..4).prop_map(|list| format!(
                "Switch([a],,{})",
                list.iter()
                    .map(|v| format!("{v},{v}"))
                    .collect::<Vec<_>>()
                    .join(",")
            )),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Ok(parsed) = Expression::parse(&text) {
            let _ = parsed.evaluate("", &|_| Value::text("x"), &Nowhere);
        }
    }

    #[test]
    fn any_words_are_read_or_refused(text in r#"([A-Z][a-z]{0,8}|[\[\]()",<>=&\\ 0-9])*"#) {
        if let Ok(parsed) = Expression::parse(&text) {
            let _ = parsed.evaluate("", &|_| Value::Null, &Nowhere);
        }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same(text in any_expression()) {
        let parsed = Expression::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let printed = parsed.to_string();
        let again = Expression::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert_eq!(&again, &parsed);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn evaluating_never_fails_but_with_an_error(text in any_expression(), given in any::<String>()) {
        if let Ok(parsed) = Expression::parse(&text) {
            let _ = parsed.evaluate("", &|_| Value::text(given.as_str()), &Nowhere);
        }
    }
}
