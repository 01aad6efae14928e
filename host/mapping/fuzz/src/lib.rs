//! What holds of the mapping's parsers for any input at all; each target in `fuzz_targets/` is one of these functions.
//!
//! `cargo xtask fuzz --seconds 600 expression` runs one. The corpus under `corpus/` is committed: it holds Microsoft's own
//! samples.

use tombolo_mapping::bring::document::Schema;
use tombolo_mapping::bring::{entra, mim};
use tombolo_mapping::expression::{Expression, Nowhere, Outcome, Value};

/// Printing what was parsed and parsing it again changes nothing; evaluating it ends, in a value of bounded size or in an
/// error that repeats no value.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(parsed) = Expression::parse(text) else {
        return;
    };
    let printed = parsed.to_string();
    // The canonical spelling has blanks after commas: it may be the longer one.
    if printed.chars().count() <= tombolo_mapping::expression::MAX_LENGTH {
        let again = Expression::parse(&printed).expect("what is printed can be parsed");
        assert_eq!(again, parsed, "{text:?} is printed as {printed:?}");
    }
    for value in [
        Value::Null,
        Value::text("Zoë 17"),
        Value::text("2026-01-31T12:00:00Z"),
        Value::Many(vec!["a".into(), "b".into()]),
    ] {
        match parsed.evaluate("x", &|_| value.clone(), &Nowhere) {
            Ok(Outcome::Value(Value::Text(text))) => assert!(text.len() <= 1 << 20),
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A file of another product is brought over or refused.
pub fn agent(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(agent) = mim::Agent::read(text) {
        for object in agent.objects() {
            let _ = mim::bring(&agent, &object, None);
        }
    }
    if let Ok(schema) = Schema::read(text) {
        for object in entra::objects(&schema) {
            let _ = entra::bring(&schema, &object, None);
        }
    }
}
