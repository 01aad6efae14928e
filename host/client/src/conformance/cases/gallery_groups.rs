//! Microsoft's gallery template, groups. A server without a Group schema fails the mandatory ones, as it does there.

use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, members};
use super::{ESCROW, SECOND, WRONG_DATA};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "gallery/08-create-group",
        name: "A created group is found by displayName",
        source: "Entra gallery test 8, Create_Group",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let found = t
                    .hits(
                        groups,
                        &eq("displayName", &json!(group.name)),
                        "&excludedAttributes=members",
                        1,
                    )
                    .await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(group.id)),
                    "the one that was created",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/09-update-group",
        name: "A renamed group is found by its new name",
        source: "Entra gallery test 9, Update_Group",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let name = json!(t.sampler().display_name(t.sampler().turn()));
                t.change(
                    groups,
                    &group.id,
                    json!([{ "op": "Replace", "path": "displayName", "value": name }]),
                )
                .await?;
                t.hits(
                    groups,
                    &eq("displayName", &name),
                    "&excludedAttributes=members",
                    1,
                )
                .await?;
                t.hits(
                    groups,
                    &eq("displayName", &json!(group.name)),
                    "&excludedAttributes=members",
                    0,
                )
                .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/10-delete-group",
        name: "A deleted group is gone",
        source: "Entra gallery test 10, Delete_Group",
        level: Optional,
        entra: "groups that were unassigned or deleted stay, with their members",
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let reply = t.delete(groups, &group.id).await?;
                t.status(&reply, &[204])?;
                t.hits(groups, &eq("displayName", &json!(group.name)), "", 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/11-group-add-member",
        name: "A member is added",
        source: "Entra gallery test 11, Group_Update_Add_Member",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, user) = (t.group(groups).await?, t.user().await?);
                let there = t
                    .change(
                        groups,
                        &group.id,
                        json!([
                { "op": "Add", "path": "members", "value": [{ "$ref": null, "value": user.id }] }]),
                    )
                    .await?;
                t.expect(members(&there) == [user.id], "the user is the one member");
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/12-group-remove-member",
        name: "A member is removed, the others stay",
        source: "Entra gallery test 12, Group_Update_Remove_Member",
        level: Mandatory,
        entra: "people keep access through a group that they left, or a whole group loses it",
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, stays, goes) =
                    (t.group(groups).await?, t.user().await?, t.user().await?);
                t.change(groups, &group.id, json!([
                { "op": "Add", "path": "members", "value": [{ "value": stays.id }, { "value": goes.id }] }])).await?;
                let there = t.change(groups, &group.id, json!([
                { "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": goes.id }] }])).await?;
                t.expect(
                    members(&there) == [stays.id],
                    "the other is the one member left",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/14-restore-group",
        name: "A group can be created again after it was deleted",
        source: "Entra gallery test 14, Restore_Group",
        level: Optional,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let reply = t.delete(groups, &group.id).await?;
                t.status(&reply, &[204])?;
                t.made(groups, group.body).await?;
                t.hits(groups, &eq("displayName", &json!(group.name)), "", 1)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/19-group-create",
        name: "POST creates a group",
        source: "Entra gallery test 19, SCIM_Group_Create",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let mut body = t.team(groups);
                for attribute in &groups.attributes {
                    if attribute.read(&body).is_none() {
                        attribute.put(&mut body, t.fresh(attribute));
                    }
                }
                let reply = t.post(groups, &body).await?;
                t.status(&reply, &[200, 201])?;
                t.some(reply.id(), "an `id` that is not empty")?;
                t.expect(
                    reply.body["displayName"] == body["displayName"],
                    "`displayName` as it was sent",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/20-group-update",
        name: "PATCH changes every advertised value of a group",
        source: "Entra gallery test 20, SCIM_Group_Update",
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
                let operations: Vec<Value> = changes.iter()
                .map(|(attribute, value)| json!({ "op": "replace", "path": attribute.path(), "value": value }))
                .collect();
                let there = t.change(groups, &group.id, json!(operations)).await?;
                for (attribute, value) in &changes {
                    t.holds(&there, attribute, value);
                }
                Ok(())
            })
        },
    },
];
