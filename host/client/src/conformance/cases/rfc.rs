//! What the RFCs ask of every server, and Entra of none: PUT, ETag, sorting, `.search`, Bulk, and who may call.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, members, nobody, patch_op, path, skip};
use super::{OTHERS, REFERENCE};
use crate::http::Credentials;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "rfc/put",
        name: "PUT replaces a user",
        source: "RFC 7644 section 3.5.1; Microsoft's SCIM reference tests",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("displayName")?;
                let user = t.user().await?;
                let mut body = user.body.clone();
                let value = t.fresh(attribute);
                body["displayName"] = value.clone();
                body["id"] = json!(user.id);
                let reply = t
                    .send(Method::PUT, &path(t.users(), &user.id), Some(&body), &[])
                    .await?;
                t.status(&reply, &[200])?;
                t.holds(&reply.body, attribute, &value);
                let there = t.fetch(t.users(), &user.id).await?;
                t.holds(&there, attribute, &value);
                let reply = t
                    .send(Method::PUT, &path(t.users(), &nobody()), Some(&body), &[])
                    .await?;
                t.expect(reply.status == 404, "status 404 for an id that is none");
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/put-misspelled",
        name: "PUT with a misspelled attribute harms nothing",
        source: REFERENCE,
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let mut body = user.body.clone();
                body["dispalyNaem"] = json!("x");
                let reply = t
                    .send(Method::PUT, &path(t.users(), &user.id), Some(&body), &[])
                    .await?;
                t.status(&reply, &[200, 400])?;
                let there = t.fetch(t.users(), &user.id).await?;
                t.expect(
                    there.get("dispalyNaem").is_none(),
                    "no attribute of that name",
                );
                t.expect(there["userName"] == json!(user.name), "the same `userName`");
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/no-credentials",
        name: "No token, or a wrong one: 401",
        source: "RFC 7644 section 2 and 3.12",
        level: Mandatory,
        entra: "Test Connection succeeds with a wrong secret",
        run: |t| {
            Box::pin(async move {
                let endpoint = &t.users().endpoint;
                for credentials in [Credentials::None, Credentials::Bearer(nobody().into())] {
                    let stranger = t.endpoint().signed_in_with(credentials);
                    let reply = t
                        .send_with(&stranger, Method::GET, endpoint, Value::Null, None, &[])
                        .await?;
                    t.expect(reply.status == 401, "status 401");
                }
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/unknown-endpoint",
        name: "An endpoint that is none: 404",
        source: "RFC 7644 section 3.12",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let reply = t.get("/TomboloConformance").await?;
                t.status(&reply, &[404])
            })
        },
    },
    Case {
        id: "rfc/me",
        name: "/Me is answered as the RFC allows",
        source: "RFC 7644 section 3.11",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let reply = t.get("/Me").await?;
                t.status(&reply, &[200, 308, 403, 404, 501])
            })
        },
    },
    Case {
        id: "rfc/password-never-returned",
        name: "A password is never returned",
        source: "RFC 7643 section 4.1.1 and 7.7",
        level: Mandatory,
        entra: "a password stands in the provisioning log",
        run: |t| {
            Box::pin(async move {
                let Some(declared) = t.users().declared("password") else {
                    return Err(skip("the server does not advertise `password`"));
                };
                t.expect_or(
                    declared["returned"] == "never",
                    "`returned` of password is \"never\"",
                    format!("it is {}", declared["returned"]),
                );
                let user = t.user().await?;
                let there = t
                    .get(&format!(
                        "{}?attributes=password",
                        path(t.users(), &user.id)
                    ))
                    .await?;
                for resource in [&user.answer, &there.body] {
                    t.expect(resource.get("password").is_none(), "no `password`");
                }
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/etag",
        name: "ETags: If-Match guards a write, If-None-Match spares a read",
        source: "RFC 7644 section 3.14",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                if !t.server().supports("etag") {
                    return Err(skip("the server does not say that it has ETags"));
                }
                let attribute = t.need("displayName")?;
                let user = t.user().await?;
                let at = path(t.users(), &user.id);
                let reply = t.get(&at).await?;
                let tag = t.some(reply.header("etag"), "a header `ETag`")?.to_owned();
                t.expect(
                    reply.body["meta"]["version"] == json!(tag),
                    "`meta.version` is the ETag",
                );
                let unchanged = t
                    .send(Method::GET, &at, None, &[("if-none-match", &tag)])
                    .await?;
                t.expect(unchanged.status == 304, "status 304 for If-None-Match");
                let patch = |value: Value| {
                    patch_op(&json!([{ "op": "replace", "path": "displayName", "value": value }]))
                };
                let good = t
                    .send(
                        Method::PATCH,
                        &at,
                        Some(&patch(t.fresh(attribute))),
                        &[("if-match", &tag)],
                    )
                    .await?;
                t.status(&good, &[200, 204])?;
                let stale = t
                    .send(
                        Method::PATCH,
                        &at,
                        Some(&patch(t.fresh(attribute))),
                        &[("if-match", &tag)],
                    )
                    .await?;
                t.expect(
                    stale.status == 412,
                    "status 412 for a version that is no more",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/no-etag-needed",
        name: "A write without If-Match is done",
        source: "Entra, Develop a SCIM endpoint: no request of Entra's has If-Match",
        level: Mandatory,
        entra: "no update works: 428 or 412 for every PATCH",
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("displayName")?;
                let user = t.user().await?;
                let reply = t.patch(t.users(), &user.id, json!([{ "op": "Replace", "path": "displayName", "value": t.fresh(attribute) }])).await?;
                t.status(&reply, &[200, 204])
            })
        },
    },
    Case {
        id: "rfc/sort",
        name: "sortBy sorts, both ways",
        source: "RFC 7644 section 3.4.2.3",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                if !t.server().supports("sort") {
                    return Err(skip("the server does not say that it sorts"));
                }
                let (one, two) = (t.user().await?, t.user().await?);
                let filter = format!(
                    "{} or {}",
                    eq("userName", &json!(one.name)),
                    eq("userName", &json!(two.name))
                );
                let mut names = vec![one.name, two.name];
                names.sort_unstable_by_key(|name| name.to_lowercase());
                for order in ["ascending", "descending"] {
                    let found = t
                        .hits(
                            t.users(),
                            &filter,
                            &format!("&sortBy=userName&sortOrder={order}"),
                            2,
                        )
                        .await?;
                    let sorted: Vec<_> = found
                        .iter()
                        .filter_map(|found| found["userName"].as_str())
                        .collect();
                    t.expect(sorted == names, format!("{names:?}"));
                    names.reverse();
                }
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/search",
        name: "POST .search is a query in a body",
        source: "RFC 7644 section 3.4.3",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                "filter": eq("userName", &json!(user.name)), "attributes": ["userName"], "startIndex": 1, "count": 10 });
                let reply = t
                    .send(
                        Method::POST,
                        &format!("{}/.search", t.users().endpoint),
                        Some(&body),
                        &[],
                    )
                    .await?;
                if matches!(reply.status, 404 | 405 | 501) {
                    return Err(skip(format!(
                        "the server has no .search: status {}",
                        reply.status
                    )));
                }
                let found = t.list(&reply, 1)?;
                let bare = found.first().is_some_and(|found| {
                    found["userName"] == json!(user.name) && found.get("displayName").is_none()
                });
                t.expect(bare, "`userName`, and no `displayName`");
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/bulk",
        name: "Bulk: a user, and a group that refers to it by bulkId",
        source: "RFC 7644 section 3.7",
        level: Mandatory,
        entra: "Entra does not use Bulk today; the gallery recommends it",
        run: |t| {
            Box::pin(async move {
                if !t.server().supports("bulk") {
                    return Err(skip("the server does not say that it has Bulk"));
                }
                let groups = t.groups()?;
                let (person, mut team) = (t.person(), t.team(groups));
                team["members"] = json!([{ "value": "bulkId:user" }]);
                let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
                { "method": "POST", "path": t.users().endpoint, "bulkId": "user", "data": person },
                { "method": "POST", "path": groups.endpoint, "bulkId": "group", "data": team }] });
                t.expected_from_bulk(t.users(), &person);
                t.expected_from_bulk(groups, &team);
                let reply = t.send(Method::POST, "/Bulk", Some(&body), &[]).await?;
                t.status(&reply, &[200])?;
                let statuses: Vec<_> = reply.body["Operations"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(status_of)
                    .collect();
                t.expect_or(
                    statuses == ["201", "201"],
                    "two operations with status 201",
                    format!("{statuses:?}"),
                );
                let user = t
                    .hits(t.users(), &eq("userName", &person["userName"]), "", 1)
                    .await?;
                let group = t
                    .hits(groups, &eq("displayName", &team["displayName"]), "", 1)
                    .await?;
                let id = t
                    .some(
                        user.first().and_then(|user| user["id"].as_str()),
                        "the user",
                    )?
                    .to_owned();
                let group = t
                    .some(
                        group.first().and_then(|group| group["id"].as_str()),
                        "the group",
                    )?
                    .to_owned();
                let there = t.fetch(groups, &group).await?;
                t.expect(members(&there) == [id], "the user is the group's member");
                Ok(())
            })
        },
    },
    Case {
        id: "rfc/unknown-operation",
        name: "An operation that PATCH does not have is 400 with an error body",
        source: "RFC 7644 section 3.5.2 and 3.12",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let reply = t
                    .patch(
                        t.users(),
                        &user.id,
                        json!([{ "op": "conjure", "path": "displayName", "value": "x" }]),
                    )
                    .await?;
                t.status(&reply, &[400])?;
                t.error_shaped(&reply);
                t.expect(
                    reply.body["detail"]
                        .as_str()
                        .is_some_and(|detail| !detail.is_empty()),
                    "a `detail` to read",
                );
                Ok(())
            })
        },
    },
];

/// RFC 7644 has a text here; some servers send `{"code": "201"}` as SCIM 1.1 did.
fn status_of(operation: &Value) -> String {
    let status = &operation["status"];
    status
        .as_str()
        .map_or_else(|| status.to_string(), str::to_owned)
}
