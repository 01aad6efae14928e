//! Deprovisioning: blocked, unassigned, back again, purged.

use serde_json::json;

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, members};
use super::{ESCROW, HOW, OTHERS, QUARANTINE};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "leaving/memberships-outlast-disable",
        name: "A disabled user stays in the groups, and is in them when enabled again",
        source: HOW,
        level: Mandatory,
        entra: "people who come back are in no group: Entra does not send memberships again",
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
                for active in ["False", "True"] {
                    t.change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Replace", "path": "active", "value": active }]),
                    )
                    .await?;
                    let there = t.fetch(groups, &group.id).await?;
                    t.expect(
                        members(&there) == [user.id.as_str()],
                        format!("the user is a member after active={active}"),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "leaving/delete",
        name: "DELETE is 204 without a body; then 404 by id and nothing by filter",
        source: "Entra, Develop a SCIM endpoint; RFC 7644 section 3.6",
        level: Mandatory,
        entra: QUARANTINE,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t.delete(t.users(), &user.id).await?;
                t.status(&reply, &[204])?;
                t.expect(reply.text.is_empty(), "no body");
                let reply = t.read(t.users(), &user.id).await?;
                t.expect(reply.status == 404, "status 404 by id");
                t.hits(t.users(), &eq("userName", &json!(user.name)), "", 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "leaving/deleted-leave-groups",
        name: "A deleted user is in no group",
        source: "RFC 7643 section 4.2",
        level: Mandatory,
        entra: "a group shows a member whom Entra cannot resolve",
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
                let reply = t.delete(t.users(), &user.id).await?;
                t.status(&reply, &[204])?;
                let there = t.fetch(groups, &group.id).await?;
                t.expect(members(&there).is_empty(), "no members");
                Ok(())
            })
        },
    },
    Case {
        id: "leaving/name-is-free",
        name: "The name of a deleted user can be given again, with a new id",
        source: HOW,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t.delete(t.users(), &user.id).await?;
                t.status(&reply, &[204])?;
                let again = t.made(t.users(), user.body).await?;
                t.expect(again.id != user.id, "another `id`");
                Ok(())
            })
        },
    },
    Case {
        id: "leaving/changed-while-disabled",
        name: "A disabled user can be changed",
        source: HOW,
        level: Optional,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("displayName")?;
                let user = t.user().await?;
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "Replace", "path": "active", "value": "False" }]),
                )
                .await?;
                let value = t.fresh(attribute);
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Replace", "path": "displayName", "value": value }]),
                    )
                    .await?;
                t.holds(&there, attribute, &value);
                t.expect(there["active"] == false, "`active` is still false");
                Ok(())
            })
        },
    },
    Case {
        id: "leaving/disable-again",
        name: "Disabling twice is no error",
        source: RETRY,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                for _ in 0..2 {
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": "Replace", "path": "active", "value": "False" }]),
                        )
                        .await?;
                    t.expect(there["active"] == false, "`active` is false");
                }
                Ok(())
            })
        },
    },
    Case {
        id: "leaving/members-of-deleted-group",
        name: "A deleted group leaves its members alone",
        source: "RFC 7644 section 3.6",
        level: Mandatory,
        entra: OTHERS,
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
                let reply = t.delete(groups, &group.id).await?;
                t.status(&reply, &[204])?;
                let reply = t.read(t.users(), &user.id).await?;
                t.status(&reply, &[200])
            })
        },
    },
];

const RETRY: &str = "Entra, Troubleshoot user provisioning validation: updates are retried";
