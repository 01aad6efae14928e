//! The queries of a provisioning cycle: probe, match, reference check.

use serde_json::{Value, json};

use super::super::attribute::Type;
use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::case::Stop;
use super::super::play::{Play, eq, need, nobody, skip};
use super::super::server::ENTERPRISE;
use super::{DEVELOP, QUARANTINE, QUARANTINE_PAGE, SECOND};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "query/probe",
        name: "The probe of Test Connection: a random userName is an empty list",
        source: QUARANTINE_PAGE,
        level: Mandatory,
        entra: QUARANTINE,
        run: |t| {
            Box::pin(async move {
                // `+` for blanks here; `%20` below.
                let reply = t
                    .get(&format!(
                        "{}?filter=userName+eq+%22{}%22",
                        t.users().endpoint,
                        nobody()
                    ))
                    .await?;
                t.list(&reply, 0)?;
                let reply = t
                    .get(&format!(
                        "{}?filter=userName%20eq%20%22{}%22",
                        t.users().endpoint,
                        nobody()
                    ))
                    .await?;
                t.list(&reply, 0)?;
                Ok(())
            })
        },
    },
    Case {
        id: "query/placeholder",
        name: "The probe of a fresh on-premises ECMA app: PLACEHOLDER is an empty list",
        source: "Entra, Troubleshoot on-premises application provisioning",
        level: Optional,
        entra: "Test Connection fails in an app of the kind \"On-premises ECMA app\" until its mapping is changed",
        run: |t| {
            Box::pin(async move {
                t.hits(t.users(), &eq("PLACEHOLDER", &json!(nobody())), "", 0)
                    .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "query/probe-groups",
        name: "The probe for a group, members excluded, is an empty list",
        source: QUARANTINE_PAGE,
        level: Mandatory,
        entra: QUARANTINE,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let reply = t
                    .get(&format!(
                        "{}?excludedAttributes=members&filter=displayName+eq+%22{}%22",
                        groups.endpoint,
                        nobody()
                    ))
                    .await?;
                t.list(&reply, 0)?;
                Ok(())
            })
        },
    },
    Case {
        id: "query/match-user-name",
        name: "Match by userName, the attribute's name in any case",
        source: DEVELOP,
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                for name in ["userName", "UserName", "username"] {
                    let found = t
                        .hits(t.users(), &eq(name, &json!(user.name)), "", 1)
                        .await?;
                    t.expect(
                        found
                            .first()
                            .is_some_and(|found| found["id"] == json!(user.id)),
                        "the right one",
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "query/match-external-id",
        name: "Match by externalId",
        source: DEVELOP,
        level: Mandatory,
        entra: SECOND,
        run: |t| Box::pin(matches(t, "externalId")),
    },
    Case {
        id: "query/match-external-id-unquoted",
        name: "Match by externalId without quotes, as the documentation shows it",
        source: DEVELOP,
        level: Optional,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                t.need("externalId")?;
                let mut body = t.person();
                let bare = format!(
                    "tombolo{}",
                    t.sampler()
                        .user_name(t.sampler().turn())
                        .replace(['.', '@'], "")
                );
                body["externalId"] = json!(bare);
                let user = t.made(t.users(), body).await?;
                let found = t
                    .hits(t.users(), &format!("externalId eq {bare}"), "", 1)
                    .await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(user.id)),
                    "the right one",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "query/match-work-email",
        name: "Match by emails[type eq \"work\"].value",
        source: DEVELOP,
        level: Mandatory,
        entra: SECOND,
        run: |t| Box::pin(matches(t, "emails[type eq \"work\"].value")),
    },
    Case {
        id: "query/match-employee-number",
        name: "Match by the enterprise employeeNumber",
        source: DEVELOP,
        level: Mandatory,
        entra: SECOND,
        run: |t| Box::pin(async move { matches(t, &format!("{ENTERPRISE}:employeeNumber")).await }),
    },
    Case {
        id: "query/match-display-name-case",
        name: "Match by displayName in another case",
        source: "Microsoft's SCIM validator; RFC 7643 section 4.1.1, caseExact false",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("displayName")?;
                if attribute.case_exact {
                    return Err(skip("the server says that displayName is caseExact"));
                }
                let user = t.user().await?;
                let name = attribute
                    .read(&user.body)
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let found = t
                    .hits(
                        t.users(),
                        &eq("displayName", &json!(name.to_uppercase())),
                        "",
                        1,
                    )
                    .await?;
                t.expect(
                    found
                        .first()
                        .is_some_and(|found| found["id"] == json!(user.id)),
                    "the right one",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "query/match-every-attribute",
        name: "Match by whatever attribute an administrator may choose",
        source: "Entra, Customize attribute mappings, Match objects using this attribute",
        level: Optional,
        entra: "matching by this attribute fails for every user",
        run: |t| {
            Box::pin(async move {
                let user = t.made(t.users(), t.full_person()).await?;
                for attribute in t
                    .users()
                    .attributes
                    .iter()
                    .filter(|attribute| attribute.kind == Type::Text && attribute.returned)
                {
                    let Some(value) = attribute.read(&user.answer) else {
                        continue;
                    };
                    let reply = t.find(t.users(), &eq(&attribute.path(), value), "").await?;
                    let found = reply.status == 200
                        && reply
                            .resources()
                            .iter()
                            .any(|found| found["id"] == json!(user.id));
                    t.expect(
                        found,
                        format!("status 200 and the user, by `{}`", attribute.path()),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "query/match-inactive",
        name: "A disabled user is found",
        source: DEVELOP,
        level: Mandatory,
        entra: "Entra takes the user for absent and creates a second one",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "Replace", "path": "active", "value": "False" }]),
                )
                .await?;
                t.hits(t.users(), &eq("userName", &json!(user.name)), "", 1)
                    .await?;
                let reply = t.read(t.users(), &user.id).await?;
                t.status(&reply, &[200])
            })
        },
    },
    Case {
        id: "query/match-group",
        name: "Match a group by displayName and externalId, members excluded",
        source: DEVELOP,
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let group = t.group(groups).await?;
                for path in ["displayName", "externalId"] {
                    let Ok(attribute) = need(groups, path) else {
                        continue;
                    };
                    let value = attribute.read(&group.body).cloned().unwrap_or_default();
                    let found = t
                        .hits(groups, &eq(path, &value), "&excludedAttributes=members", 1)
                        .await?;
                    let right = found.first().is_some_and(|found| {
                        found["id"] == json!(group.id) && found.get("members").is_none()
                    });
                    t.expect(right, "the right one, without `members`");
                }
                Ok(())
            })
        },
    },
    Case {
        id: "query/reference-manager",
        name: "The reference check: id and manager, attributes=id",
        source: "Entra, Develop a SCIM endpoint, example 4",
        level: Mandatory,
        entra: "Entra cannot see whether the manager is set, and sets it again in every cycle",
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                let (boss, other, user) = (t.user().await?, t.user().await?, t.user().await?);
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "Add", "path": path, "value": boss.id }]),
                )
                .await?;
                for (manager, hits) in [(&boss, 1), (&other, 0)] {
                    let filter = format!(
                        "{} and {}",
                        eq("id", &json!(user.id)),
                        eq("manager", &json!(manager.id))
                    );
                    let found = t.hits(t.users(), &filter, "&attributes=id", hits).await?;
                    t.expect(
                        found.iter().all(|found| found["id"] == json!(user.id)),
                        "the right one",
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "query/reference-member",
        name: "The reference check: id and members, attributes=id",
        source: "Entra, Develop a SCIM endpoint, example 4",
        level: Mandatory,
        entra: "Entra cannot see whether the member is in, and adds it again in every cycle",
        run: |t| {
            Box::pin(async move {
                let groups = t.groups()?;
                let (group, inside, outside) =
                    (t.group(groups).await?, t.user().await?, t.user().await?);
                t.change(
                    groups,
                    &group.id,
                    json!([{ "op": "Add", "path": "members", "value": [{ "value": inside.id }] }]),
                )
                .await?;
                for (member, hits) in [(&inside, 1), (&outside, 0)] {
                    let filter = format!(
                        "{} and {}",
                        eq("id", &json!(group.id)),
                        eq("members", &json!(member.id))
                    );
                    t.hits(groups, &filter, "&attributes=id", hits).await?;
                }
                Ok(())
            })
        },
    },
];

async fn matches(t: &Play<'_>, path: &str) -> Result<(), Stop> {
    let attribute = t.need(path)?;
    let mut body = t.person();
    if attribute.read(&body).is_none() {
        attribute.put(&mut body, t.fresh(attribute));
    }
    let value = attribute.read(&body).cloned().unwrap_or_default();
    let user = t.made(t.users(), body).await?;
    let found = t.hits(t.users(), &eq(path, &value), "", 1).await?;
    t.expect(
        found
            .first()
            .is_some_and(|found| found["id"] == json!(user.id)),
        "the right one",
    );
    t.hits(t.users(), &eq(path, &json!(nobody())), "", 0)
        .await?;
    Ok(())
}
