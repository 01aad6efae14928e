//! A row of the provisioning log (`provisioningObjectSummary`). Read leniently: a row with a part missing is still a row,
//! and one that names nobody is skipped.

use jiff::Timestamp;
use serde_json::Value;

use crate::wire::line;

/// What was done to one person in one cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub at: Timestamp,
    /// `sourceIdentity.id`: the source's key.
    pub key: String,
    /// What they are called there.
    pub name: Option<String>,
    /// The person in Entra.
    pub target_id: Option<String>,
    /// `create`, `update`, `disable`, `delete`, `stageddelete`, `other`.
    pub action: String,
    /// The cycle.
    pub cycle: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Entra has the record as it was sent: nothing is left to do, whatever the row is called.
    pub is_in_sync: bool,
    /// Why, if it did not end well.
    pub error: Option<RowError>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Done.
    Success,
    /// Done, but for something.
    Warning,
    /// Not done, on purpose: out of scope, or nothing to do.
    Skipped,
    /// Not done.
    Failure,
}

/// `errorInformation`, and where that says nothing, the step that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowError {
    /// Entra's code.
    pub code: String,
    /// Entra's words.
    pub reason: String,
    /// What Entra says should be done.
    pub recommended: Option<String>,
    /// `failure`, `nonServiceFailure`, …
    pub category: Option<String>,
}

impl Status {
    fn read(text: &str) -> Option<Self> {
        let known = [
            ("success", Self::Success),
            ("warning", Self::Warning),
            ("skipped", Self::Skipped),
            ("failure", Self::Failure),
        ];
        known
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, status)| status)
    }
}

/// A row, if it is one.
pub(super) fn read(row: &Value) -> Option<Row> {
    let at: Timestamp = row["activityDateTime"].as_str()?.parse().ok()?;
    let source = &row["sourceIdentity"];
    let key = source["id"].as_str().filter(|key| !key.is_empty())?;
    let info = &row["provisioningStatusInfo"];
    let status = Status::read(info["status"].as_str()?)?;
    let text = |value: &Value| {
        let text = value.as_str().map(line)?;
        (!text.is_empty()).then_some(text)
    };
    let error = (status != Status::Success).then(|| {
        let told = &info["errorInformation"];
        RowError {
            code: text(&told["errorCode"]).unwrap_or_default(),
            reason: text(&told["reason"])
                .or_else(|| step(row, status))
                .unwrap_or_default(),
            recommended: text(&told["recommendedAction"]),
            category: text(&told["errorCategory"]),
        }
    });
    Some(Row {
        at,
        key: key.to_owned(),
        name: text(&source["displayName"]),
        target_id: text(&row["targetIdentity"]["id"]),
        action: text(&row["provisioningAction"]).unwrap_or_else(|| "other".to_owned()),
        cycle: text(&row["cycleId"]),
        status,
        is_in_sync: match status {
            Status::Success | Status::Warning => true,
            Status::Skipped => is_redundant(row),
            Status::Failure => false,
        },
        error,
    })
}

/// Entra skips what would change nothing.
fn is_redundant(row: &Value) -> bool {
    const CODE: &str = "RedundantExport";
    let steps = row["provisioningSteps"].as_array();
    row["provisioningStatusInfo"]["errorInformation"]["errorCode"] == CODE
        || steps.into_iter().flatten().any(|step| {
            let says = step["description"].as_str().unwrap_or_default();
            step["details"]["SkipReason"] == CODE || says.contains("already match")
        })
}

/// What the last step that ended like the whole says.
fn step(row: &Value, status: Status) -> Option<String> {
    let steps = row["provisioningSteps"].as_array()?;
    let alike = steps
        .iter()
        .rev()
        .find(|step| step["status"].as_str().and_then(Status::read) == Some(status))?;
    let text = alike["description"].as_str().map(line)?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_change_nothing_is_done() {
        let mut row = json!({
            "activityDateTime": "2026-11-21T10:00:00Z", "sourceIdentity": {"id": "7"}, "provisioningAction": "update",
            "provisioningStatusInfo": {"status": "skipped", "errorInformation": null},
            "provisioningSteps": [{"status": "skipped", "description": "Out of scope"}],
        });
        assert!(!read(&row).unwrap().is_in_sync);
        row["provisioningSteps"][0]["description"] =
            json!("The state of the entry in both systems already matches");
        let read = read(&row).unwrap();
        assert!(
            read.is_in_sync && read.status == Status::Skipped,
            "{read:?}"
        );
    }

    #[test]
    fn a_row_without_an_error_of_its_own_has_its_last_steps() {
        let row = json!({
            "activityDateTime": "2026-11-21T10:20:00Z",
            "sourceIdentity": {"id": "10042", "displayName": "Ana Ruiz"},
            "targetIdentity": {"id": ""},
            "provisioningAction": "other",
            "provisioningStatusInfo": {"status": "skipped", "errorInformation": null},
            "provisioningSteps": [
                {"status": "success", "description": "Received"},
                {"status": "skipped", "description": "Out of\nscope"},
            ],
        });
        let row = read(&row).unwrap();
        assert_eq!(row.error.unwrap().reason, "Out of scope");
        assert_eq!(row.target_id, None);
        assert_eq!(row.status, Status::Skipped);
    }

    /// Any JSON, from the names that a row has.
    pub(in crate::outcomes) fn any_json() -> impl Strategy<Value = Value> {
        let name = prop::sample::select(vec![
            "activityDateTime",
            "sourceIdentity",
            "id",
            "displayName",
            "provisioningStatusInfo",
            "status",
            "errorInformation",
            "reason",
            "provisioningSteps",
            "description",
            "value",
            "@odata.nextLink",
            "error",
            "message",
            "lastExecution",
            "code",
            "timeBegan",
            "quarantine",
        ]);
        let text = prop::sample::select(vec![
            "failure",
            "success",
            "2026-11-21T10:20:00Z",
            "9999-99-99",
            "",
            "10042",
            "https://x/",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..8).prop_map(|pairs| {
                    pairs
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect::<serde_json::Map<_, _>>()
                        .into()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_a_row_or_none(row in any_json()) {
            if let Some(row) = read(&row) {
                prop_assert!(!row.key.is_empty());
            }
        }
    }
}
