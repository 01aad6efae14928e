//! Microsoft's SCIM validator (scimvalidator.microsoft.com), users, and its preview tests.

use serde_json::json;

use super::super::attribute::Type;
use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, manager, nobody, skip};
use super::{ESCROW, OTHERS, QUARANTINE, SECOND, WRONG_DATA};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "validator/user-create",
        name: "Create a new user",
        source: "Microsoft's SCIM validator, Create a new User",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                for attribute in &t.users().attributes {
                    if let Some(sent) = attribute.read(&user.body) {
                        t.holds(&user.answer, attribute, sent);
                    }
                }
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-duplicate",
        name: "Create a duplicate user: 409",
        source: "Microsoft's SCIM validator, Create a duplicate User; RFC 7644 section 3.3",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t.post(t.users(), &user.body).await?;
                t.status(&reply, &[409])?;
                t.error_shaped(&reply);
                t.expect(
                    reply.body["scimType"] == "uniqueness",
                    "`scimType` is \"uniqueness\"",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-filter-existing",
        name: "Filter for an existing user",
        source: "Microsoft's SCIM validator, Filter for an existing user",
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
                    "the one that was asked for",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-filter-missing",
        name: "Filter for a user who does not exist",
        source: "Microsoft's SCIM validator, Filter for a non-existing user",
        level: Mandatory,
        entra: QUARANTINE,
        run: |t| {
            Box::pin(async move {
                t.hits(t.users(), &eq("userName", &json!(nobody())), "", 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-filter-case",
        name: "Filter for an existing user in another case",
        source: "Microsoft's SCIM validator, Filter for an existing user with a different case",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let shouted = json!(user.name.to_uppercase());
                let found = t.hits(t.users(), &eq("userName", &shouted), "", 1).await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(user.id)),
                    "the same user",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-get",
        name: "Get a user by id",
        source: "Microsoft's SCIM validator, Get user by id",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let there = t.fetch(t.users(), &user.id).await?;
                t.expect(
                    there["id"] == json!(user.id) && there["userName"] == json!(user.name),
                    "the same `id` and `userName`",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-patch-add",
        name: "PATCH adds attributes, elements that are not there yet among them",
        source: "Microsoft's SCIM validator, Patch User - Add Attributes",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let added: Vec<_> = t
                    .users()
                    .attributes
                    .iter()
                    .filter(|attribute| attribute.read(&user.body).is_none())
                    .map(|attribute| (attribute, t.fresh(attribute)))
                    .collect();
                if added.is_empty() {
                    return Err(skip(
                        "the server advertises nothing that a new user has not",
                    ));
                }
                let operations: Vec<_> = added.iter()
                .map(|(attribute, value)| json!({ "op": "add", "path": attribute.path(), "value": value }))
                .collect();
                let there = t.change(t.users(), &user.id, json!(operations)).await?;
                for (attribute, value) in &added {
                    t.holds(&there, attribute, value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-patch-replace-verbose",
        name: "PATCH replaces attributes, an operation each",
        source: "Microsoft's SCIM validator, Patch User - Replace Attributes Verbose Request",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let changes: Vec<_> = t
                    .users()
                    .attributes
                    .iter()
                    .filter(|attribute| attribute.read(&user.body).is_some())
                    .filter(|attribute| {
                        !["userName", "active"].contains(&attribute.path().as_str())
                    })
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
        id: "validator/user-patch-replace",
        name: "PATCH replaces attributes in one operation without a path",
        source: "Microsoft's SCIM validator, Patch User - Replace Attributes",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let changes: Vec<_> = t
                    .users()
                    .attributes
                    .iter()
                    .filter(|attribute| attribute.is_flat() && attribute.read(&user.body).is_some())
                    .filter(|attribute| {
                        !["userName", "active"].contains(&attribute.path().as_str())
                    })
                    .map(|attribute| (attribute, t.fresh(attribute)))
                    .collect();
                let value: serde_json::Map<_, _> = changes
                    .iter()
                    .map(|(attribute, value)| (attribute.path(), value.clone()))
                    .collect();
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "replace", "value": value }]),
                    )
                    .await?;
                for (attribute, value) in &changes {
                    t.holds(&there, attribute, value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-update-joining",
        name: "A new userName is the one that finds the user",
        source: "Microsoft's SCIM validator, Update User - Update joining property",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let name = json!(t.sampler().user_name(t.sampler().turn()));
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "Replace", "path": "userName", "value": name }]),
                )
                .await?;
                let found = t.hits(t.users(), &eq("userName", &name), "", 1).await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(user.id)),
                    "the same user under the new name",
                );
                t.hits(t.users(), &eq("userName", &json!(user.name)), "", 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-disable",
        name: "A disabled user is still returned",
        source: "Microsoft's SCIM validator, Patch User - Disable User",
        level: Mandatory,
        entra: "people who left keep their access, or Entra creates them again",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "replace", "path": "active", "value": false }]),
                    )
                    .await?;
                t.expect(there["active"] == false, "`active` is false");
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-manager-add",
        name: "PATCH adds a manager as an object",
        source: "Microsoft's SCIM validator, Patch User - Add Manager",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                let (boss, user) = (t.user().await?, t.user().await?);
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "add", "path": path, "value": { "value": boss.id } }]),
                    )
                    .await?;
                t.expect(
                    manager(&there) == Some(&boss.id),
                    "`manager.value` is the manager's id",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-manager-replace",
        name: "PATCH replaces a manager",
        source: "Microsoft's SCIM validator, Patch User - Replace Manager",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                let (one, two, user) = (t.user().await?, t.user().await?, t.user().await?);
                for boss in [&one, &two] {
                    let there = t.change(t.users(), &user.id, json!([{ "op": "replace", "path": path, "value": { "value": boss.id } }])).await?;
                    t.expect(
                        manager(&there) == Some(&boss.id),
                        "`manager.value` is the manager's id",
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-manager-remove",
        name: "PATCH removes a manager",
        source: "Microsoft's SCIM validator, Patch User - Remove Manager",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                let (boss, user) = (t.user().await?, t.user().await?);
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "add", "path": path, "value": { "value": boss.id } }]),
                )
                .await?;
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "remove", "path": path }]),
                    )
                    .await?;
                t.expect(manager(&there).is_none(), "no manager");
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-remove-attributes",
        name: "PATCH removes attributes",
        source: "Microsoft's SCIM validator, Patch User - Remove Attributes",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.made(t.users(), t.full_person()).await?;
                let removed: Vec<_> = t
                    .users()
                    .attributes
                    .iter()
                    .filter(|attribute| !attribute.required && attribute.kind == Type::Text)
                    .filter(|attribute| {
                        !["userName", "externalId"].contains(&attribute.path().as_str())
                    })
                    .filter(|attribute| t.sampler().fixed(&attribute.path()).is_none())
                    .collect();
                let operations: Vec<_> = removed
                    .iter()
                    .map(|attribute| json!({ "op": "remove", "path": attribute.path() }))
                    .collect();
                let there = t.change(t.users(), &user.id, json!(operations)).await?;
                for attribute in removed {
                    t.lacks(&there, attribute);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-delete",
        name: "Delete a user",
        source: "Microsoft's SCIM validator, Delete User",
        level: Mandatory,
        entra: "accounts of people who were purged from Entra stay",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t.delete(t.users(), &user.id).await?;
                t.status(&reply, &[204])?;
                let reply = t.read(t.users(), &user.id).await?;
                t.status(&reply, &[404])
            })
        },
    },
    Case {
        id: "validator/user-several-attributes",
        name: "Several operations on different attributes in one request",
        source: "Microsoft's SCIM validator, preview: multiple operations on different attributes",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let (given, display) = (t.need("name.givenName")?, t.need("displayName")?);
                let (one, two) = (t.fresh(given), t.fresh(display));
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([
                { "op": "add", "path": "name.givenName", "value": one },
                { "op": "replace", "path": "displayName", "value": two },
                { "op": "replace", "path": "active", "value": false }]),
                    )
                    .await?;
                t.holds(&there, given, &one);
                t.holds(&there, display, &two);
                t.expect(there["active"] == false, "`active` is false");
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-same-attribute",
        name: "Several operations on one attribute work in order",
        source: "Microsoft's SCIM validator, preview: multiple operations on the same attribute; RFC 7644 section 3.5.2",
        level: Optional,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let display = t.need("displayName")?;
                let (one, two) = (t.fresh(display), t.fresh(display));
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([
                { "op": "replace", "path": "displayName", "value": one },
                { "op": "replace", "path": "displayName", "value": two }]),
                    )
                    .await?;
                t.holds(&there, display, &two);
                Ok(())
            })
        },
    },
    Case {
        id: "validator/user-delete-missing",
        name: "Delete a user who does not exist: 404",
        source: "Microsoft's SCIM validator, preview: delete a non-existing User",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let reply = t.delete(t.users(), &nobody()).await?;
                t.status(&reply, &[404])
            })
        },
    },
    Case {
        id: "validator/user-delete-twice",
        name: "Delete a user twice: 404",
        source: "Microsoft's SCIM validator, preview: delete the same User twice; RFC 7644 section 3.6",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t.delete(t.users(), &user.id).await?;
                t.status(&reply, &[204])?;
                let reply = t.delete(t.users(), &user.id).await?;
                t.status(&reply, &[404])
            })
        },
    },
];
