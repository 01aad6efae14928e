//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`.

use serde_json::{Value, json};

use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::play::{nobody, path, skip};
use super::super::server::{ENTERPRISE, GROUP, USER};
use super::{OTHERS, UNPARSED};

const CHECKLIST: &str = "Entra gallery checklist, and RFC 7644 section 4";
const UNSEEN: &str = "the attribute is not offered in the attribute list, so it cannot be mapped";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "discovery/service-provider-config",
        name: "The server says what it can do",
        source: CHECKLIST,
        level: Mandatory,
        entra: "the gallery's checklist fails; clients cannot know that PATCH and filters work",
        run: |t| {
            Box::pin(async move {
                let reply = t.get("/ServiceProviderConfig").await?;
                t.status(&reply, &[200])?;
                let urn = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
                t.expect(
                    reply.body["schemas"] == json!([urn]),
                    format!("`schemas` is [\"{urn}\"]"),
                );
                for feature in ["patch", "filter"] {
                    t.expect(
                        reply.body[feature]["supported"] == true,
                        format!("`{feature}.supported` is true"),
                    );
                }
                for feature in ["bulk", "changePassword", "sort", "etag"] {
                    t.expect(
                        reply.body[feature]["supported"].is_boolean(),
                        format!("`{feature}.supported` is a boolean"),
                    );
                }
                t.expect(
                    reply.body["authenticationSchemes"].is_array(),
                    "`authenticationSchemes` is a list",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/resource-types",
        name: "The resource types are listed, User among them",
        source: CHECKLIST,
        level: Mandatory,
        entra: "the gallery's checklist fails",
        run: |t| {
            Box::pin(async move {
                let reply = t.get("/ResourceTypes").await?;
                t.status(&reply, &[200])?;
                t.list_shaped(&reply);
                let user = reply.resources().iter().find(|ty| ty["schema"] == USER);
                let user = t.some(user, "a resource type whose `schema` is the core User")?;
                for part in ["name", "endpoint"] {
                    t.expect(user[part].is_string(), format!("it has a `{part}`"));
                }
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/resource-type",
        name: "Each resource type can be read by its name",
        source: "RFC 7644 section 4",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let list = t.get("/ResourceTypes").await?;
                t.status(&list, &[200])?;
                for ty in list.resources() {
                    let name = ty["name"].as_str().unwrap_or_default();
                    let reply = t.get(&format!("/ResourceTypes/{name}")).await?;
                    t.expect(
                        reply.status == 200 && reply.body["name"] == name,
                        format!("the resource type {name}"),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/schemas",
        name: "The schemas are a list response",
        source: "Entra gallery test 15, and Develop a SCIM endpoint, Schema discovery",
        level: Mandatory,
        entra: "schema discovery fails: every attribute has to be added by hand",
        run: |t| {
            Box::pin(async move {
                let reply = t.get("/Schemas").await?;
                t.status(&reply, &[200])?;
                t.list_shaped(&reply);
                t.expect(reply.body["Resources"].is_array(), "`Resources` is a list");
                t.expect(
                    reply.resources().iter().any(|schema| schema["id"] == USER),
                    "the core User is among them",
                );
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/schema",
        name: "Each schema can be read by its URN, an unknown one is 404",
        source: "RFC 7644 section 4",
        level: Mandatory,
        entra: OTHERS,
        run: |t| {
            Box::pin(async move {
                let list = t.get("/Schemas").await?;
                t.status(&list, &[200])?;
                for schema in list.resources() {
                    let urn = schema["id"].as_str().unwrap_or_default();
                    let reply = t.get(&format!("/Schemas/{urn}")).await?;
                    t.expect(
                        reply.status == 200 && reply.body["id"] == urn,
                        format!("the schema {urn}"),
                    );
                }
                let reply = t.get("/Schemas/urn:example:tombolo:nothing").await?;
                t.expect(reply.status == 404, "status 404 for a URN that is none");
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/schema-values",
        name: "Schemas use RFC 7643's words and leave out what is absent",
        source: "Entra, Develop a SCIM endpoint, Schema discovery; RFC 7643 section 7",
        level: Mandatory,
        entra: "Entra's schema reader refuses the document, or takes the attribute for another kind",
        run: |t| {
            Box::pin(async move {
                let reply = t.get("/Schemas").await?;
                t.status(&reply, &[200])?;
                for schema in reply.resources() {
                    let urn = schema["id"].as_str().unwrap_or_default();
                    for (path, attribute) in declared(schema) {
                        for (word, allowed) in WORDS {
                            let found = &attribute[word];
                            t.expect_or(
                                found.as_str().is_some_and(|found| allowed.contains(&found))
                                    || attribute.get(word).is_none(),
                                format!("`{word}` of {urn}:{path} is one of {allowed:?}"),
                                format!("it is {found}"),
                            );
                        }
                        let null = attribute
                            .as_object()
                            .into_iter()
                            .flatten()
                            .find(|(_, value)| value.is_null());
                        t.expect(
                            null.is_none(),
                            format!("{urn}:{path} says nothing with null"),
                        );
                        t.expect(
                            attribute["type"].is_string(),
                            format!("{urn}:{path} has a `type`"),
                        );
                    }
                }
                Ok(())
            })
        },
    },
    Case {
        id: "gallery/15-schema-discoverability",
        name: "Every attribute that Entra would map is discoverable",
        source: "Entra gallery test 15, Schema_Discoverability",
        level: Mandatory,
        entra: UNSEEN,
        run: |t| {
            Box::pin(async move {
                t.require(t.server().described, "/Schemas with the core User schema")?;
                for path in ["userName", "active"] {
                    t.expect(
                        t.users().attribute(path).is_some(),
                        format!("`{path}` is discoverable"),
                    );
                }
                // What the server took and shows, it has; what it has, an administrator wants to map.
                let mut body = t.person();
                let mapped = [
                    ("title", json!("Lead")),
                    ("preferredLanguage", json!("en-GB")),
                    (
                        "phoneNumbers",
                        json!([{ "type": "work", "value": "+1 206 555 0100" }]),
                    ),
                    ("addresses", json!([{ "type": "work", "locality": "Lyon" }])),
                ];
                for (name, value) in mapped {
                    if body.get(name).is_none() {
                        body[name] = value;
                    }
                }
                let user = t.made(t.users(), body).await?;
                for (path, held) in [
                    ("externalId", user.answer.get("externalId")),
                    ("displayName", user.answer.get("displayName")),
                    ("title", user.answer.get("title")),
                    ("preferredLanguage", user.answer.get("preferredLanguage")),
                    ("name.givenName", user.answer["name"].get("givenName")),
                    ("name.familyName", user.answer["name"].get("familyName")),
                    (
                        "emails[type eq \"work\"].value",
                        of_work(&user.answer, "emails"),
                    ),
                    (
                        "phoneNumbers[type eq \"work\"].value",
                        of_work(&user.answer, "phoneNumbers"),
                    ),
                    (
                        "addresses[type eq \"work\"].locality",
                        of_work(&user.answer, "addresses"),
                    ),
                ] {
                    if held.is_some_and(|held| !held.is_null()) {
                        t.expect(
                            t.users().attribute(path).is_some(),
                            format!(
                                "`{path}`, which the server keeps, is discoverable in /Schemas"
                            ),
                        );
                    }
                }
                for (path, _) in t.sampler().all_fixed() {
                    t.expect(
                        t.users().attribute(path).is_some(),
                        format!("`{path}`, from --set, is discoverable"),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/canonical-values",
        name: "The types of e-mails, phones and addresses have canonicalValues",
        source: "Entra gallery test 15, how the template reads /Schemas",
        level: Mandatory,
        entra: "`emails[type eq \"work\"].value` is not discoverable; only `emails[primary eq \"True\"].value` is",
        run: |t| {
            Box::pin(async move {
                if !t.server().described {
                    return Err(skip("/Schemas has no core User"));
                }
                for name in ["emails", "phoneNumbers", "addresses"] {
                    let Some(attribute) = t.users().declared(name) else {
                        continue;
                    };
                    let of = attribute["subAttributes"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .find(|part| part["name"] == "type");
                    let Some(of) = of else {
                        continue;
                    };
                    t.expect_or(
                        of["canonicalValues"]
                            .as_array()
                            .is_some_and(|values| !values.is_empty()),
                        format!("`{name}.type` has `canonicalValues`"),
                        "there are none",
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/conservative",
        name: "`emails.display` is not advertised",
        source: "recorded from Microsoft's SCIM validator",
        level: Optional,
        entra: "Microsoft's SCIM validator refuses the schema: \"not supported by the SCIM protocol\"",
        run: |t| {
            Box::pin(async move {
                let Some(emails) = t.users().declared("emails") else {
                    return Err(skip("the server does not advertise `emails`"));
                };
                let display = emails["subAttributes"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|part| part["name"] == "display");
                t.expect_or(!display, "`emails` has no part `display`", "it has one");
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/external-id",
        name: "`externalId` is listed",
        source: "Entra gallery test 15, and Develop a SCIM endpoint",
        level: Optional,
        entra: UNSEEN,
        run: |t| {
            Box::pin(async move {
                if !t.server().described {
                    return Err(skip("/Schemas has no core User"));
                }
                t.expect_or(
                    t.users().advertises("externalId"),
                    format!("{USER} lists `externalId`"),
                    "it does not",
                );
                if let Ok(groups) = t.groups() {
                    t.expect_or(
                        groups.advertises("externalId"),
                        format!("{GROUP} lists `externalId`"),
                        "it does not",
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/media-type",
        name: "Answers are `application/scim+json`, errors too",
        source: "Entra, Develop a SCIM endpoint; RFC 7644 section 3.1",
        level: Mandatory,
        entra: UNPARSED,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let id = path(t.users(), &user.id);
                let missing = path(t.users(), &nobody());
                for of in [
                    "/ServiceProviderConfig",
                    "/ResourceTypes",
                    "/Schemas",
                    &t.users().endpoint,
                    &id,
                    &missing,
                ] {
                    let reply = t.get(of).await?;
                    let kind = reply.header("content-type").unwrap_or("none");
                    t.expect_or(
                        kind.to_ascii_lowercase()
                            .starts_with("application/scim+json"),
                        "Content-Type is application/scim+json",
                        format!("it is {kind}"),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "discovery/enterprise-manager",
        name: "The enterprise extension, if it is there, has its own schema document",
        source: "RFC 7643 section 6; Entra gallery test 15",
        level: Mandatory,
        entra: "department, employeeNumber and manager are not offered in the attribute list",
        run: |t| {
            Box::pin(async move {
                let types = t.get("/ResourceTypes").await?;
                let named = types.resources().iter().any(|ty| {
                    ty["schemaExtensions"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .any(|extension| extension["schema"] == ENTERPRISE)
                });
                if !named {
                    return Err(skip("no resource type has the enterprise extension"));
                }
                let schemas = t.get("/Schemas").await?;
                t.expect(
                    schemas
                        .resources()
                        .iter()
                        .any(|schema| schema["id"] == ENTERPRISE),
                    format!("{ENTERPRISE} is in /Schemas"),
                );
                Ok(())
            })
        },
    },
];

/// RFC 7643, section 7.
const WORDS: [(&str, &[&str]); 4] = [
    (
        "type",
        &[
            "string",
            "boolean",
            "decimal",
            "integer",
            "dateTime",
            "reference",
            "complex",
            "binary",
        ],
    ),
    (
        "mutability",
        &["readOnly", "readWrite", "immutable", "writeOnly"],
    ),
    ("returned", &["always", "never", "default", "request"]),
    ("uniqueness", &["none", "server", "global"]),
];

/// Every attribute and part of a schema, by its path.
fn declared(schema: &Value) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    for attribute in schema["attributes"].as_array().into_iter().flatten() {
        let name = attribute["name"].as_str().unwrap_or_default();
        all.push((name.to_owned(), attribute));
        for part in attribute["subAttributes"].as_array().into_iter().flatten() {
            all.push((
                format!("{name}.{}", part["name"].as_str().unwrap_or_default()),
                part,
            ));
        }
    }
    all
}

fn of_work<'a>(user: &'a Value, name: &str) -> Option<&'a Value> {
    user[name]
        .as_array()?
        .iter()
        .find(|element| element["type"] == "work")
}
