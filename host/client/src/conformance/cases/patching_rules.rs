//! What every PATCH owes, in whatever dialect: order, atomicity, uniqueness, an answer that can be read.

use serde_json::json;

use super::super::case::Case;
use super::super::case::Level::Mandatory;
use super::super::play::nobody;
use super::{ESCROW, OTHERS, SECOND, UNPARSED, WRONG_DATA};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "patch/again",
        name: "The same PATCH again is 200 or 204 and changes nothing",
        source: "Entra, Troubleshoot user provisioning validation",
        level: Mandatory,
        entra: "an update whose answer came late is sent again, and conflicts",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let attribute = t.need("displayName")?;
                let value = t.fresh(attribute);
                let operations =
                    json!([{ "op": "Replace", "path": "displayName", "value": value }]);
                let first = t.change(t.users(), &user.id, operations.clone()).await?;
                let second = t.change(t.users(), &user.id, operations).await?;
                t.holds(&second, attribute, &value);
                t.expect(
                    first["meta"]["version"] == second["meta"]["version"],
                    "the same `meta.version`, if there is one",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "patch/taken-name",
        name: "A rename to a taken userName is 409 uniqueness",
        source: "RFC 7644 section 3.5.2 and 3.12",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let (one, two) = (t.user().await?, t.user().await?);
                let reply = t
                    .patch(
                        t.users(),
                        &two.id,
                        json!([{ "op": "Replace", "path": "userName", "value": one.name }]),
                    )
                    .await?;
                t.status(&reply, &[409])?;
                t.error_shaped(&reply);
                t.expect(
                    reply.body["scimType"] == "uniqueness",
                    "`scimType` is \"uniqueness\"",
                );
                let there = t.fetch(t.users(), &two.id).await?;
                t.expect(there["userName"] == json!(two.name), "`userName` as it was");
                Ok(())
            })
        },
    },
    Case {
        id: "patch/missing",
        name: "PATCH of an id that is none: 404",
        source: "RFC 7644 section 3.12",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let reply = t
                    .patch(
                        t.users(),
                        &nobody(),
                        json!([{ "op": "Replace", "path": "active", "value": "False" }]),
                    )
                    .await?;
                t.status(&reply, &[404])?;
                t.error_shaped(&reply);
                Ok(())
            })
        },
    },
    Case {
        id: "patch/in-order",
        name: "Operations work in order",
        source: "RFC 7644 section 3.5.2",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let attribute = t.need("displayName")?;
                let (one, two) = (t.fresh(attribute), t.fresh(attribute));
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([
                { "op": "Replace", "path": "displayName", "value": one },
                { "op": "Replace", "path": "displayName", "value": two }]),
                    )
                    .await?;
                t.holds(&there, attribute, &two);
                Ok(())
            })
        },
    },
    Case {
        id: "patch/all-or-nothing",
        name: "One bad operation, and none of the request is done",
        source: "RFC 7644 section 3.5.2",
        level: Mandatory,
        entra: "half of a change is made, and the rest is never seen to be missing",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let attribute = t.need("displayName")?;
                let before = attribute.read(&user.body).cloned().unwrap_or_default();
                let reply = t
                    .patch(
                        t.users(),
                        &user.id,
                        json!([
                { "op": "replace", "path": "displayName", "value": t.fresh(attribute) },
                { "op": "conjure", "path": "displayName", "value": "x" }]),
                    )
                    .await?;
                t.status(&reply, &[400])?;
                t.error_shaped(&reply);
                let there = t.fetch(t.users(), &user.id).await?;
                t.holds(&there, attribute, &before);
                Ok(())
            })
        },
    },
    Case {
        id: "patch/read-only",
        name: "`id` and `meta` cannot be changed",
        source: "RFC 7644 section 3.5.2, mutability",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t
                    .patch(
                        t.users(),
                        &user.id,
                        json!([{ "op": "replace", "path": "id", "value": "another" }]),
                    )
                    .await?;
                t.expect(
                    matches!(reply.status, 200 | 204 | 400),
                    "status 400, or the operation let go by",
                );
                let there = t.fetch(t.users(), &user.id).await?;
                t.expect(there["id"] == json!(user.id), "`id` as it was");
                Ok(())
            })
        },
    },
    Case {
        id: "patch/answer",
        name: "A changed user is answered with itself or with nothing",
        source: "Entra, Develop a SCIM endpoint; RFC 7644 section 3.5.2",
        level: Mandatory,
        entra: UNPARSED,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let attribute = t.need("displayName")?;
                let value = t.fresh(attribute);
                let reply = t
                    .patch(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Replace", "path": "displayName", "value": value }]),
                    )
                    .await?;
                t.status(&reply, &[200, 204])?;
                if reply.status == 200 {
                    t.expect(
                        reply.body["id"] == json!(user.id),
                        "the resource, with its `id`",
                    );
                    t.holds(&reply.body, attribute, &value);
                } else {
                    t.expect(reply.text.is_empty(), "no body with 204");
                }
                Ok(())
            })
        },
    },
];
