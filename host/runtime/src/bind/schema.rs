//! JSON Schemas: the contract's own, and the one that a connector gives for its settings.

use std::sync::LazyLock;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// What `describe` answers.
pub(crate) static DESCRIBE: LazyLock<Schema> =
    LazyLock::new(|| Schema::own(include_str!("../../../../wit/describe.schema.json")));
/// What the manifest says.
pub(crate) static MANIFEST: LazyLock<Schema> =
    LazyLock::new(|| Schema::own(include_str!("../../../../wit/manifest.schema.json")));

/// Most complaints in one message.
const COMPLAINTS: usize = 8;

/// A compiled schema.
pub(crate) struct Schema(Validator);

impl Schema {
    /// One of the contract's own, which tests prove to compile.
    fn own(text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).expect("the contract's schemas are JSON");
        Self::new(&schema).expect("the contract's schemas are JSON Schemas")
    }

    /// Someone else's. Its patterns run on an engine without backtracking, and references leave it nowhere:
    /// the crate is built without file and network access.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let pattern = PatternOptions::regex().size_limit(1 << 20);
        jsonschema::options()
            .with_pattern_options(pattern)
            .build(schema)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Every complaint, each with the place it is about.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        let complaints: Vec<String> = self
            .0
            .iter_errors(value)
            .take(COMPLAINTS)
            .map(|error| {
                let place = error.instance_path().to_string();
                let place = place.trim_start_matches('/').replace('/', ".");
                // The value itself stays out: a setting may be what its author should have made a secret.
                let what = error.masked();
                if place.is_empty() {
                    what.to_string()
                } else {
                    format!("`{place}`: {what}")
                }
            })
            .collect();
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_contracts_own_schemas_compile() {
        assert!(DESCRIBE.check(&json!({})).unwrap_err().contains("kinds"));
        assert!(
            MANIFEST
                .check(&json!({"name": "x", "version": "1", "wit": "1.0.0"}))
                .is_ok()
        );
    }

    #[test]
    fn a_complaint_names_the_key_and_not_the_value() {
        let schema =
            Schema::new(&json!({"properties": {"a": {"properties": {"b": {"type": "integer"}}}}}))
                .unwrap();
        let complaint = schema.check(&json!({"a": {"b": "hunter2"}})).unwrap_err();
        assert!(complaint.starts_with("`a.b`:"), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }

    #[test]
    fn a_schema_that_points_elsewhere_is_refused() {
        assert!(Schema::new(&json!({"$ref": "file:///etc/passwd"})).is_err());
        assert!(Schema::new(&json!({"$ref": "http://127.0.0.1/x"})).is_err());
    }
}
