//! Managers, in every form in which Entra and its validators send them. The answer has them as objects only.

use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::case::Stop;
use super::super::play::{Play, manager, nobody};
use super::super::server::ENTERPRISE;
use super::{COMPLIANCE, DEVELOP, ESCROW};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "manager/bare",
        name: "A bare id, by the URN's path",
        source: COMPLIANCE,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                set_and_clear(t, &path, |id| json!(id)).await
            })
        },
    },
    Case {
        id: "manager/bare-by-name",
        name: "A bare id, by the path `manager`",
        source: "Entra, Develop a SCIM endpoint, example 5",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                t.need_manager()?;
                set_and_clear(t, "manager", |id| json!(id)).await
            })
        },
    },
    Case {
        id: "manager/object",
        name: "An object with `value`",
        source: "Microsoft's SCIM validator; RFC 7643 section 4.3",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                set_and_clear(t, &path, |id| json!({ "value": id })).await
            })
        },
    },
    Case {
        id: "manager/array",
        name: "A list of one object with `$ref`",
        source: DEVELOP,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                set_and_clear(
                    t,
                    &path,
                    |id| json!([{ "$ref": format!("../Users/{id}"), "value": id }]),
                )
                .await
            })
        },
    },
    Case {
        id: "manager/remove",
        name: "Remove clears the manager",
        source: "Entra gallery test 5; Microsoft's SCIM validator",
        level: Mandatory,
        entra: "people keep a manager who is none",
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                let (boss, user) = (t.user().await?, t.user().await?);
                t.change(
                    t.users(),
                    &user.id,
                    json!([{ "op": "Add", "path": path, "value": boss.id }]),
                )
                .await?;
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Remove", "path": path }]),
                    )
                    .await?;
                t.expect(manager(&there).is_none(), "no manager");
                Ok(())
            })
        },
    },
    Case {
        id: "manager/shape",
        name: "The answer has the manager as an object, never as a text",
        source: "recorded from Entra's client; RFC 7643 section 4.3",
        level: Mandatory,
        entra: "ServiceIncompatible: Entra sends a text and cannot read one",
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                let (boss, user) = (t.user().await?, t.user().await?);
                let reply = t
                    .patch(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Add", "path": path, "value": boss.id }]),
                    )
                    .await?;
                t.status(&reply, &[200, 204])?;
                let there = t.fetch(t.users(), &user.id).await?;
                let shown = &there[ENTERPRISE]["manager"];
                t.expect_or(
                    shown.is_object(),
                    "`manager` is an object",
                    format!("it is {shown}"),
                );
                Ok(())
            })
        },
    },
    Case {
        id: "manager/unknown",
        name: "A manager who is nobody is refused and named",
        source: "RFC 7644 section 3.12, invalidValue",
        level: Optional,
        entra: "the administrator cannot see in the log which manager is missing",
        run: |t| {
            Box::pin(async move {
                let path = t.need_manager()?;
                let (user, nobody) = (t.user().await?, nobody());
                let reply = t
                    .patch(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Add", "path": path, "value": nobody }]),
                    )
                    .await?;
                t.status(&reply, &[400, 404])?;
                let named = reply.body["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.contains(&nobody));
                t.expect(named, "`detail` has the id");
                Ok(())
            })
        },
    },
];

async fn set_and_clear(t: &Play<'_>, path: &str, form: impl Fn(&str) -> Value) -> Result<(), Stop> {
    let (one, two, user) = (t.user().await?, t.user().await?, t.user().await?);
    for (op, boss) in [("Add", &one), ("Replace", &two)] {
        let there = t
            .change(
                t.users(),
                &user.id,
                json!([{ "op": op, "path": path, "value": form(&boss.id) }]),
            )
            .await?;
        t.expect(
            manager(&there) == Some(&boss.id),
            format!("`manager.value` is \"{}\" after {op}", boss.id),
        );
    }
    for nothing in [json!(""), Value::Null] {
        t.change(
            t.users(),
            &user.id,
            json!([{ "op": "Replace", "path": path, "value": form(&one.id) }]),
        )
        .await?;
        let there = t
            .change(
                t.users(),
                &user.id,
                json!([{ "op": "Replace", "path": path, "value": nothing }]),
            )
            .await?;
        t.expect(
            manager(&there).is_none(),
            format!("no manager after {nothing}"),
        );
    }
    Ok(())
}
