//! Microsoft's SCIM validator, groups, and its preview tests.

use serde_json::json;

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, members, nobody, path};
use super::{ESCROW, OTHERS, QUARANTINE, SECOND, WRONG_DATA};

const EXCLUDED: &str = "&excludedAttributes=members";
const MULTIPLE: &str = "a large group's members come with every read, and Entra reports \
    SystemForCrossDomainIdentityManagementMultipleEntriesInResponse";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "validator/group-create",
        name: "Create a new group",
        source: "Microsoft's SCIM validator, Create a new Group",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                t.expect(
                    group.answer["displayName"] == json!(group.name),
                    "`displayName` as it was sent",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-duplicate",
        name: "Create a duplicate group: 409",
        source: "Microsoft's SCIM validator, Create a duplicate Group",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let reply = t.post(groups, &group.body).await?;
                t.status(&reply, &[409])?;
                t.error_shaped(&reply);
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-filter-existing",
        name: "Filter for an existing group",
        source: "Microsoft's SCIM validator, Filter for an existing group",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let found = t
                    .hits(groups, &eq("displayName", &json!(group.name)), "", 1)
                    .await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(group.id)),
                    "the one that was asked for",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-filter-missing",
        name: "Filter for a group that does not exist",
        source: "Microsoft's SCIM validator, Filter for a non-existing group",
        level: Mandatory,
        entra: QUARANTINE,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                t.hits(groups, &eq("displayName", &json!(nobody())), EXCLUDED, 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-filter-case",
        name: "Filter for an existing group in another case",
        source: "Microsoft's SCIM validator, Filter for an existing group with a different case",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let found = t
                    .hits(
                        groups,
                        &eq("displayName", &json!(group.name.to_uppercase())),
                        "",
                        1,
                    )
                    .await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(group.id)),
                    "the same group",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-filter-excluding",
        name: "Filter for a group without its members",
        source: "Microsoft's SCIM validator, Filter for an existing group excluding members",
        level: Mandatory,
        entra: MULTIPLE,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, user) = (t.group(groups).await?, t.user().await?);
                t.change(
                    groups,
                    &group.id,
                    json!([{ "op": "Add", "path": "members", "value": [{ "value": user.id }] }]),
                )
                .await?;
                let found = t
                    .hits(groups, &eq("displayName", &json!(group.name)), EXCLUDED, 1)
                    .await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found.get("members").is_none()),
                    "no `members`, not even an empty list",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-get-excluding",
        name: "Get a group by id without its members",
        source: "Microsoft's SCIM validator, Get group by id excluding members",
        level: Mandatory,
        entra: MULTIPLE,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, user) = (t.group(groups).await?, t.user().await?);
                let path = path(groups, &group.id);
                let reply = t.get(&format!("{path}?excludedAttributes=members")).await?;
                t.status(&reply, &[200])?;
                t.expect(
                    reply.body.get("members").is_none(),
                    "no `members`, not even an empty list",
                );
                t.change(
                    groups,
                    &group.id,
                    json!([{ "op": "Add", "path": "members", "value": [{ "value": user.id }] }]),
                )
                .await?;
                let reply = t.get(&format!("{path}?excludedAttributes=members")).await?;
                t.status(&reply, &[200])?;
                t.expect(
                    reply.body.get("members").is_none(),
                    "no `members` of a group that has one",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-patch-replace",
        name: "PATCH replaces a group's attributes",
        source: "Microsoft's SCIM validator, Patch Group - Replace Attributes",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let changes: Vec<_> = groups
                    .attributes
                    .iter()
                    .map(|attribute| (attribute, t.fresh(attribute)))
                    .collect();
                let value: serde_json::Map<_, _> = changes
                    .iter()
                    .map(|(attribute, value)| (attribute.path(), value.clone()))
                    .collect();
                let there = t
                    .change(
                        groups,
                        &group.id,
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
        id: "validator/group-update-display-name",
        name: "A new displayName is the one that finds the group",
        source: "Microsoft's SCIM validator, Update Group displayName",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let name = json!(t.sampler().display_name(t.sampler().turn()));
                t.change(
                    groups,
                    &group.id,
                    json!([{ "op": "replace", "path": "displayName", "value": name }]),
                )
                .await?;
                t.hits(groups, &eq("displayName", &name), EXCLUDED, 1)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-add-member",
        name: "PATCH adds a member",
        source: "Microsoft's SCIM validator, Patch Group - Add Member",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, user) = (t.group(groups).await?, t.user().await?);
                let there = t.change(groups, &group.id, json!([{ "op": "add", "path": "members", "value": [{ "value": user.id }] }])).await?;
                t.expect(members(&there) == [user.id], "the user is the one member");
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-remove-member",
        name: "PATCH removes a member",
        source: "Microsoft's SCIM validator, Patch Group - Remove Member",
        level: Mandatory,
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
                let path = format!("members[value eq \"{}\"]", user.id);
                let there = t
                    .change(groups, &group.id, json!([{ "op": "remove", "path": path }]))
                    .await?;
                t.expect(members(&there).is_empty(), "no members");
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-delete",
        name: "Delete a group",
        source: "Microsoft's SCIM validator, Delete Group",
        level: Mandatory,
        entra: "groups that were unassigned or deleted stay, with their members",
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let reply = t.delete(groups, &group.id).await?;
                t.status(&reply, &[204])?;
                let reply = t.read(groups, &group.id).await?;
                t.status(&reply, &[404])
            })
        },
    },
    Case {
        id: "validator/group-several-attributes",
        name: "Several operations on different attributes in one request",
        source: "Microsoft's SCIM validator, preview: multiple operations on different attributes",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, user) = (t.group(groups).await?, t.user().await?);
                let name = json!(t.sampler().display_name(t.sampler().turn()));
                let there = t
                    .change(
                        groups,
                        &group.id,
                        json!([
                { "op": "replace", "path": "displayName", "value": name },
                { "op": "add", "path": "members", "value": [{ "value": user.id }] }]),
                    )
                    .await?;
                t.expect(
                    there["displayName"] == name && members(&there) == [user.id],
                    "the new name and the member",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-same-attribute",
        name: "Several operations on one attribute work in order",
        source: "Microsoft's SCIM validator, preview: multiple operations on the same attribute",
        level: Optional,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, one, two) = (t.group(groups).await?, t.user().await?, t.user().await?);
                let there = t
                    .change(
                        groups,
                        &group.id,
                        json!([
                { "op": "add", "path": "members", "value": [{ "value": one.id }] },
                { "op": "add", "path": "members", "value": [{ "value": two.id }] },
                { "op": "remove", "path": format!("members[value eq \"{}\"]", one.id) }]),
                    )
                    .await?;
                t.expect(members(&there) == [two.id], "the second is the one member");
                Ok(())
            })
        },
    },
    Case {
        id: "validator/group-delete-missing",
        name: "Delete a group that does not exist: 404",
        source: "Microsoft's SCIM validator, preview: delete a non-existing Group",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let reply = t.delete(t.groups()?, &nobody()).await?;
                t.status(&reply, &[404])
            })
        },
    },
    Case {
        id: "validator/group-delete-twice",
        name: "Delete a group twice: 404",
        source: "Microsoft's SCIM validator, preview: delete the same Group twice",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let reply = t.delete(groups, &group.id).await?;
                t.status(&reply, &[204])?;
                let reply = t.delete(groups, &group.id).await?;
                t.status(&reply, &[404])
            })
        },
    },
];
