//! The provisioning log: one `provisioningObjectSummary` a line (entra.md 3.3).

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::dice::Dice;
use super::escrow::Entry;
use super::failure::Failure;

/// The log's `provisioningAction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// A new object in the target.
    Create,
    /// A changed one.
    Update,
    /// One that is `active` no more.
    Disable,
    /// One that is gone.
    Delete,
    /// One that would be gone but for the accidental-deletion threshold.
    StagedDelete,
    /// Anything else: nothing to do, or a disable that is held back.
    Other,
}

impl Action {
    /// As the log has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::StagedDelete => "stageddelete",
            Self::Other => "other",
        }
    }
}

/// How a step or an object ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Skipped,
    Failure,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Skipped => "skipped",
            Self::Failure => "failure",
        }
    }
}

/// The log's `provisioningStepType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepType {
    Import,
    Scoping,
    Matching,
    ReferenceResolution,
    Export,
}

impl StepType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Scoping => "scoping",
            Self::Matching => "matching",
            Self::ReferenceResolution => "referenceResolution",
            Self::Export => "export",
        }
    }
}

/// One step of an object's way.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kind: StepType,
    pub(crate) name: &'static str,
    pub(crate) status: Status,
    pub(crate) description: String,
}

/// One attribute that was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Modified {
    pub(crate) name: String,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
}

/// What happened to one object.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) entry: Entry,
    pub(crate) display_name: String,
    pub(crate) target: Option<String>,
    pub(crate) action: Action,
    pub(crate) status: Status,
    pub(crate) failure: Option<Failure>,
    pub(crate) steps: Vec<Step>,
    pub(crate) modified: Vec<Modified>,
    pub(crate) took: std::time::Duration,
}

/// What is the same in every row of a job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) seed: u64,
    pub(crate) url: String,
    pub(crate) id: String,
    tenant: Uuid,
    principal: Uuid,
}

impl Job {
    pub(crate) fn new(seed: u64, url: &str) -> Self {
        let mut dice = Dice::of(seed, "job", 0);
        let tenant = dice.guid();
        Self {
            seed,
            url: url.to_owned(),
            // Entra's ids of SCIM jobs begin with the template's name.
            id: format!("scim.{}.{}", tenant.simple(), dice.guid()),
            tenant,
            principal: dice.guid(),
        }
    }

    /// The id of a cycle; its requests carry it as their ActivityId.
    pub(crate) fn cycle(&self, number: u64) -> Uuid {
        Dice::of(self.seed, "cycle", number).guid()
    }

    /// A row as JSON.
    pub(crate) fn row(&self, row: &Row, cycle: u64, at: Timestamp) -> Value {
        let mut dice = Dice::of(
            self.seed,
            &format!("{} {}", row.entry.what(), row.entry.id()),
            cycle,
        );
        let kind = match row.entry {
            Entry::User(_) | Entry::Manager(_) => "User",
            Entry::Group(_) | Entry::Members(_) => "Group",
        };
        let error = row.failure.as_ref().map(|failure| {
            json!({
                "errorCode": failure.code.name(),
                "reason": failure.reason,
                "additionalDetails": null,
                "errorCategory": "nonServiceFailure",
                "recommendedAction": failure.code.recommended_action(),
            })
        });
        let steps = row.steps.iter().map(|step| {
            json!({
                "name": step.name,
                "provisioningStepType": step.kind.name(),
                "status": step.status.name(),
                "description": step.description,
                "details": {},
            })
        });
        let modified = row.modified.iter().map(|change| {
            json!({ "displayName": change.name, "oldValue": plain(change.old.as_ref()), "newValue": plain(change.new.as_ref()) })
        });
        json!({
            "id": dice.guid(),
            "activityDateTime": at,
            "tenantId": self.tenant,
            "jobId": self.id,
            "cycleId": self.cycle(cycle),
            "changeId": dice.guid(),
            "provisioningAction": row.action.name(),
            "durationInMilliseconds": u64::try_from(row.took.as_millis()).unwrap_or(u64::MAX),
            "initiatedBy": { "id": "", "displayName": "Tombolo simulator", "initiatorType": "system" },
            "servicePrincipal": { "id": self.principal, "displayName": self.url },
            "sourceSystem": { "id": self.tenant, "displayName": "Microsoft Entra ID (simulated)", "details": {} },
            "targetSystem": { "id": self.principal, "displayName": self.url, "details": {} },
            "sourceIdentity": { "id": row.entry.id(), "displayName": row.display_name, "identityType": kind, "details": {} },
            "targetIdentity": { "id": row.target, "displayName": row.display_name, "identityType": kind, "details": {} },
            "provisioningStatusInfo": { "status": row.status.name(), "errorInformation": error },
            "provisioningSteps": steps.collect::<Vec<_>>(),
            "modifiedProperties": modified.collect::<Vec<_>>(),
        })
    }
}

