//! POST as Entra sends it.

use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, manager, patch_op, path};
use super::super::server::ENTERPRISE;
use super::{
    ATTRIBUTES, COMPLIANCE, DEVELOP, ENDLESS, ESCROW, OTHERS, RECORDED, REFERENCE, SECOND, UNPARSED,
};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "create/nulls",
        name: "null and [] in a create are let go by",
        source: "Entra, Develop a SCIM endpoint, example 2",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let mut body = t.person();
                for name in ["addresses", "title", "nickName"] {
                    body[name] = Value::Null;
                }
                body["roles"] = json!([]);
                let user = t.made(t.users(), body).await?;
                t.expect(
                    user.answer.get("title").is_none_or(Value::is_null),
                    "no `title`",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/urn-without-colon",
        name: "The extension's URN without its last colon, as an example shows it",
        source: "Entra, Develop a SCIM endpoint, example 1",
        level: Optional,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let mut body = t.person();
                body["urn:ietf:params:scim:schemas:extension:enterprise:2.0User"] =
                    json!({ "department": "Sales" });
                let reply = t.post(t.users(), &body).await?;
                t.status(&reply, &[201])
            })
        },
    },
    Case {
        id: "create/undeclared-extension",
        name: "An extension that `schemas` does not name is no error",
        source: ATTRIBUTES,
        level: Mandatory,
        entra: "no user can be created once a custom attribute is mapped: Entra does not list extensions in `schemas`",
        run: |t| {
            Box::pin(async move {
                let mut body = t.person();
                body["urn:ietf:params:scim:schemas:extension:Contoso:2.0:User"] =
                    json!({ "badge": "7" });
                let reply = t.post(t.users(), &body).await?;
                t.status(&reply, &[201])
            })
        },
    },
    Case {
        id: "create/active-as-text",
        name: "`active` as \"True\" is the boolean true",
        source: REFERENCE,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                t.need("active")?;
                let mut body = t.person();
                body["active"] = json!("True");
                let user = t.made(t.users(), body).await?;
                t.expect(
                    user.answer["active"] == true,
                    "`active` is the JSON boolean true",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/manager-bare",
        name: "A manager as a bare id is taken, and comes back as an object",
        source: COMPLIANCE,
        level: Mandatory,
        entra: "users with a manager fail; a manager that comes back as a text is ServiceIncompatible",
        run: |t| {
            Box::pin(async move {
                t.need_manager()?;
                let boss = t.user().await?;
                let mut body = t.person();
                body[ENTERPRISE]["manager"] = json!(boss.id);
                let user = t.made(t.users(), body).await?;
                t.expect(
                    manager(&user.answer) == Some(&boss.id),
                    "`manager` is an object with the manager's id in `value`",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/manager-object",
        name: "A manager as an object",
        source: "RFC 7643 section 4.3",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                t.need_manager()?;
                let boss = t.user().await?;
                let mut body = t.person();
                body[ENTERPRISE]["manager"] = json!({ "value": boss.id });
                let user = t.made(t.users(), body).await?;
                t.expect(
                    manager(&user.answer) == Some(&boss.id),
                    "`manager.value` is the manager's id",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/manager-array",
        name: "A manager as a list of one",
        source: "Entra, Develop a SCIM endpoint, example 5",
        level: Optional,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                t.need_manager()?;
                let boss = t.user().await?;
                let mut body = t.person();
                body[ENTERPRISE]["manager"] =
                    json!([{ "value": boss.id, "$ref": format!("../Users/{}", boss.id) }]);
                let user = t.made(t.users(), body).await?;
                t.expect(
                    manager(&user.answer) == Some(&boss.id),
                    "`manager.value` is the manager's id",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/as-sent",
        name: "Values come back as they were sent",
        source: "Entra, Develop a SCIM endpoint, Considerations for the SCIM schema",
        level: Mandatory,
        entra: ENDLESS,
        run: |t| {
            Box::pin(async move {
                let user = t.made(t.users(), t.full_person()).await?;
                let there = t.fetch(t.users(), &user.id).await?;
                for attribute in &t.users().attributes {
                    if let Some(sent) = attribute.read(&user.body) {
                        t.holds(&there, attribute, sent);
                    }
                }
                Ok(())
            })
        },
    },
    Case {
        id: "create/no-user-name",
        name: "A user without userName is 400, and the detail says so",
        source: REFERENCE,
        level: Mandatory,
        entra: "the provisioning log shows `detail` to the administrator; without it he cannot know what is missing",
        run: |t| {
            Box::pin(async move {
                let mut body = t.person();
                body.as_object_mut()
                    .map(|body| body.shift_remove("userName"));
                let reply = t.post(t.users(), &body).await?;
                t.status(&reply, &[400])?;
                t.error_shaped(&reply);
                let named = reply.body["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.to_lowercase().contains("username"));
                t.expect(named, "`detail` names userName");
                Ok(())
            })
        },
    },
    Case {
        id: "create/junk",
        name: "A body that is no JSON is 400",
        source: REFERENCE,
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let reply = t
                    .send(
                        reqwest::Method::POST,
                        &t.users().endpoint,
                        Some(&json!("{ junk")),
                        &[],
                    )
                    .await?;
                t.status(&reply, &[400])?;
                t.error_shaped(&reply);
                t.expect(
                    reply.body["scimType"].is_null() || reply.body["scimType"] == "invalidSyntax",
                    "`scimType`, if any, is \"invalidSyntax\"",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/duplicate-case",
        name: "A taken userName in another case is 409",
        source: "RFC 7643 section 4.1.1: userName is not case-exact",
        level: Mandatory,
        entra: SECOND,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let mut body = user.body.clone();
                body["userName"] = json!(user.name.to_uppercase());
                let reply = t.post(t.users(), &body).await?;
                t.status(&reply, &[409])
            })
        },
    },
    Case {
        id: "create/again",
        name: "A create that is repeated makes no second user",
        source: "Entra, Troubleshoot user provisioning validation",
        level: Mandatory,
        entra: "an answer that got lost costs the person a second account",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                for _ in 0..2 {
                    let reply = t.post(t.users(), &user.body).await?;
                    t.expect(reply.status == 409, "status 409");
                }
                let filter = eq("userName", &json!(user.name));
                t.hits(t.users(), &filter, "", 1).await?;
                Ok(())
            })
        },
    },
    Case {
        id: "create/meta",
        name: "The answer says where the resource is",
        source: "RFC 7644 section 3.3, RFC 7643 section 3.1",
        level: Mandatory,
        entra: UNPARSED,
        run: |t| {
            Box::pin(async move {
                let reply = t.post(t.users(), &t.person()).await?;
                t.status(&reply, &[201])?;
                let id = t.some(reply.id(), "an `id`")?;
                let ends = |location: Option<&str>| {
                    location.is_some_and(|location| location.ends_with(&path(t.users(), id)))
                };
                t.expect(
                    ends(reply.header("location")),
                    "the header `Location` is the resource's URL",
                );
                t.expect(
                    ends(reply.body["meta"]["location"].as_str()),
                    "`meta.location` is the resource's URL",
                );
                t.expect(
                    reply.body["meta"]["resourceType"] == "User",
                    "`meta.resourceType` is \"User\"",
                );
                for time in ["created", "lastModified"] {
                    t.expect(
                        reply.body["meta"][time].is_string(),
                        format!("`meta.{time}` is there"),
                    );
                }
                let named = reply.body["schemas"]
                    .as_array()
                    .is_some_and(|schemas| schemas.contains(&json!(t.users().schema)));
                t.expect(named, "`schemas` names the core User");
                Ok(())
            })
        },
    },
    Case {
        id: "create/own-id",
        name: "The id is the server's, whatever the client sent",
        source: "RFC 7643 section 3.1",
        level: Mandatory,
        entra: "two tenants that send the same id reach one account",
        run: |t| {
            Box::pin(async move {
                let mut body = t.person();
                body["id"] = json!("tombolo-conformance-id-of-the-client");
                let user = t.made(t.users(), body).await?;
                t.expect(
                    user.id != "tombolo-conformance-id-of-the-client",
                    "an `id` of the server's own",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/stable-id",
        name: "The id outlasts a change of userName",
        source: DEVELOP,
        level: Mandatory,
        entra: "InvalidAnchor: Entra loses the user until the job is restarted with a full reset",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let name = json!(t.sampler().user_name(t.sampler().turn()));
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Replace", "path": "userName", "value": name }]),
                    )
                    .await?;
                t.expect(
                    there["id"] == json!(user.id) && there["userName"] == name,
                    "the same `id`, the new `userName`",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "create/media-type",
        name: "The media type may have a charset, or be application/json",
        source: RECORDED,
        level: Mandatory,
        entra: "no write works: Entra sends `application/scim+json; charset=utf-8`",
        run: |t| {
            Box::pin(async move {
                // Everything else here is sent as Entra does; this is the other.
                let user = t.user().await?;
                let name = t.sampler().display_name(t.sampler().turn());
                let body =
                    patch_op(&json!([{ "op": "Replace", "path": "displayName", "value": name }]));
                let reply = t
                    .send(
                        reqwest::Method::PATCH,
                        &path(t.users(), &user.id),
                        Some(&body),
                        &[("content-type", "application/json")],
                    )
                    .await?;
                t.status(&reply, &[200, 204])
            })
        },
    },
];
