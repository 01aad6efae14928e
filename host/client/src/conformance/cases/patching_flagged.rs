//! PATCH as Entra sends it with `?aadOptscim062020` in the Tenant URL: pathless operations with flattened keys.
//!
//! Provisioning on demand goes on in the default dialect, so one server sees both, of one app.

use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, members, skip};
use super::super::server::ENTERPRISE;
use super::{ESCROW, OTHERS, RECORDED, SECOND, WRONG_DATA};

const FLAG: &str = "Entra, Known issues with SCIM 2.0 compliance, Flags to alter the SCIM behavior";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "flagged/composite",
        name: "A value path, and a pathless replace with dotted and URN keys",
        source: FLAG,
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let number = format!("{ENTERPRISE}:employeeNumber");
                let mut changes = Vec::new();
                let mut flat = serde_json::Map::new();
                for path in [
                    "displayName",
                    "name.givenName",
                    "name.familyName",
                    number.as_str(),
                ] {
                    if let Ok(attribute) = t.need(path) {
                        let value = t.fresh(attribute);
                        flat.insert(path.to_owned(), value.clone());
                        changes.push((attribute, value));
                    }
                }
                let mut operations = Vec::new();
                if let Ok(attribute) = t.need("emails[type eq \"work\"].value") {
                    let value = t.fresh(attribute);
                    operations
                        .push(json!({ "op": "replace", "path": attribute.path(), "value": value }));
                    changes.push((attribute, value));
                }
                operations.push(json!({ "op": "replace", "value": flat }));
                let there = t.change(t.users(), &user.id, json!(operations)).await?;
                for (attribute, value) in &changes {
                    t.holds(&there, attribute, value);
                }
                for key in ["name.givenName", "name.familyName", number.as_str()] {
                    t.expect(
                        there.get(key).is_none(),
                        format!("no attribute with the literal name `{key}`"),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/active",
        name: "active as a boolean, by path and in a pathless replace",
        source: FLAG,
        level: Mandatory,
        entra: "people who left keep their access",
        run: |t| {
            Box::pin(async move {
                t.need("active")?;
                let user = t.user().await?;
                let steps = [
                    (
                        json!([{ "op": "replace", "path": "active", "value": false }]),
                        false,
                    ),
                    (
                        json!([{ "op": "replace", "value": { "active": true } }]),
                        true,
                    ),
                    (
                        json!([{ "op": "replace", "value": { "active": "False" } }]),
                        false,
                    ),
                ];
                for (operations, active) in steps {
                    let there = t.change(t.users(), &user.id, operations).await?;
                    t.expect(there["active"] == active, format!("`active` is {active}"));
                }
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/add",
        name: "add with a path, add without one",
        source: RECORDED,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let mut added = Vec::new();
                let mut flat = serde_json::Map::new();
                for path in ["title", "name.formatted", "displayName"] {
                    if let Ok(attribute) = t.need(path) {
                        let value = t.fresh(attribute);
                        flat.insert(path.to_owned(), value.clone());
                        added.push((attribute, value));
                    }
                }
                let there = t
                    .change(t.users(), &user.id, json!([{ "op": "add", "value": flat }]))
                    .await?;
                for (attribute, value) in &added {
                    t.holds(&there, attribute, value);
                }
                if let Ok(attribute) = t.need("nickName") {
                    let value = t.fresh(attribute);
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": "add", "path": "nickName", "value": value }]),
                        )
                        .await?;
                    t.holds(&there, attribute, &value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/user-name",
        name: "userName and externalId in a pathless replace are the real ones",
        source: RECORDED,
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let name = json!(t.sampler().user_name(t.sampler().turn()));
                let mut value = json!({ "userName": name });
                let external = t.need("externalId").ok();
                let fresh = external.map(|attribute| t.fresh(attribute));
                if let Some(fresh) = &fresh {
                    value["externalId"] = fresh.clone();
                }
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "replace", "value": value }]),
                    )
                    .await?;
                t.expect(there["userName"] == name, "the new `userName`");
                if let (Some(attribute), Some(fresh)) = (external, &fresh) {
                    t.holds(&there, attribute, fresh);
                }
                t.hits(t.users(), &eq("userName", &name), "", 1).await?;
                t.hits(t.users(), &eq("userName", &json!(user.name)), "", 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/clears",
        name: "\"\" and null in a pathless replace clear",
        source: "Entra gallery test 16, SCIM_Null_Update (batched)",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let paths = ["title", "name.givenName"];
                let cleared: Vec<_> = paths
                    .iter()
                    .filter_map(|path| t.need(path).ok())
                    .filter(|attribute| {
                        !attribute.required && t.sampler().fixed(&attribute.path()).is_none()
                    })
                    .collect();
                if cleared.is_empty() {
                    return Err(skip("the server advertises nothing that can be cleared"));
                }
                for nothing in [json!(""), Value::Null] {
                    let mut body = t.person();
                    for attribute in &cleared {
                        attribute.put(&mut body, t.fresh(attribute));
                    }
                    let user = t.made(t.users(), body).await?;
                    let value: serde_json::Map<_, _> = cleared
                        .iter()
                        .map(|attribute| (attribute.path(), nothing.clone()))
                        .collect();
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": "replace", "value": value }]),
                        )
                        .await?;
                    for attribute in &cleared {
                        t.lacks(&there, attribute);
                    }
                }
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/nested",
        name: "A pathless replace with nested objects, as the RFC has it",
        source: "RFC 7644 section 3.5.2.3",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("name.givenName")?;
                let user = t.user().await?;
                let value = t.fresh(attribute);
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "replace", "value": { "name": { "givenName": value } } }]),
                    )
                    .await?;
                t.holds(&there, attribute, &value);
                if let Ok(family) = t.need("name.familyName") {
                    let before = family.read(&user.body).cloned().unwrap_or_default();
                    t.holds(&there, family, &before);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/both-dialects",
        name: "Both dialects, one after the other, on one user",
        source: FLAG,
        level: Mandatory,
        entra: "provisioning on demand fails while cycles work, or the other way round",
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("displayName")?;
                let user = t.user().await?;
                for flagged in [false, true, false] {
                    let value = t.fresh(attribute);
                    let operations = if flagged {
                        json!([{ "op": "replace", "value": { "displayName": value } }])
                    } else {
                        json!([{ "op": "Replace", "path": "displayName", "value": value }])
                    };
                    let there = t.change(t.users(), &user.id, operations).await?;
                    t.holds(&there, attribute, &value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/group-members",
        name: "Members are added and removed in the RFC's form",
        source: FLAG,
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, stays, goes) =
                    (t.group(groups).await?, t.user().await?, t.user().await?);
                let add = json!([{ "op": "add", "path": "members", "value": [{ "value": stays.id }, { "value": goes.id }] }]);
                t.change(groups, &group.id, add).await?;
                let path = format!("members[value eq \"{}\"]", goes.id);
                let there = t
                    .change(groups, &group.id, json!([{ "op": "remove", "path": path }]))
                    .await?;
                t.expect(
                    members(&there) == [stays.id],
                    "the other is the one member left",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "flagged/group-name",
        name: "A group is renamed in a pathless replace, its members stay",
        source: FLAG,
        level: Optional,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, user) = (t.group(groups).await?, t.user().await?);
                t.change(
                    groups,
                    &group.id,
                    json!([{ "op": "add", "path": "members", "value": [{ "value": user.id }] }]),
                )
                .await?;
                let name = json!(t.sampler().display_name(t.sampler().turn()));
                let there = t
                    .change(
                        groups,
                        &group.id,
                        json!([{ "op": "replace", "value": { "displayName": name } }]),
                    )
                    .await?;
                t.expect(there["displayName"] == name, "the new `displayName`");
                t.expect(members(&there) == [user.id], "the member as before");
                Ok(())
            })
        },
    },
];
