//! PATCH as Entra sends it by default: an operation each attribute, `Op` in capitals, booleans as texts.

use serde_json::{Map, Value, json};

use super::super::attribute::{Attribute, Element};
use super::super::case::Case;
use super::super::case::Level::{Mandatory, Optional};
use super::super::case::Stop;
use super::super::play::{Play, eq, skip};
use super::super::server::ENTERPRISE;
use super::{ATTRIBUTES, COMPLIANCE, DEVELOP, ENDLESS, ESCROW, RECORDED, WRONG_DATA};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "patch/composite",
        name: "Many attributes in one request of the default dialect",
        source: RECORDED,
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let department = format!("{ENTERPRISE}:department");
                let wanted = [
                    ("Replace", "displayName"),
                    ("Replace", "name.givenName"),
                    ("Replace", "emails[type eq \"work\"].value"),
                    ("Add", "addresses[type eq \"work\"].formatted"),
                    ("Add", department.as_str()),
                    ("Replace", "externalId"),
                ];
                let mut operations = Vec::new();
                let mut changes = Vec::new();
                for (op, path) in wanted {
                    let Ok(attribute) = t.need(path) else {
                        continue;
                    };
                    let value = t.fresh(attribute);
                    operations.push(json!({ "op": op, "path": path, "value": value }));
                    changes.push((attribute, value));
                }
                operations.push(json!({ "op": "Replace", "path": "active", "value": "False" }));
                let there = t.change(t.users(), &user.id, json!(operations)).await?;
                for (attribute, value) in &changes {
                    t.holds(&there, attribute, value);
                }
                t.expect(there["active"] == false, "`active` is false");
                Ok(())
            })
        },
    },
    Case {
        id: "patch/op-in-any-case",
        name: "`op` and attribute names in any case",
        source: "Entra, Known issues with SCIM 2.0 compliance; RFC 7643 section 2.1",
        level: Mandatory,
        entra: "no update works: Entra sends `Add`, `Replace` and `Remove`",
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let attribute = t.need("displayName")?;
                for (op, path) in [
                    ("Replace", "displayName"),
                    ("REPLACE", "DISPLAYNAME"),
                    ("replace", "displayname"),
                    ("Add", "displayName"),
                ] {
                    let value = t.fresh(attribute);
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": op, "path": path, "value": value }]),
                        )
                        .await?;
                    t.holds(&there, attribute, &value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "patch/boolean-as-text",
        name: "\"True\" and \"False\" are booleans, and come back as booleans",
        source: COMPLIANCE,
        level: Mandatory,
        entra: "people who left keep their access; a text that comes back \"cannot be parsed as the type 'Boolean'\"",
        run: |t| {
            Box::pin(async move {
                t.need("active")?;
                let user = t.user().await?;
                for (text, value) in [
                    ("False", false),
                    ("True", true),
                    ("false", false),
                    ("true", true),
                ] {
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": "Replace", "path": "active", "value": text }]),
                        )
                        .await?;
                    t.expect_or(
                        there["active"] == value,
                        format!("`active` is the JSON boolean {value} after \"{text}\""),
                        format!("it is {}", there["active"]),
                    );
                }
                Ok(())
            })
        },
    },
    Case {
        id: "patch/value-path-creates",
        name: "Replace on a value path creates the element that is not there",
        source: "recorded from Entra's client; Microsoft's SCIM validator depends on it",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let absent = by_element(t, &user.body);
                if absent.is_empty() {
                    return Err(skip(
                        "the server advertises no multi-valued attribute with types",
                    ));
                }
                for attribute in absent {
                    let value = t.fresh(attribute);
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": "Replace", "path": attribute.path(), "value": value }]),
                        )
                        .await?;
                    t.holds(&there, attribute, &value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "patch/one-new-element",
        name: "Several operations on one element that is not there give one element",
        source: RECORDED,
        level: Mandatory,
        entra: ENDLESS,
        run: |t| {
            Box::pin(async move {
                let parts = ["locality", "postalCode", "country"]
                    .map(|part| format!("addresses[type eq \"work\"].{part}"));
                let parts: Vec<&Attribute> =
                    parts.iter().filter_map(|path| t.need(path).ok()).collect();
                if parts.len() < 2 {
                    return Err(skip(
                        "the server advertises no work address of several parts",
                    ));
                }
                let user = t.user().await?;
                let values: Vec<_> = parts.iter().map(|attribute| t.fresh(attribute)).collect();
                let operations: Vec<_> = parts.iter().zip(&values)
                .map(|(attribute, value)| json!({ "op": "Add", "path": attribute.path(), "value": value }))
                .collect();
                let there = t.change(t.users(), &user.id, json!(operations)).await?;
                for (attribute, value) in parts.iter().zip(&values) {
                    t.holds(&there, attribute, value);
                }
                let work = there["addresses"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|address| address["type"] == "work")
                    .count();
                t.expect_or(
                    work == 1,
                    "one address of type work",
                    format!("there are {work}"),
                );
                Ok(())
            })
        },
    },
    Case {
        id: "patch/add-overwrites",
        name: "Add on a single value that is there overwrites it",
        source: "Entra, Known issues with SCIM 2.0 compliance; RFC 7644 section 3.5.2.1",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let attribute = t.need("displayName")?;
                let value = t.fresh(attribute);
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Add", "path": "displayName", "value": value }]),
                    )
                    .await?;
                t.holds(&there, attribute, &value);
                Ok(())
            })
        },
    },
    Case {
        id: "patch/extension-path",
        name: "A path of an extension's URN and attribute",
        source: "RFC 7644 section 3.10; Entra, Develop a SCIM endpoint",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let Some(attribute) = t
                    .users()
                    .attributes
                    .iter()
                    .find(|attribute| attribute.extension.is_some() && attribute.is_flat())
                else {
                    return Err(skip("the server advertises no extension"));
                };
                let user = t.user().await?;
                for op in ["Add", "Replace"] {
                    let value = t.fresh(attribute);
                    let there = t
                        .change(
                            t.users(),
                            &user.id,
                            json!([{ "op": op, "path": attribute.path(), "value": value }]),
                        )
                        .await?;
                    t.holds(&there, attribute, &value);
                }
                Ok(())
            })
        },
    },
    Case {
        id: "patch/external-id",
        name: "externalId is replaced",
        source: DEVELOP,
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("externalId")?;
                let user = t.user().await?;
                let value = t.fresh(attribute);
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([{ "op": "Replace", "path": "externalId", "value": value }]),
                    )
                    .await?;
                t.holds(&there, attribute, &value);
                t.hits(t.users(), &eq("externalId", &value), "", 1).await?;
                Ok(())
            })
        },
    },
    Case {
        id: "patch/undeclared-extension",
        name: "A path of an extension that is not known is no error",
        source: ATTRIBUTES,
        level: Optional,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let user = t.user().await?;
                let attribute = t.need("displayName")?;
                let value = t.fresh(attribute);
                let there = t.change(t.users(), &user.id, json!([
                { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:badge", "value": "7" },
                { "op": "Replace", "path": "displayName", "value": value }])).await?;
                t.holds(&there, attribute, &value);
                Ok(())
            })
        },
    },
    Case {
        id: "patch/empty-clears",
        name: "Replace with \"\" clears",
        source: "Entra gallery test 16, phase 1",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| Box::pin(clears(t, "Replace", json!(""))),
    },
    Case {
        id: "patch/null-clears",
        name: "Replace with null clears",
        source: "Entra gallery test 16, phase 2",
        level: Mandatory,
        entra: WRONG_DATA,
        run: |t| Box::pin(clears(t, "Replace", Value::Null)),
    },
    Case {
        id: "patch/remove-stale-value",
        name: "Remove with a value removes, whatever the value",
        source: "recorded: AzureAD/SCIMReferenceCode issue 87",
        level: Mandatory,
        entra: ESCROW,
        run: |t| {
            Box::pin(async move {
                let attribute = t.need("emails[type eq \"work\"].value")?;
                if attribute.required {
                    return Err(skip("the work e-mail is required"));
                }
                let user = t.user().await?;
                let there = t
                    .change(
                        t.users(),
                        &user.id,
                        json!([
                { "op": "Remove", "path": attribute.path(), "value": "stale@example.com" }]),
                    )
                    .await?;
                t.lacks(&there, attribute);
                Ok(())
            })
        },
    },
];

