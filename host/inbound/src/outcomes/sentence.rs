//! One sentence of what happened to a person, why, and what to do: for somebody who has never seen a provisioning log.

use super::row::{Row, RowError, Status};

/// What Entra's codes mean, and whether the same record may succeed when it is sent again.
const CODES: [(&str, &str, bool); 19] = [
    (
        "EntryConflict",
        "another object in Entra has the same unique value, mostly the user principal name",
        false,
    ),
    (
        "Conflict",
        "another object in Entra has the same unique value, mostly the user principal name",
        false,
    ),
    (
        "DuplicateTargetEntries",
        "several accounts in Entra match this person: give the matching attribute to one of them only",
        false,
    ),
    (
        "DuplicateSourceEntries",
        "several records of the source match the same account",
        false,
    ),
    (
        "InvalidDomain",
        "the domain of the user principal name is not verified in the tenant",
        false,
    ),
    (
        "MandatoryFieldsMissing",
        "an attribute that Entra requires is missing",
        false,
    ),
    (
        "MissingValues",
        "an attribute that Entra requires is missing",
        false,
    ),
    (
        "SchemaAttributeNotFound",
        "the mapping names an attribute that is not in the schema of the provisioning app",
        false,
    ),
    (
        "SchemaPropertyCanOnlyAcceptValue",
        "an attribute has a value of the wrong kind",
        false,
    ),
    (
        "UnprocessableEntity",
        "Entra does not accept one of the values",
        false,
    ),
    (
        "LicenseLimitExceeded",
        "the tenant has no licence left for this person",
        false,
    ),
    (
        "InsufficientRights",
        "the provisioning service may not change this account",
        false,
    ),
    (
        "NotPermitted",
        "the provisioning service may not change this account",
        false,
    ),
    (
        "EntrySynchronizationSkipped",
        "the person is out of the job's scope, or nothing had changed",
        false,
    ),
    (
        "ImportSkipped",
        "the record was not taken: its matching attribute is empty, or it is out of scope",
        false,
    ),
    ("TooManyRequests", "Entra was throttled by itself", true),
    ("InternalServerError", "Entra failed", true),
    ("Timeout", "Entra took too long", true),
    (
        "WebExceptionProtocolError",
        "Entra could not reach its own directory",
        true,
    ),
];

/// The sentence.
pub(super) fn of(row: &Row) -> String {
    let who = match &row.name {
        Some(name) if *name != row.key => format!("{} ({name})", row.key),
        _ => row.key.clone(),
    };
    let action = row.action.to_ascii_lowercase();
    let (done, not_done) = match action.as_str() {
        "create" => ("was created", "could not be created"),
        "update" => ("was updated", "could not be updated"),
        "disable" => ("was disabled", "could not be disabled"),
        "delete" => ("was deleted", "could not be deleted"),
        "stageddelete" => (
            "is kept back by the accidental-deletion threshold",
            "could not be kept back",
        ),
        _ => ("was processed", "could not be processed"),
    };
    let head = match row.status {
        Status::Success => return format!("{who} {done} in Entra"),
        Status::Warning => format!("{who} {done} in Entra, with a warning"),
        Status::Skipped => format!("{who} was skipped by Entra"),
        Status::Failure => format!("{who} {not_done} in Entra"),
    };
    let Some(error) = &row.error else {
        return head;
    };
    let mut parts = Vec::new();
    if let Some(meaning) = meaning(error) {
        parts.push(meaning.to_owned());
    }
    if !error.reason.is_empty() {
        parts.push(format!(
            "Entra says: {}",
            error.reason.trim_end_matches('.')
        ));
    }
    if let Some(recommended) = &error.recommended {
        parts.push(format!("to do: {}", recommended.trim_end_matches('.')));
    }
    let code = match error.code.as_str() {
        "" => String::new(),
        code => format!(" [{code}]"),
    };
    if parts.is_empty() {
        parts.push("no reason given".to_owned());
    }
    format!("{head}: {}{code}", parts.join("; "))
}

fn known(code: &str) -> Option<&'static (&'static str, &'static str, bool)> {
    let prefix = "AzureActiveDirectory";
    let code = code.strip_prefix(prefix).unwrap_or(code);
    CODES
        .iter()
        .find(|(known, ..)| known.eq_ignore_ascii_case(code))
}

fn meaning(error: &RowError) -> Option<&'static str> {
    known(&error.code).map(|(_, meaning, _)| *meaning)
}

/// Whether sending the same record again may help. A code that nobody knows may be a passing trouble.
pub(super) fn may_pass(error: &RowError) -> bool {
    known(&error.code).is_none_or(|(.., may_pass)| *may_pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_who_what_why_and_what_to_do() {
        let row = Row {
            at: "2026-11-21T10:20:00Z".parse().unwrap(),
            key: "10042".into(),
            name: Some("Ana Ruiz".into()),
            target_id: None,
            action: "create".into(),
            cycle: None,
            status: Status::Failure,
            is_in_sync: false,
            error: Some(RowError {
                code: "EntryConflict".into(),
                reason: "aruiz@contoso.com is taken.".into(),
                recommended: Some("Choose another name.".into()),
                category: None,
            }),
        };
        assert_eq!(
            of(&row),
            "10042 (Ana Ruiz) could not be created in Entra: another object in Entra has the same unique value, mostly the \
             user principal name; Entra says: aruiz@contoso.com is taken; to do: Choose another name [EntryConflict]"
        );
        assert!(!may_pass(row.error.as_ref().unwrap()));
        assert!(may_pass(&RowError::default()));
    }
}
