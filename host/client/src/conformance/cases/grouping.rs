//! Groups and their members, in every form.

use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::case::Stop;
use super::super::play::{Made, Play, members, nobody, path};
use super::super::server::Kind;
use super::{COMPLIANCE, DEVELOP, ESCROW, OTHERS, REFERENCE, SECOND, WRONG_DATA};

/// The second schema that Entra names when it creates a group.
const AD_GROUP: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "group/second-schema",
        name: "A create with Entra's second schema URI",
        source: DEVELOP,
        level: Mandatory,
        entra: "no group can be created",
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let mut body = t.team(groups);
                body["schemas"] = json!([groups.schema, AD_GROUP]);
                let group = t.made(groups, body).await?;
                t.expect(members(&group.answer).is_empty(), "no members");
                Ok(())
            })
        },
    },
    Case {
        id: "group/duplicate",
        name: "A second group of one displayName is 409 uniqueness",
        source: DEVELOP,
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                let reply = t.post(groups, &group.body).await?;
                t.status(&reply, &[409])?;
                t.expect(
                    reply.body["scimType"] == "uniqueness",
                    "`scimType` is \"uniqueness\"",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "group/add-legacy",
        name: "Add with a list, again with who is in, several at once, several operations",
        source: DEVELOP,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, b, c]) = team_of(t, 0).await?;
                let add = |id: &str| json!({ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": id }] });
                is(t, groups, &group, json!([add(&a)]), &[&a]).await?;
                is(t, groups, &group, json!([add(&a)]), &[&a]).await?;
                is(t, groups, &group, json!([add(&b), add(&c)]), &[&a, &b, &c]).await?;
                is(
                    t,
                    groups,
                    &group,
                    json!([{ "op": "Remove", "path": "members" }]),
                    &[],
                )
                .await?;
                let two = json!([{ "op": "Add", "path": "members", "value": [{ "value": a }, { "value": b }] }]);
                is(t, groups, &group, two, &[&a, &b]).await
            })
        },
    },
    Case {
        id: "group/remove-legacy",
        name: "Remove with a list removes only those",
        source: COMPLIANCE,
        level: Mandatory,
        entra: "one person who leaves a group takes everybody else out of it",
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, b, c]) = team_of(t, 3).await?;
                let remove = json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": b }] }]);
                is(t, groups, &group, remove.clone(), &[&a, &c]).await?;
                // Again: he is out already.
                is(t, groups, &group, remove, &[&a, &c]).await
            })
        },
    },
    Case {
        id: "group/remove-filter",
        name: "remove with a filter removes only that one",
        source: "Entra, Known issues with SCIM 2.0 compliance; RFC 7644 section 3.5.2.2",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, b, c]) = team_of(t, 3).await?;
                let remove =
                    json!([{ "op": "remove", "path": format!("members[value eq \"{b}\"]") }]);
                is(t, groups, &group, remove, &[&a, &c]).await
            })
        },
    },
    Case {
        id: "group/remove-absent",
        name: "Removing by filter who is not in is no error",
        source: RETRY,
        level: Optional,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, b, _]) = team_of(t, 1).await?;
                let remove =
                    json!([{ "op": "remove", "path": format!("members[value eq \"{b}\"]") }]);
                is(t, groups, &group, remove, &[&a]).await
            })
        },
    },
    Case {
        id: "group/remove-all",
        name: "remove without a value removes everybody",
        source: REFERENCE,
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let (groups, group, _) = team_of(t, 3).await?;
                is(
                    t,
                    groups,
                    &group,
                    json!([{ "op": "remove", "path": "members" }]),
                    &[],
                )
                .await
            })
        },
    },
    Case {
        id: "group/member-as-text",
        name: "A member as a text",
        source: REFERENCE,
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, b, _]) = team_of(t, 1).await?;
                is(
                    t,
                    groups,
                    &group,
                    json!([{ "op": "add", "path": "members", "value": b }]),
                    &[&a, &b],
                )
                .await
            })
        },
    },
    Case {
        id: "group/replace-members",
        name: "replace members replaces them",
        source: "RFC 7644 section 3.5.2.3",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, _, c]) = team_of(t, 2).await?;
                let replace = json!([{ "op": "replace", "path": "members", "value": [{ "value": c }, { "value": a }] }]);
                is(t, groups, &group, replace, &[&a, &c]).await
            })
        },
    },
    Case {
        id: "group/rename-keeps-members",
        name: "A rename keeps the members, in both dialects",
        source: DEVELOP,
        level: Mandatory,
        entra: "a renamed group loses its members, and Entra does not send them again",
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, b, c]) = team_of(t, 3).await?;
                let name = || t.sampler().display_name(t.sampler().turn());
                let legacy = json!([{ "op": "Replace", "path": "displayName", "value": name() }]);
                is(t, groups, &group, legacy, &[&a, &b, &c]).await?;
                let flagged = json!([{ "op": "replace", "value": { "displayName": name() } }]);
                is(t, groups, &group, flagged, &[&a, &b, &c]).await
            })
        },
    },
    Case {
        id: "group/patch-is-204",
        name: "A group's PATCH is answered with 204",
        source: "Entra, Develop a SCIM endpoint, Update Group",
        level: Optional,
        entra: "a large group's members come back with every change",
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, ..]) = team_of(t, 0).await?;
                let reply = t
                    .patch(
                        groups,
                        &group.id,
                        json!([{ "op": "Add", "path": "members", "value": [{ "value": a }] }]),
                    )
                    .await?;
                t.status(&reply, &[204])
            })
        },
    },
    Case {
        id: "group/unknown-member",
        name: "A member who is nobody is refused and named, and nobody else is added",
        source: "RFC 7644 section 3.12, invalidValue",
        level: Optional,
        entra: "the failure does not show as a reference failure, and its log does not say who is missing",
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, ..]) = team_of(t, 0).await?;
                let nobody = nobody();
                let reply = t.patch(groups, &group.id, json!([
                { "op": "Add", "path": "members", "value": [{ "value": a }, { "value": nobody }] }])).await?;
                t.status(&reply, &[400, 404])?;
                let named = reply.body["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.contains(&nobody));
                t.expect(named, "`detail` has the id");
                let there = t.fetch(groups, &group.id).await?;
                t.expect(
                    members(&there).is_empty(),
                    "no members: a request is done whole or not at all",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "group/member-shape",
        name: "Members come back with `value`, and `$ref` if any leads to them",
        source: "RFC 7643 section 4.2",
        level: Mandatory,
        entra: "Entra cannot see who is in the group",
        run: |t| {
            Box::pin(async move {
                let (groups, group, [a, ..]) = team_of(t, 1).await?;
                let there = t.fetch(groups, &group.id).await?;
                let member = &there["members"][0];
                t.expect(
                    member["value"] == json!(a),
                    "`members[0].value` is the user's id",
                );
                let leads = member["$ref"]
                    .as_str()
                    .is_none_or(|to| to.ends_with(&path(t.users(), &a)));
                t.expect(
                    leads,
                    "`members[0].$ref`, if there, ends with the user's path",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "group/create-with-members",
        name: "A group can be created with its members",
        source: "RFC 7644 section 3.3",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (one, two) = (t.user().await?, t.user().await?);
                let mut body = t.team(groups);
                body["members"] = json!([{ "value": one.id }, { "value": two.id }]);
                let group = t.made(groups, body).await?;
                let there = t.fetch(groups, &group.id).await?;
                let mut expected = [one.id, two.id];
                expected.sort_unstable();
                t.expect(members(&there) == expected, "both are members");
                Ok(())
            })
        },
    },
];

const RETRY: &str = "Entra, Troubleshoot user provisioning validation: updates are retried";

/// A group with the first `inside` of three users in it.
async fn team_of<'t>(
    t: &'t Play<'_>,
    inside: usize,
) -> Result<(&'t Kind, Made, [String; 3]), Stop> {
    let groups = t.groups()?;
    let group = t.group(groups).await?;
    let users = [t.user().await?.id, t.user().await?.id, t.user().await?.id];
    if inside > 0 {
        let list: Vec<Value> = users[..inside]
            .iter()
            .map(|id| json!({ "value": id }))
            .collect();
        let reply = t
            .patch(
                groups,
                &group.id,
                json!([{ "op": "add", "path": "members", "value": list }]),
            )
            .await?;
        t.status(&reply, &[200, 204])?;
    }
    Ok((groups, group, users))
}

/// After these operations the group has exactly these members.
async fn is(
    t: &Play<'_>,
    groups: &Kind,
    group: &Made,
    operations: Value,
    expected: &[&String],
) -> Result<(), Stop> {
    let there = t.change(groups, &group.id, operations).await?;
    let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
    expected.sort_unstable();
    let found = members(&there);
    t.expect_or(
        found == expected,
        format!("the members are {expected:?}"),
        format!("they are {found:?}"),
    );
    Ok(())
}