/// What could be filled by a value path and is not.
fn by_element<'t>(t: &'t Play<'_>, user: &Value) -> Vec<&'t Attribute> {
    t.users()
        .attributes
        .iter()
        .filter(|attribute| {
            matches!(attribute.element, Some(Element::Type(_))) && attribute.read(user).is_none()
        })
        .filter(|attribute| t.sampler().fixed(&attribute.path()).is_none())
        .collect()
}

/// One attribute of every form is cleared: simple, part of a complex one, of an element, of an extension.
async fn clears(t: &Play<'_>, op: &str, nothing: Value) -> Result<(), Stop> {
    let of_enterprise = format!("{ENTERPRISE}:department");
    let forms = [
        "title",
        "name.givenName",
        "emails[type eq \"work\"].value",
        of_enterprise.as_str(),
    ];
    let cleared: Vec<&Attribute> = forms
        .iter()
        .filter_map(|path| t.need(path).ok())
        .filter(|attribute| !attribute.required && t.sampler().fixed(&attribute.path()).is_none())
        .collect();
    if cleared.is_empty() {
        return Err(skip("the server advertises nothing that can be cleared"));
    }
    let mut body = t.person();
    for attribute in &cleared {
        attribute.put(&mut body, t.fresh(attribute));
    }
    let user = t.made(t.users(), body).await?;
    for attribute in cleared {
        let mut operation = Map::new();
        operation.insert("op".into(), json!(op));
        operation.insert("path".into(), json!(attribute.path()));
        operation.insert("value".into(), nothing.clone());
        let there = t.change(t.users(), &user.id, json!([operation])).await?;
        t.lacks(&there, attribute);
    }
    Ok(())
}