/// The log's values are texts.
fn plain(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null) => Value::Null,
        Some(Value::String(text)) => Value::from(text.as_str()),
        Some(Value::Bool(true)) => Value::from("True"),
        Some(Value::Bool(false)) => Value::from("False"),
        Some(other) => Value::from(other.to_string()),
    }
}

/// Where the rows go.
pub(crate) struct Log {
    job: Job,
    out: Option<Box<dyn Write + Send>>,
}

impl Log {
    pub(crate) fn new(job: Job, out: Option<Box<dyn Write + Send>>) -> Self {
        Self { job, out }
    }

    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    pub(crate) fn write(&mut self, row: &Row, cycle: u64, at: Timestamp) -> std::io::Result<()> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        serde_json::to_writer(&mut *out, &self.job.row(row, cycle, at))?;
        out.write_all(b"\n")
    }

    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::failure::ErrorCode;

    #[test]
    fn a_row_has_every_field_of_entras_log_and_the_same_ids_for_the_same_seed() {
        let row = Row {
            entry: Entry::User("7".to_owned()),
            display_name: "ana@x".to_owned(),
            target: None,
            action: Action::Create,
            status: Status::Failure,
            failure: Some(Failure::new(ErrorCode::EntryConflict, "taken")),
            steps: vec![Step {
                kind: StepType::Export,
                name: "EntryExportAdd",
                status: Status::Failure,
                description: "taken".to_owned(),
            }],
            modified: vec![Modified {
                name: "active".to_owned(),
                old: None,
                new: Some(json!(true)),
            }],
            took: std::time::Duration::from_millis(5),
        };
        let job = Job::new(7, "https://x/scim");
        let line = job.row(&row, 2, Timestamp::UNIX_EPOCH);
        assert_eq!(
            line,
            Job::new(7, "https://x/scim").row(&row, 2, Timestamp::UNIX_EPOCH)
        );
        assert_ne!(
            line["changeId"],
            job.row(&row, 3, Timestamp::UNIX_EPOCH)["changeId"]
        );
        for field in [
            "id",
            "activityDateTime",
            "tenantId",
            "jobId",
            "cycleId",
            "changeId",
            "provisioningAction",
            "durationInMilliseconds",
            "initiatedBy",
            "servicePrincipal",
            "sourceSystem",
            "targetSystem",
            "sourceIdentity",
            "targetIdentity",
            "provisioningStatusInfo",
            "provisioningSteps",
            "modifiedProperties",
        ] {
            assert!(line.get(field).is_some(), "{field}");
        }
        assert_eq!(line["provisioningAction"], "create");
        assert_eq!(line["activityDateTime"], "1970-01-01T00:00:00Z");
        assert_eq!(line["provisioningStatusInfo"]["status"], "failure");
        assert_eq!(
            line["provisioningStatusInfo"]["errorInformation"]["errorCode"],
            "EntryConflict"
        );
        assert_eq!(
            line["provisioningSteps"][0]["provisioningStepType"],
            "export"
        );
        assert_eq!(
            line["modifiedProperties"],
            json!([{ "displayName": "active", "oldValue": null, "newValue": "True" }])
        );
    }
}
