//! Roles, as the three expressions for app roles send them.

use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::Mandatory;
use super::super::case::Stop;
use super::super::play::{Play, skip};
use super::{ATTRIBUTES, UNPARSED, WRONG_DATA};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "roles/json-in-text",
        name: "AppRoleAssignmentsComplex: JSON in a text is the role it describes",
        source: ATTRIBUTES,
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                offered(t)?;
                let user = t.user().await?;
                let inner =
                    json!({ "id": "1", "value": "Admin", "displayName": "Admin" }).to_string();
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Add", "path": "roles", "value": [{ "value": inner }] }]),
                    )
                    .await?;
                t.expect(
                    roles(&there) == ["Admin"],
                    "one role with `value` \"Admin\"",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "roles/replaced",
        name: "AssertiveAppRoleAssignmentsComplex: a list replaces the whole set",
        source: ATTRIBUTES,
        level: Mandatory,
        entra: "people keep roles that were taken from them",
        run: |t| {
            Box::pin(async move {
                offered(t)?;
                let user = t.user().await?;
                for (set, expected) in [
                    (
                        json!([{ "value": "Admin" }, { "value": "Auditor" }]),
                        vec!["Admin", "Auditor"],
                    ),
                    (
                        json!([{ "value": "User", "display": "User", "primary": "True" }]),
                        vec!["User"],
                    ),
                ] {
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": "replace", "path": "roles", "value": set }]),
                        )
                        .await?;
                    t.expect(
                        roles(&there) == expected,
                        format!("the roles are {expected:?}"),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "roles/primary",
        name: "SingleAppRoleAssignment: roles[primary eq \"True\"] finds or creates the primary role",
        source: ATTRIBUTES,
        level: Mandatory,
        entra: UNPARSED,
        run: |t| {
            Box::pin(async move {
                offered(t)?;
                let user = t.user().await?;
                for role in ["Auditor", "Reader"] {
                    let there = t.change(t.users(), &user.id, json!([
                    { "op": "Replace", "path": "roles[primary eq \"True\"].value", "value": role }])).await?;
                    t.expect(
                        roles(&there) == [role],
                        format!("one role with `value` \"{role}\""),
                    );
                    let primary = &there["roles"][0]["primary"];
                    t.expect_or(
                        *primary == true,
                        "`primary` is the JSON boolean true",
                        format!("it is {primary}"),
                    );
                }
                Ok(())
            })
        },
    },
];

fn offered(t: &Play<'_>) -> Result<(), Stop> {
    if t.users().advertises("roles") {
        Ok(())
    } else {
        Err(skip("the server does not advertise `roles`"))
    }
}

fn roles(user: &Value) -> Vec<&str> {
    let mut roles: Vec<_> = user["roles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|role| role["value"].as_str())
        .collect();
    roles.sort_unstable();
    roles
}
