//! A cycle: staged records become users, and each becomes a row of the log.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::clock::later;
use super::people::{ENTERPRISE, User};
use super::world::{LogRow, Staged, World};

/// What was done to one person.
struct Done {
    action: &'static str,
    result: Result<&'static str, (String, String)>,
    id: String,
}

impl World {
    /// Everything that was staged by then.
    pub(super) fn cycle(&mut self, at: Timestamp) {
        let cycle = Uuid::new_v4();
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.staged)
            .into_iter()
            .partition(|staged| staged.at <= at);
        self.staged = rest;
        let newer = |old: &Staged| !due.iter().any(|new| key(&new.data) == key(&old.data));
        let again: Vec<_> = std::mem::take(&mut self.escrow)
            .into_iter()
            .filter(newer)
            .collect();
        let all = again.into_iter().map(|s| (s, true));
        for (staged, again) in all.chain(due.into_iter().map(|s| (s, false))) {
            let done = self.take_in(&staged.data);
            let failed = done.result.is_err();
            // A failure that stays one is no news.
            if !(again && failed) {
                self.write_row(at, cycle, &staged.data, &done);
            }
            if failed {
                self.escrow.push(staged);
            }
        }
        self.people.resolve_managers();
        self.last_cycle = Some((at, later(at, Duration::from_secs(1))));
    }

    fn take_in(&mut self, data: &Map<String, Value>) -> Done {
        let key = key(data).to_owned();
        let known = self.people.employee(&key).map(str::to_owned);
        let action = if known.is_some() { "update" } else { "create" };
        let failed = |code: &str, reason: String| Done {
            action,
            result: Err((code.to_owned(), reason)),
            id: known.clone().unwrap_or_default(),
        };
        if let Some(code) = self.fail_next.pop_front() {
            return failed(&code, "as the test wanted it".to_owned());
        }
        if key.is_empty() {
            let why = "the matching attribute externalId has no value";
            return failed("ImportSkipped", why.to_owned());
        }
        let old = known.as_ref().and_then(|id| self.people.users.get(id));
        let mut new = old.cloned().unwrap_or_default();
        self.flow(data, &mut new);
        if let Some((code, reason)) = self.invalid(&new, known.as_deref()) {
            return failed(code, reason);
        }
        let action = match old {
            Some(old) if old.enabled && !new.enabled => "disable",
            Some(_) => "update",
            None => "create",
        };
        let changed = old != Some(&new);
        let id = if changed {
            self.people.put(known.as_deref(), new)
        } else {
            known.unwrap_or_default()
        };
        Done {
            action: if changed { action } else { "other" },
            result: Ok(if changed { "success" } else { "skipped" }),
            id,
        }
    }

    /// The attributes of a record into a user.
    fn flow(&self, data: &Map<String, Value>, user: &mut User) {
        user.employee_id = Some(key(data).to_owned());
        // The trap: what is left out is no `true`.
        user.enabled = data.get("active").and_then(Value::as_bool).unwrap_or(false);
        if self.settings.flow_null {
            user.attributes.clear();
        }
        for (name, value) in data {
            match name.as_str() {
                "active" | "externalId" | "schemas" => {}
                urn if urn == ENTERPRISE => {}
                _ => put(&mut user.attributes, name, value, self.settings.flow_null),
            }
        }
        let mut enterprise = data
            .get(ENTERPRISE)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let manager = enterprise.remove("manager");
        put(
            &mut user.attributes,
            ENTERPRISE,
            &enterprise.into(),
            self.settings.flow_null,
        );
        match manager.as_ref().map(|manager| &manager["value"]) {
            Some(Value::String(key)) if !key.is_empty() => {
                let id = self.people.employee(key).map(str::to_owned);
                user.awaited_manager = id.is_none().then(|| key.clone());
                user.manager = id;
            }
            None if !self.settings.flow_null => {}
            _ => {
                user.manager = None;
                user.awaited_manager = None;
            }
        }
    }

    fn invalid(&self, user: &User, id: Option<&str>) -> Option<(&'static str, String)> {
        let name = user.name();
        if name.is_empty() || !user.attributes.contains_key("displayName") {
            let why = "userPrincipalName and displayName are mandatory";
            return Some(("MandatoryFieldsMissing", why.to_owned()));
        }
        let domain = match name.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !name.contains(' ') => domain,
            _ => {
                let why = format!("'{name}' is no valid userPrincipalName");
                return Some(("UnprocessableEntity", why));
            }
        };
        let domains = &self.settings.domains;
        if !domains.is_empty() && !domains.iter().any(|d| d.eq_ignore_ascii_case(domain)) {
            let why = format!("the domain '{domain}' is not verified");
            return Some(("InvalidDomain", why));
        }
        if self
            .people
            .named(name)
            .is_some_and(|other| id != Some(other))
        {
            let why = format!(
                "Another object with the same value for property userPrincipalName '{name}' already exists."
            );
            return Some(("EntryConflict", why));
        }
        None
    }

    fn write_row(&mut self, at: Timestamp, cycle: Uuid, data: &Map<String, Value>, done: &Done) {
        let (least, most) = self.settings.lag;
        // Some rows appear sooner than others; which ones is the same in every run.
        let sixths = u32::try_from(self.log.len() % 7).unwrap_or_default();
        let spread = most.saturating_sub(least) * sixths / 6;
        let name = data.get("displayName").and_then(Value::as_str);
        let name = name.unwrap_or_default();
        let (status, error) = match &done.result {
            Ok(status) => (*status, Value::Null),
            Err((code, reason)) => {
                let error = json!({
                    "errorCode": code,
                    "reason": reason,
                    "additionalDetails": null,
                    "errorCategory": "nonServiceFailure",
                    "recommendedAction": "Change the record at its source and send it again.",
                });
                ("failure", error)
            }
        };
        let step = |name: &str, kind: &str, status: &str, description: &str| {
            json!({
                "name": name, "provisioningStepType": kind, "status": status,
                "description": description, "details": {},
            })
        };
        let what = match &done.result {
            Ok("success") => format!("User '{}' was written", key(data)),
            Ok(_) => "The state of the entry in both systems already matches".to_owned(),
            Err((_, reason)) => reason.clone(),
        };
        let row = json!({
            "id": Uuid::new_v4(),
            "activityDateTime": at.to_string(),
            "tenantId": self.settings.tenant,
            "jobId": self.settings.job,
            "cycleId": cycle,
            "changeId": Uuid::new_v4(),
            "provisioningAction": done.action,
            "durationInMilliseconds": 12,
            "initiatedBy": {
                "id": "", "displayName": "Azure AD Provisioning Service", "initiatorType": "system",
            },
            "servicePrincipal": {"id": self.settings.principal, "displayName": "Stand-in"},
            "sourceSystem": {"id": Uuid::nil(), "displayName": "API", "details": {}},
            "targetSystem": {"id": Uuid::nil(), "displayName": "Azure Active Directory", "details": {}},
            "sourceIdentity": {
                "id": key(data), "displayName": name, "identityType": "User", "details": {},
            },
            "targetIdentity": {
                "id": done.id, "displayName": name, "identityType": "User", "details": {},
            },
            "provisioningStatusInfo": {"status": status, "errorInformation": error},
            "provisioningSteps": [
                step("EntryImportAdd", "import", "success", "Received from the API"),
                step("EntryExportUpdate", "export", status, &what),
            ],
            "modifiedProperties": [],
        });
        self.log.push(LogRow {
            visible: later(at, least + spread),
            at,
            row,
        });
    }
}

fn key(data: &Map<String, Value>) -> &str {
    data.get("externalId")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Null flows only where "Flow null values" is on; a complex attribute flows part by part.
fn put(attributes: &mut Map<String, Value>, name: &str, value: &Value, flow_null: bool) {
    match value {
        Value::Null if flow_null => drop(attributes.remove(name)),
        Value::Null => {}
        Value::Object(parts) => {
            let mut inner = match attributes.remove(name) {
                Some(Value::Object(inner)) => inner,
                _ => Map::new(),
            };
            for (name, value) in parts {
                put(&mut inner, name, value, flow_null);
            }
            if !inner.is_empty() {
                attributes.insert(name.to_owned(), inner.into());
            }
        }
        value => drop(attributes.insert(name.to_owned(), value.clone())),
    }
}
