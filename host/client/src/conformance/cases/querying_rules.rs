//! What every query owes, whatever it is for: the grammar, projection, an answer that can be read.

use serde_json::json;

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{eq, nobody, path};
use super::{ESCROW, OTHERS, RECORDED, REFERENCE, UNPARSED};

const FLAG: &str = "Entra, Known issues with SCIM 2.0 compliance, Flags to alter the SCIM behavior";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "query/attributes-id",
        name: "attributes=id returns nothing else, wherever it stands in the query",
        source: "RFC 7644 section 3.9; Entra, Develop a SCIM endpoint, example 4",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let filter = eq("userName", &json!(user.name));
                let encoded = crate::http::encode(&filter);
                let endpoint = &t.users().endpoint;
                for query in [
                    format!("{endpoint}?filter={encoded}&attributes=id"),
                    format!("{endpoint}?attributes=id&filter={encoded}"),
                ] {
                    let reply = t.get(&query).await?;
                    let found = t.list(&reply, 1)?;
                    let bare = found.first().is_some_and(|found| {
                        found["id"] == json!(user.id) && found.get("userName").is_none()
                    });
                    t.expect(bare, "`id`, and no `userName`");
                }
                Ok(())
            })
        },
    },
    Case {
        id: "query/flag",
        name: "The flag in a query is let go by",
        source: FLAG,
        level: Mandatory,
        entra: "no request works once the administrator has put the flag into the Tenant URL",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                t.hits(
                    t.users(),
                    &eq("userName", &json!(user.name)),
                    "&aadOptscim062020",
                    1,
                )
                .await?;
                Ok(())
            })
        },
    },
    Case {
        id: "query/missing-id",
        name: "GET of an id that is none: 404 with an error body",
        source: "Entra, Develop a SCIM endpoint; RFC 7644 section 3.12",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let reply = t.read(t.users(), &nobody()).await?;
                t.status(&reply, &[404])?;
                t.error_shaped(&reply);
                Ok(())
            })
        },
    },
    Case {
        id: "query/resources",
        name: "Resources in a list have `schemas`, `id` and `meta`",
        source: "RFC 7643 section 3.1",
        level: Mandatory,
        entra: UNPARSED,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let found = t
                    .hits(t.users(), &eq("userName", &json!(user.name)), "", 1)
                    .await?;
                let found = found.into_iter().next().unwrap_or_default();
                let has = |urn: &str| {
                    found["schemas"]
                        .as_array()
                        .is_some_and(|schemas| schemas.contains(&json!(urn)))
                };
                t.expect(has(t.users().schema), "`schemas` names the core User");
                t.expect(
                    found["meta"]["resourceType"] == "User",
                    "`meta.resourceType` is \"User\"",
                );
                t.expect(
                    found["meta"]["location"]
                        .as_str()
                        .is_some_and(|location| location.ends_with(&path(t.users(), &user.id))),
                    "`meta.location` ends with the resource's path",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "query/grammar",
        name: "Filters with and, or, not, sw, co, pr, gt and grouping",
        source: "RFC 7644 section 3.4.2.2; Microsoft's SCIM reference tests",
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let mine = eq("userName", &json!(user.name));
                let none = eq("userName", &json!(nobody()));
                let start = crate::http::literal(&user.name[..user.name.len() - 2]);
                for (filter, hits) in [
                    (format!("{mine} and active eq true"), 1),
                    (format!("{none} or {mine}"), 1),
                    (format!("({none} or {mine}) and not (active eq false)"), 1),
                    (format!("userName sw {start} and {mine}"), 1),
                    (format!("userName co {start} and {mine}"), 1),
                    (format!("userName pr and {mine}"), 1),
                    (
                        format!("{mine} and meta.lastModified gt \"2000-01-01T00:00:00Z\""),
                        1,
                    ),
                    (
                        format!(
                            "{mine} and userName ne {}",
                            crate::http::literal(&user.name)
                        ),
                        0,
                    ),
                ] {
                    t.hits(t.users(), &filter, "", hits).await?;
                }
                Ok(())
            })
        },
    },
    Case {
        id: "query/half-a-filter",
        name: "Half a filter is 400 invalidFilter",
        source: "RFC 7644 section 3.4.2.2",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let reply = t.find(t.users(), "userName eq", "").await?;
                t.status(&reply, &[400])?;
                t.error_shaped(&reply);
                t.expect(
                    reply.body["scimType"] == "invalidFilter",
                    "`scimType` is \"invalidFilter\"",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "query/attributes-value-path",
        name: "attributes=emails returns the e-mails",
        source: REFERENCE,
        level: Optional,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("emails[type eq \"work\"].value")?;
                let user = t.user().await?;
                let value = attribute.read(&user.body).cloned().unwrap_or_default();
                for asked in ["emails", "emails[type+eq+%22work%22]"] {
                    let reply = t
                        .get(&format!("{}?attributes={asked}", path(t.users(), &user.id)))
                        .await?;
                    t.status(&reply, &[200])?;
                    t.holds(&reply.body, attribute, &value);
                    t.expect(reply.body.get("displayName").is_none(), "no `displayName`");
                }
                Ok(())
            })
        },
    },
    Case {
        id: "query/excluded-attributes",
        name: "excludedAttributes leaves out what it names, and only that",
        source: "RFC 7644 section 3.9",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                t.need("displayName")?;
                let user = t.user().await?;
                let reply = t
                    .get(&format!(
                        "{}?excludedAttributes=displayName",
                        path(t.users(), &user.id)
                    ))
                    .await?;
                t.status(&reply, &[200])?;
                t.expect(reply.body.get("displayName").is_none(), "no `displayName`");
                t.expect(
                    reply.body["userName"] == json!(user.name)
                        && reply.body["id"] == json!(user.id),
                    "`id` and `userName`",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "query/doubled-slash",
        name: "A doubled and a trailing slash are let go by",
        source: RECORDED,
        level: Optional,
        entra: "a Tenant URL that ends in a slash does not work",
        run: |t| {
            Box::pin(async move {
                let filter = crate::http::encode(&eq("userName", &json!(nobody())));
                for path in [
                    format!("/{}?filter={filter}", t.users().endpoint),
                    format!("{}/?filter={filter}", t.users().endpoint),
                ] {
                    let reply = t.get(&path).await?;
                    t.list(&reply, 0)?;
                }
                Ok(())
            })
        },
    },
];
