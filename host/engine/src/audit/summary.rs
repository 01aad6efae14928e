//! An account as Entra's provisioning log would show it: Graph's `provisioningObjectSummary`. One query then finds both
//! sides of an operation, by `changeId`.

use serde_json::{Map, Value, json};

use super::account::{Account, Action, CallMade, Outcome};

/// See the module.
pub fn summary(account: &Account) -> Value {
    let identity = json!({
        "id": account.resource,
        "displayName": account.name,
        "identityType": account.kind,
        "details": { "anchor": account.anchor },
    });
    json!({
        "id": account.id,
        "activityDateTime": account.at,
        "changeId": account.by.activity,
        "provisioningAction": action(account),
        "durationInMilliseconds": account.us / 1000,
        "initiatedBy": {
            "id": account.by.request,
            "displayName": account.by.operator.as_ref().or(account.by.credential.as_ref()),
            "initiatorType": match (&account.by.operator, &account.by.credential) {
                (Some(_), _) => "user",
                (None, Some(_)) => "application",
                (None, None) => "system",
            },
        },
        "servicePrincipal": { "displayName": account.app },
        "sourceSystem": { "displayName": "SCIM client" },
        "targetSystem": { "displayName": account.app },
        "sourceIdentity": identity,
        "targetIdentity": identity,
        "provisioningStatusInfo": status(account),
        "provisioningSteps": account.calls.iter().map(|call| step(account, call)).collect::<Vec<_>>(),
        "modifiedProperties": modified(&account.before, &account.after, account),
        "tombolo": {
            "action": account.action,
            "outcome": account.outcome,
            "settled": account.settled,
            "undoes": account.undoes,
            "held": account.held,
            "groups": account.groups,
        },
    })
}

fn action(account: &Account) -> &'static str {
    match account.action {
        Action::Create => "create",
        Action::Update | Action::Enable | Action::Members | Action::Password => "update",
        Action::Disable => "disable",
        Action::Delete => "delete",
        Action::Hold => "stageddelete",
        Action::Vanish
        | Action::Reject
        | Action::HandOver
        | Action::Pause
        | Action::Resume
        | Action::Import
        | Action::Adopt
        | Action::Retention => "other",
    }
}

fn status(account: &Account) -> Value {
    let word = match account.outcome {
        Outcome::Success => "success",
        Outcome::Unchanged | Outcome::Held | Outcome::Skipped => "skipped",
        Outcome::Failure => "failure",
        Outcome::Unknown => "warning",
    };
    let error = account.problem.as_ref().map(|problem| {
        json!({
            "errorCode": error_code(problem.status),
            "reason": problem.detail,
            "additionalDetails": problem.code,
            "errorCategory": if problem.status >= 500 { "failure" } else { "nonServiceFailure" },
        })
    });
    json!({ "status": word, "errorInformation": error })
}

/// Entra's own words for a status, so that one search finds both sides.
fn error_code(status: u16) -> String {
    match status {
        409 => "EntryConflict".to_owned(),
        429 => "TooManyRequests".to_owned(),
        404 => "InvalidAnchor".to_owned(),
        501 => "NotImplemented".to_owned(),
        500 => "InternalServerError".to_owned(),
        other => format!("HttpStatus{other}"),
    }
}

fn step(account: &Account, call: &CallMade) -> Value {
    json!({
        "name": format!("EntryExport{}", if account.action == Action::Create { "Add" } else { "Update" }),
        "provisioningStepType": "export",
        "status": if call.answer == "ok" { "success" } else { "failure" },
        "description": format!("connector call `{}`: {}", call.call, call.answer),
        "details": { "durationInMicroseconds": call.us },
    })
}

fn modified(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    account: &Account,
) -> Vec<Value> {
    let names = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)));
    let mut rows: Vec<Value> = names
        .map(|name| {
            json!({
                "displayName": name,
                "oldValue": before.get(name).map(text),
                "newValue": after.get(name).map(text),
            })
        })
        .collect();
    if let Some(members) = &account.members {
        rows.extend(members.removed.iter().map(
            |id| json!({ "displayName": "members", "oldValue": id, "newValue": Value::Null }),
        ));
        rows.extend(members.added.iter().map(
            |id| json!({ "displayName": "members", "oldValue": Value::Null, "newValue": id }),
        ));
    }
    rows
}

/// Graph has text there.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
