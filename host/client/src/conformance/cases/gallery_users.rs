//! Microsoft's gallery template, users: what can be played from outside, by the template's numbers.
//!
//! Tests 1 to 6 are there a cycle of the provisioning service; here they are the requests of such a cycle. On-demand
//! provisioning (7) and the federated token (22) need Microsoft's side.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::attribute::{Attribute, Type};
use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::case::Stop;
use super::super::play::{Play, eq, manager, skip};
use super::{ESCROW, SECOND, WRONG_DATA};
use crate::http::Credentials;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "gallery/01-create-user",
        name: "A created user is found by userName",
        source: "Entra gallery test 1, Create_User",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let found = t
                    .hits(t.users(), &eq("userName", &json!(user.name)), "", 1)
                    .await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(user.id)),
                    "the one that was created",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/02-update-user",
        name: "Changed attributes arrive, an operation each",
        source: "Entra gallery test 2, Update_User",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let changes: Vec<_> = changeable(t)
                    .map(|attribute| (attribute, t.fresh(attribute)))
                    .collect();
                let operations: Vec<_> = changes.iter()
                .map(|(attribute, value)| json!({ "op": "Replace", "path": attribute.path(), "value": value }))
                .collect();
                let there = t.change(t.users(), &user.id, json!(operations)).await?;
                for (attribute, value) in &changes {
                    t.holds(&there, attribute, value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/03-disable-user",
        name: "A user can be disabled, and is still there",
        source: "Entra gallery test 3, Disable_User: soft delete is required",
        level: Mandatory,
        entra: "people who left keep their access",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Replace", "path": "active", "value": "False" }]),
                    )
                    .await?;
                t.expect(there["active"] == false, "`active` is false");
                let found = t
                    .hits(t.users(), &eq("userName", &json!(user.name)), "", 1)
                    .await?;
                t.expect(
                    found.first().is_some_and(|found| found["active"] == false),
                    "found by its name, with `active` false",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/04-delete-user",
        name: "A deleted user is gone, by id and by filter",
        source: "Entra gallery test 4, Delete_User",
        level: Optional,
        entra: "accounts of people who were purged from Entra stay",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t.delete(t.users(), &user.id).await?;
                t.status(&reply, &[204])?;
                let reply = t.read(t.users(), &user.id).await?;
                t.expect(reply.status == 404, "status 404 for its id");
                t.hits(t.users(), &eq("userName", &json!(user.name)), "", 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/05-user-manager",
        name: "A manager is assigned, changed and removed",
        source: "Entra gallery test 5, User_Update_Manager",
        level: Mandatory,
        entra: ESCROW,
        run: |t| Box::pin(manager_by_id(t, ["Add", "Replace"])),
    },
    Case {
        id: "gallery/06-restore-user",
        name: "A user who comes back is enabled again under the same id",
        source: "Entra gallery test 6, Restore_User",
        level: Mandatory,
        entra: "people who come back cannot work, or get a second account",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "Replace", "path": "active", "value": "False" }]),
                )
                .await?;
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "Replace", "path": "active", "value": "True" }]),
                )
                .await?;
                let found = t
                    .hits(t.users(), &eq("userName", &json!(user.name)), "", 1)
                    .await?;
                t.expect(
                    found.first().is_some_and(|found| {
                        found["active"] == true && found["id"] == json!(user.id)
                    }),
                    "found by its name, with `active` true and the same `id`",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/16-null-update",
        name: "\"\" and null clear an attribute",
        source: "Entra gallery test 16, SCIM_Null_Update (batched)",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                for nothing in [json!(""), Value::Null] {
                    let user = t.made(t.users(), t.full_person()).await?;
                    let cleared: Vec<_> = clearable(t).collect();
                    let flat: serde_json::Map<_, _> = cleared
                        .iter()
                        .filter(|attribute| attribute.is_flat())
                        .map(|attribute| (attribute.path(), nothing.clone()))
                        .collect();
                    let mut there = user.answer;
                    if !flat.is_empty() {
                        there = t
                            .change(
                                t.users(),
                                &user.id,
                                json!([{ "op": "replace", "value": flat }]),
                            )
                            .await?;
                    }
                    let others: Vec<_> = cleared.iter().filter(|attribute| !attribute.is_flat())
                    .map(|attribute| json!({ "op": "replace", "path": attribute.path(), "value": nothing }))
                    .collect();
                    if !others.is_empty() {
                        there = t.change(t.users(), &user.id, json!(others)).await?;
                    }
                    for attribute in cleared {
                        t.lacks(&there, attribute);
                    }
                }
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/16-null-update-verbose",
        name: "\"\" and null clear an attribute, a request each",
        source: "Entra gallery test 16, SCIM_Null_Update (verbose)",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                for nothing in [json!(""), Value::Null] {
                    let user = t.made(t.users(), t.full_person()).await?;
                    for attribute in clearable(t) {
                        let path = attribute.path();
                        let reply = t
                            .patch(
                                t.users(),
                                &user.id,
                                json!([{ "op": "replace", "path": path, "value": nothing }]),
                            )
                            .await?;
                        t.expect(matches!(reply.status, 200 | 204), "status 200 or 204");
                    }
                    let there = t.fetch(t.users(), &user.id).await?;
                    for attribute in clearable(t) {
                        t.lacks(&there, attribute);
                    }
                }
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/17-user-create",
        name: "POST creates a user with every advertised attribute",
        source: "Entra gallery test 17, SCIM_User_Create",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let body = t.full_person();
                let reply = t.post(t.users(), &body).await?;
                t.status(&reply, &[200, 201])?;
                t.some(reply.id(), "an `id` that is not empty")?;
                t.expect_or(
                    reply.body["userName"] == body["userName"],
                    format!("`userName` is {} to the byte", body["userName"]),
                    format!("it is {}", reply.body["userName"]),
                );
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/18-user-update",
        name: "PATCH changes every advertised single value",
        source: "Entra gallery test 18, SCIM_User_Update",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.made(t.users(), t.full_person()).await?;
                let changes: Vec<_> = changeable(t)
                    .map(|attribute| (attribute, t.fresh(attribute)))
                    .collect();
                let operations: Vec<_> = changes.iter()
                .map(|(attribute, value)| json!({ "op": "replace", "path": attribute.path(), "value": value }))
                .collect();
                let there = t.change(t.users(), &user.id, json!(operations)).await?;
                for (attribute, value) in &changes {
                    t.holds(&there, attribute, value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/21-validate-credentials",
        name: "The token endpoint gives a token of 60 minutes to 6 hours",
        source: "Entra gallery test 21, Validate_Credentials",
        level: Mandatory,
        entra: "the app is not accepted into the gallery; a shorter token is fetched again within a cycle",
        run: |t| {
            Box::pin(async move {
                let Credentials::ClientCredentials(client) = t.endpoint().credentials() else {
                    return Err(skip(
                        "signed in with a static token; the template wants OAuth 2.0 client credentials (--token-url)",
                    ));
                };
                let token = t.endpoint().sign_in(client).await.map_err(|error| {
                    Stop::Failed(Box::new(super::super::case::Finding {
                        expected: "a token".to_owned(),
                        found: error.to_string(),
                        after: None,
                        exchange: None,
                    }))
                })?;
                let good = token
                    .lifetime
                    .is_some_and(|lifetime| (HOUR..=HOUR * 6).contains(&lifetime));
                t.expect_or(
                    good,
                    "`expires_in` from 3600 to 21600 seconds",
                    token.lifetime.map_or_else(
                        || "none".to_owned(),
                        |lifetime| format!("{} seconds", lifetime.as_secs()),
                    ),
                );
                let reply = t.get(&t.users().endpoint).await?;
                t.status(&reply, &[200])
            })
        },
    },
    Case {
        id: "gallery/22-federated-identity",
        name: "Entra's federated identity is accepted",
        source: "Entra gallery test 22, Federated_Identity",
        level: Mandatory,
        entra: "one of the tests 21 and 22 has to pass for the gallery",
        run: |_| Box::pin(async { Err(skip("only Entra can sign the assertion")) }),
    },
    Case {
        id: "gallery/25-update-manager",
        name: "A manager is set by a bare id and cleared by \"\"",
        source: "Entra gallery test 25, SCIM_Update_Manager",
        level: Mandatory,
        entra: ESCROW,
        run: |t| Box::pin(manager_by_id(t, ["Add", "replace"])),
    },
];

const HOUR: Duration = Duration::from_secs(3600);

async fn manager_by_id(t: &Play<'_>, [first, then]: [&str; 2]) -> Result<(), Stop> {
    let path = t.need_manager()?;
    let (one, two) = (t.user().await?, t.user().await?);
    let user = t.user().await?;
    let steps = [
        (first, one.id.as_str()),
        (then, two.id.as_str()),
        (then, ""),
    ];
    for (op, id) in steps {
        let there = t
            .change(
                t.users(),
                &user.id,
                json!([{ "op": op, "path": path, "value": id }]),
            )
            .await?;
        let expected = (!id.is_empty()).then_some(id);
        t.expect(
            manager(&there) == expected,
            match expected {
                Some(id) => format!("`manager.value` is \"{id}\""),
                None => "no manager".to_owned(),
            },
        );
    }
    Ok(())
}

/// What the template clears: not what is required, matches, or has a test of its own.
fn clearable<'t>(t: &'t Play<'_>) -> impl Iterator<Item = &'t Attribute> {
    t.users().attributes.iter().filter(|attribute| {
        let apart = ["userName", "externalId", "active"].contains(&attribute.path().as_str());
        // A boolean has no emptiness of its own: "" is no value of it.
        !apart
            && !attribute.required
            && attribute.kind == Type::Text
            && t.sampler().fixed(&attribute.path()).is_none()
    })
}

/// What the template changes.
fn changeable<'t>(t: &'t Play<'_>) -> impl Iterator<Item = &'t Attribute> {
    t.users().attributes.iter().filter(|attribute| {
        let apart = ["userName", "externalId", "active"].contains(&attribute.path().as_str());
        !apart && t.sampler().fixed(&attribute.path()).is_none()
    })
}
