//! Every request that Entra's provisioning service is known to send, answered
//! as it expects: one table, played against csv and against a directory.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::people::{ENTERPRISE, GROUP, USER};
use tombolo_tests::scim::{Reply, Scim, encode, patch_op};
use tombolo_tests::slapd::Slapd;
use tombolo_tests::{apps, build};

const PASSWORD: &str = "shapes-password";
const AD_GROUP: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_is_answered_with_csv() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "shapes", "")?;
    let host = Host::start(&directory).await?;
    every_shape(&host, "csv").await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_is_answered_with_ldap() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "shapes", &slapd, "")?;
    let start: Start = apps::with_password(PASSWORD);
    let host = Host::start_with(directory.path(), &start).await?;
    every_shape(&host, "ldap").await
}

async fn every_shape(host: &Host, target: &str) -> Result<()> {
    let table = Table {
        scim: host.scim("shapes")?,
        wrong: Vec::new().into(),
        passed: 0.into(),
    };
    queries(&table).await?;
    creates(&table).await?;
    user_patches(&table).await?;
    groups(&table).await?;
    deprovisioning(&table).await?;
    http(&table, host).await?;
    let wrong = table.wrong.into_inner();
    println!(
        "{target}: {} shapes as expected, {} not",
        table.passed.into_inner(),
        wrong.len()
    );
    ensure!(
        wrong.is_empty(),
        "{target}: {} shapes:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// Collects what is wrong instead of stopping at it.
struct Table {
    scim: Scim,
    wrong: std::cell::RefCell<Vec<String>>,
    passed: std::cell::Cell<usize>,
}

impl Table {
    fn expect(&self, shape: &str, good: bool, reply: &Reply) {
        if good {
            self.passed.set(self.passed.get() + 1);
        } else {
            self.wrong
                .borrow_mut()
                .push(format!("- {shape}: {reply:?}"));
        }
    }

    fn scim_typed(&self, shape: &str, reply: &Reply) {
        let kind = reply.header("content-type").unwrap_or_default();
        if reply.status != 204 && !kind.starts_with("application/scim+json") {
            self.wrong
                .borrow_mut()
                .push(format!("- {shape}: content type {kind:?}"));
        }
    }

    async fn find(&self, endpoint: &str, filter: &str) -> Result<Reply> {
        self.scim.find("find", endpoint, filter).await
    }

    async fn hits(&self, shape: &str, path: &str, expected: u64) -> Result<Reply> {
        let reply = self.scim.get(path).await?;
        let good = reply.status == 200
            && reply.body["totalResults"] == json!(expected)
            && reply.body["schemas"]
                == json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"])
            && reply.body["startIndex"] == 1
            && reply.body["itemsPerPage"] == json!(expected)
            && reply.body["Resources"]
                .as_array()
                .is_some_and(|r| r.len() as u64 == expected);
        self.expect(&format!("{shape} ({path})"), good, &reply);
        self.scim_typed(shape, &reply);
        Ok(reply)
    }

    /// PATCHes a user and looks with `good` at what GET shows afterwards.
    async fn patch(
        &self,
        shape: &str,
        id: &str,
        operations: Value,
        good: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let reply = self
            .scim
            .patch(&format!("/Users/{id}"), &patch_op(&operations))
            .await?;
        if !matches!(reply.status, 200 | 204) {
            self.expect(shape, false, &reply);
            return Ok(());
        }
        self.scim_typed(shape, &reply);
        let there = self.scim.get(&format!("/Users/{id}")).await?;
        self.expect(shape, there.status == 200 && good(&there.body), &there);
        if reply.status == 200 {
            self.expect(
                &format!("{shape}, as the PATCH answers"),
                good(&reply.body),
                &reply,
            );
        }
        Ok(())
    }

    async fn user(&self, name: &str) -> Result<String> {
        let body = json!({
            "schemas": [USER, ENTERPRISE], "userName": name, "externalId": format!("ext-{name}"), "active": true,
            "displayName": format!("Display {name}"), "name": { "givenName": "Given", "familyName": "Family" },
        });
        let reply = self.scim.post("/Users", &body).await?;
        ensure!(reply.status == 201, "POST {name}: {reply:?}");
        Ok(reply.id())
    }
}

fn work<'a>(user: &'a Value, attribute: &str, sub: &str) -> &'a Value {
    user[attribute]
        .as_array()
        .into_iter()
        .flatten()
        .find(|e| e["type"] == "work")
        .map_or(&Value::Null, |e| &e[sub])
}

fn manager(user: &Value) -> Option<&str> {
    user[ENTERPRISE]["manager"]["value"].as_str()
}

async fn queries(t: &Table) -> Result<()> {
    let guid = uuid::Uuid::new_v4();
    t.hits(
        "probe",
        &format!("/Users?filter=userName+eq+%22{guid}%22"),
        0,
    )
    .await?;
    t.hits(
        "probe with %20",
        &format!("/Users?filter=userName%20eq%20%22{guid}%22"),
        0,
    )
    .await?;
    t.hits(
        "probe of a fresh ECMA app",
        &format!("/Users?filter=PLACEHOLDER+eq+%22{guid}%22"),
        0,
    )
    .await?;
    t.hits(
        "probe for a group",
        &format!("/Groups?excludedAttributes=members&filter=displayName+eq+%22{guid}%22"),
        0,
    )
    .await?;

    let boss = t.user("boss@contoso.com").await?;
    let body = json!({
        "schemas": [USER, ENTERPRISE], "externalId": "jyoung", "userName": "Ana@contoso.com", "active": true,
        "displayName": "Ana Ruiz", "name": { "givenName": "Ana", "familyName": "Ruiz" },
        "emails": [{ "type": "work", "primary": true, "value": "ana@contoso.com" }],
        ENTERPRISE: { "employeeNumber": "10042", "department": "Sales", "manager": boss },
    });
    let ana = t.scim.post("/Users", &body).await?;
    ensure!(ana.status == 201, "POST Ana: {ana:?}");
    let id = ana.id();
    let filters = [
        (
            "match userName",
            "userName eq \"Ana@contoso.com\"".to_owned(),
        ),
        (
            "match in another case",
            "userName eq \"ANA@CONTOSO.COM\"".to_owned(),
        ),
        (
            "attribute name in another case",
            "UserName eq \"ana@contoso.com\"".to_owned(),
        ),
        ("match externalId", "externalId eq \"jyoung\"".to_owned()),
        (
            "match externalId unquoted",
            "externalId eq jyoung".to_owned(),
        ),
        (
            "match work email",
            "emails[type eq \"work\"].value eq \"ana@contoso.com\"".to_owned(),
        ),
        (
            "match employeeNumber",
            format!("{ENTERPRISE}:employeeNumber eq \"10042\""),
        ),
        (
            "match displayName in another case",
            "displayName eq \"ana ruiz\"".to_owned(),
        ),
        (
            "reference check of manager",
            format!("id eq \"{id}\" and manager eq \"{boss}\""),
        ),
        (
            "and of two",
            "userName eq \"ana@contoso.com\" and active eq true".to_owned(),
        ),
        ("sw", "userName sw \"ana@\"".to_owned()),
        (
            "co and or",
            "userName co \"nobody\" or (displayName co \"Ruiz\")".to_owned(),
        ),
    ];
    for (shape, filter) in filters {
        let reply = t
            .hits(shape, &format!("/Users?filter={}", encode(&filter)), 1)
            .await?;
        let found = reply.resources().first().map(|r| r["id"].clone());
        t.expect(
            &format!("{shape}: the right one"),
            found == Some(json!(id)),
            &reply,
        );
    }
    let check = encode(&format!("id eq \"{id}\" and manager eq \"{boss}\""));
    let reply = t
        .hits(
            "attributes=id",
            &format!("/Users?filter={check}&attributes=id"),
            1,
        )
        .await?;
    let only = reply
        .resources()
        .first()
        .is_some_and(|r| r["id"] == json!(id) && r.get("displayName").is_none());
    t.expect("attributes=id returns the id only", only, &reply);
    t.hits(
        "attributes before filter",
        &format!("/Users?attributes=id&filter={check}"),
        1,
    )
    .await?;
    let reply = t
        .hits(
            "the flag on a query",
            "/Users?filter=userName+eq+%22ana@contoso.com%22&aadOptscim062020",
            1,
        )
        .await?;
    let user = reply.resources().first().cloned().unwrap_or_default();
    t.expect(
        "manager is returned as an object",
        manager(&user) == Some(boss.as_str()),
        &reply,
    );

    let reply = t
        .scim
        .get("/Users/00000000-0000-0000-0000-000000000000")
        .await?;
    let good = reply.status == 404
        && reply.body["schemas"] == json!(["urn:ietf:params:scim:api:messages:2.0:Error"]);
    t.expect(
        "GET of an unknown id",
        good && reply.body["status"] == "404",
        &reply,
    );
    let reply = t.find("Users", "userName eq").await?;
    t.expect(
        "half a filter",
        reply.status == 400 && reply.body["scimType"] == "invalidFilter",
        &reply,
    );
    Ok(())
}

async fn creates(t: &Table) -> Result<()> {
    let boss = t
        .find("Users", "userName eq \"boss@contoso.com\"")
        .await?
        .resources()[0]["id"]
        .clone();
    let body = json!({
        "schemas": [USER, ENTERPRISE], "externalId": "bea", "userName": "bea@contoso.com", "active": true,
        "displayName": "Bea Ruiz", "name": { "givenName": "Bea", "familyName": "Ruiz" },
        "emails": [{ "type": "work", "primary": true, "value": "bea@contoso.com" }],
        "phoneNumbers": [{ "type": "mobile", "value": "555-0100" }],
        "addresses": null, "title": null, "roles": [], "meta": { "resourceType": "User" },
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": { "department": "Sales", "manager": boss },
        "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User": { "badge": "7" },
    });
    let reply = t.scim.post("/Users", &body).await?;
    let id = reply.id();
    t.expect(
        "create with null, [], a URN without its colon and an undeclared extension",
        reply.status == 201,
        &reply,
    );
    t.expect(
        "userName is echoed byte-equal",
        reply.body["userName"] == "bea@contoso.com",
        &reply,
    );
    t.expect(
        "null is absent",
        reply.body.get("title").is_none_or(Value::is_null),
        &reply,
    );
    t.expect(
        "a bare manager comes back as an object",
        manager(&reply.body) == boss.as_str(),
        &reply,
    );
    t.expect(
        "Location",
        reply
            .header("location")
            .is_some_and(|l| l.ends_with(&format!("/Users/{id}"))),
        &reply,
    );
    t.expect(
        "meta.location",
        reply.body["meta"]["location"].as_str() == reply.header("location"),
        &reply,
    );
    t.expect(
        "meta.resourceType",
        reply.body["meta"]["resourceType"] == "User",
        &reply,
    );
    t.expect(
        "ETag is meta.version",
        reply
            .header("etag")
            .is_some_and(|e| reply.body["meta"]["version"] == e),
        &reply,
    );
    t.scim_typed("create", &reply);

    let reply = t.scim.post("/Users", &body).await?;
    let good = reply.status == 409
        && reply.body["scimType"] == "uniqueness"
        && reply.body["status"] == "409"
        && reply.body["schemas"] == json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
        && reply.body["detail"].as_str().is_some_and(|d| !d.is_empty());
    t.expect("duplicate", good, &reply);
    let mut shouted = body.clone();
    shouted["userName"] = json!("BEA@CONTOSO.COM");
    let reply = t.scim.post("/Users", &shouted).await?;
    t.expect("duplicate in another case", reply.status == 409, &reply);

    let text = json!({ "schemas": [USER], "userName": "txt@contoso.com", "active": "True",
        "displayName": "T", "name": { "familyName": "T" } });
    let reply = t.scim.post("/Users", &text).await?;
    t.expect(
        "active as text",
        reply.status == 201 && reply.body["active"] == true,
        &reply,
    );
    let reply = t
        .scim
        .post(
            "/Users",
            &json!({ "schemas": [USER], "displayName": "No Name" }),
        )
        .await?;
    t.expect(
        "no userName",
        reply.status == 400
            && reply.body["detail"]
                .as_str()
                .is_some_and(|d| d.contains("userName")),
        &reply,
    );
    let reply = t
        .scim
        .send("POST", Method::POST, "/Users", Some("{ junk".to_owned()))
        .await?;
    t.expect(
        "junk",
        reply.status == 400 && reply.body["scimType"] == "invalidSyntax",
        &reply,
    );
    for value in [
        json!({ "value": boss }),
        json!([{ "value": boss, "$ref": "../Users/1" }]),
    ] {
        let name = uuid::Uuid::new_v4().to_string();
        let body = json!({ "schemas": [USER, ENTERPRISE], "userName": name, "displayName": name,
            "name": { "familyName": "M" }, ENTERPRISE: { "manager": value } });
        let reply = t.scim.post("/Users", &body).await?;
        t.expect(
            "manager in another form",
            reply.status == 201 && manager(&reply.body) == boss.as_str(),
            &reply,
        );
    }
    Ok(())
}

async fn user_patches(t: &Table) -> Result<()> {
    let boss = t.user("patch.boss@contoso.com").await?;
    let id = t.user("patch@contoso.com").await?;
    let id = id.as_str();
    let dept = format!("{ENTERPRISE}:department");
    let number = format!("{ENTERPRISE}:employeeNumber");
    let manager_path = format!("{ENTERPRISE}:manager");

    t.patch("the composite of the legacy dialect", id, json!([
        { "op": "Replace", "path": "displayName", "value": "Ana R" },
        { "op": "Replace", "path": "name.givenName", "value": "Ana" },
        { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ana.r@contoso.com" },
        { "op": "Add", "path": "addresses[type eq \"work\"].streetAddress", "value": "18/2111" },
        { "op": "Add", "path": dept, "value": "Retail" },
        { "op": "Replace", "path": "externalId", "value": "ana.r" },
        { "op": "Replace", "path": "active", "value": "False" },
    ]), |u| {
        u["displayName"] == "Ana R" && u["name"]["givenName"] == "Ana" && work(u, "emails", "value") == "ana.r@contoso.com"
            && work(u, "addresses", "streetAddress") == "18/2111" && u[ENTERPRISE]["department"] == "Retail"
            && u["externalId"] == "ana.r" && u["active"] == false
    }).await?;
    for (text, value) in [("True", true), ("false", false), ("true", true)] {
        t.patch(
            &format!("active as {text:?}"),
            id,
            json!([{ "op": "replace", "path": "active", "value": text }]),
            |u| u["active"] == value,
        )
        .await?;
    }
    t.patch(
        "op in capitals",
        id,
        json!([{ "op": "REPLACE", "path": "TITLE", "value": "Lead" }]),
        |u| u["title"] == "Lead",
    )
    .await?;
    t.patch(
        "Add on a value that is there",
        id,
        json!([{ "op": "Add", "path": "title", "value": "Boss" }]),
        |u| u["title"] == "Boss",
    )
    .await?;
    t.patch("a missing element is created", id, json!([
        { "op": "Replace", "path": "phoneNumbers[type eq \"work\"].value", "value": "+1 555 1" },
    ]), |u| work(u, "phoneNumbers", "value") == "+1 555 1").await?;
    t.patch(
        "several operations on one element to be",
        id,
        json!([
            { "op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Lyon" },
            { "op": "Add", "path": "addresses[type eq \"work\"].postalCode", "value": "69001" },
        ]),
        |u| {
            work(u, "addresses", "locality") == "Lyon"
                && work(u, "addresses", "postalCode") == "69001"
                && u["addresses"].as_array().is_some_and(|a| a.len() == 1)
        },
    )
    .await?;
    t.patch("Remove with a stale value", id, json!([
        { "op": "Remove", "path": "emails[type eq \"work\"].value", "value": "stale@contoso.com" },
    ]), |u| work(u, "emails", "value").is_null()).await?;
    t.patch(
        "and it is created again",
        id,
        json!([
            { "op": "Add", "path": "emails[type eq \"work\"].value", "value": "again@contoso.com" },
        ]),
        |u| work(u, "emails", "value") == "again@contoso.com",
    )
    .await?;

    for (shape, path, value) in [
        ("manager, bare, by URN", manager_path.as_str(), json!(boss)),
        (
            "manager, an object, by URN",
            manager_path.as_str(),
            json!({ "value": boss }),
        ),
        (
            "manager, an array",
            manager_path.as_str(),
            json!([{ "$ref": "x", "value": boss }]),
        ),
        ("manager, bare, by its name", "manager", json!(boss)),
    ] {
        t.patch(
            shape,
            id,
            json!([{ "op": "Add", "path": path, "value": value }]),
            |u| manager(u) == Some(boss.as_str()),
        )
        .await?;
        t.patch(
            "manager emptied",
            id,
            json!([{ "op": "Replace", "path": path, "value": "" }]),
            |u| manager(u).is_none(),
        )
        .await?;
    }
    t.patch(
        "manager again",
        id,
        json!([{ "op": "add", "path": manager_path, "value": boss }]),
        |u| manager(u).is_some(),
    )
    .await?;
    t.patch(
        "Remove manager",
        id,
        json!([{ "op": "Remove", "path": manager_path }]),
        |u| manager(u).is_none(),
    )
    .await?;
    let reply = t
        .scim
        .patch(
            &format!("/Users/{id}"),
            &patch_op(&json!([{ "op": "add", "path": manager_path, "value": "nobody-is-this" }])),
        )
        .await?;
    let named = reply.body["detail"]
        .as_str()
        .is_some_and(|d| d.contains("nobody-is-this"));
    t.expect(
        "an unknown manager is named",
        matches!(reply.status, 400 | 404) && named,
        &reply,
    );

    t.patch("the compliant dialect", id, json!([
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "flag@contoso.com" },
        { "op": "replace", "value": { "displayName": "Flag R", "name.givenName": "Flag", "name.familyName": "Ruiz", number: "10099" } },
    ]), |u| {
        work(u, "emails", "value") == "flag@contoso.com" && u["displayName"] == "Flag R" && u["name"]["givenName"] == "Flag"
            && u["name"]["familyName"] == "Ruiz" && u[ENTERPRISE]["employeeNumber"] == "10099" && u.get("name.givenName").is_none()
    }).await?;
    t.patch(
        "active, a boolean",
        id,
        json!([{ "op": "replace", "path": "active", "value": false }]),
        |u| u["active"] == false,
    )
    .await?;
    t.patch(
        "active inside a pathless replace",
        id,
        json!([{ "op": "replace", "value": { "active": true } }]),
        |u| u["active"] == true,
    )
    .await?;
    t.patch(
        "pathless add",
        id,
        json!([{ "op": "add", "value": { "title": "Chief", "name.familyName": "Added" } }]),
        |u| u["title"] == "Chief" && u["name"]["familyName"] == "Added",
    )
    .await?;
    t.patch("userName and externalId inside a pathless replace", id,
        json!([{ "op": "replace", "value": { "userName": "patched@contoso.com", "externalId": "px" } }]),
        |u| u["userName"] == "patched@contoso.com" && u["externalId"] == "px").await?;
    t.hits(
        "found by the new name",
        "/Users?filter=userName+eq+%22patched@contoso.com%22",
        1,
    )
    .await?;
    t.hits(
        "not found by the old one",
        "/Users?filter=userName+eq+%22patch@contoso.com%22",
        0,
    )
    .await?;
    t.patch(
        "empty text clears",
        id,
        json!([{ "op": "replace", "value": { "title": "", "name.givenName": "" } }]),
        |u| u["title"].is_null() && u["name"]["givenName"].is_null(),
    )
    .await?;
    t.patch(
        "null clears",
        id,
        json!([{ "op": "replace", "path": dept, "value": null }]),
        |u| u[ENTERPRISE]["department"].is_null(),
    )
    .await?;
    t.patch("the same attribute twice, in order", id, json!([
        { "op": "replace", "path": "displayName", "value": "First" }, { "op": "replace", "path": "displayName", "value": "Second" },
    ]), |u| u["displayName"] == "Second").await?;
    t.patch("an unknown extension is tolerated", id, json!([
        { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:badge", "value": "7" },
        { "op": "Replace", "path": "displayName", "value": "Third" },
    ]), |u| u["displayName"] == "Third").await?;

    let before = t.scim.get(&format!("/Users/{id}")).await?;
    let reply = t
        .scim
        .patch(
            &format!("/Users/{id}"),
            &patch_op(&json!([{ "op": "replace", "path": "displayName", "value": "Third" }])),
        )
        .await?;
    let after = t.scim.get(&format!("/Users/{id}")).await?;
    let same = matches!(reply.status, 200 | 204)
        && before.body["meta"]["version"] == after.body["meta"]["version"];
    t.expect("a replayed PATCH changes nothing", same, &after);
    let reply = t
        .scim
        .patch(
            &format!("/Users/{id}"),
            &patch_op(
                &json!([{ "op": "replace", "path": "userName", "value": "boss@contoso.com" }]),
            ),
        )
        .await?;
    t.expect(
        "a rename to a taken name",
        reply.status == 409 && reply.body["scimType"] == "uniqueness",
        &reply,
    );
    let reply = t
        .scim
        .patch(
            "/Users/nobody",
            &patch_op(&json!([{ "op": "replace", "path": "title", "value": "x" }])),
        )
        .await?;
    t.expect("PATCH of an unknown id", reply.status == 404, &reply);
    roles(t, id).await
}

/// Roles, where the connector's schema has them.
async fn roles(t: &Table, id: &str) -> Result<()> {
    let has = |u: &Value, key: &str| {
        u["roles"]
            .as_array()
            .is_some_and(|r| r.iter().any(|r| r["value"] == key))
    };
    let schema = t.scim.get(&format!("/Schemas/{USER}")).await?;
    let offered = schema.body["attributes"]
        .as_array()
        .is_some_and(|a| a.iter().any(|a| a["name"] == "roles"));
    let inner = json!({ "id": "1", "value": "Admin", "displayName": "Admin" }).to_string();
    let mapped = |u: &Value, key: &str| !offered || has(u, key);
    t.patch(
        "roles, JSON inside a text",
        id,
        json!([{ "op": "Add", "path": "roles", "value": [{ "value": inner }] }]),
        |u| mapped(u, "Admin"),
    )
    .await?;
    t.patch("roles, replaced as objects", id, json!([
        { "op": "replace", "path": "roles", "value": [{ "value": "User", "display": "User", "primary": "True" }] },
    ]), |u| mapped(u, "User") && !has(u, "Admin")).await?;
    t.patch(
        "roles[primary eq \"True\"]",
        id,
        json!([
            { "op": "Replace", "path": "roles[primary eq \"True\"].value", "value": "Auditor" },
        ]),
        |u| mapped(u, "Auditor"),
    )
    .await
}

async fn groups(t: &Table) -> Result<()> {
    let (a, b, c) = (
        t.user("ga@contoso.com").await?,
        t.user("gb@contoso.com").await?,
        t.user("gc@contoso.com").await?,
    );
    let body = json!({ "schemas": [GROUP, AD_GROUP], "externalId": "8aa1", "displayName": "Finance", "meta": { "resourceType": "Group" } });
    let reply = t.scim.post("/Groups", &body).await?;
    t.expect(
        "create a group with a second schema",
        reply.status == 201 && !reply.id().is_empty(),
        &reply,
    );
    let id = reply.id();
    let reply = t.scim.post("/Groups", &body).await?;
    t.expect(
        "duplicate group",
        reply.status == 409 && reply.body["scimType"] == "uniqueness",
        &reply,
    );

    let members = async |shape: &str, operations: Value, expected: &[&str]| -> Result<()> {
        let reply = t
            .scim
            .patch(&format!("/Groups/{id}"), &patch_op(&operations))
            .await?;
        t.expect(&format!("{shape}: 204"), reply.status == 204, &reply);
        let there = t.scim.get(&format!("/Groups/{id}")).await?;
        let mut values: Vec<&str> = there.body["members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|m| m["value"].as_str())
            .collect();
        values.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        t.expect(shape, values == expected, &there);
        Ok(())
    };
    let (a, b, c) = (a.as_str(), b.as_str(), c.as_str());
    members(
        "Add a member",
        json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": a }] }]),
        &[a],
    )
    .await?;
    members(
        "add the same again",
        json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": a }] }]),
        &[a],
    )
    .await?;
    members("add two, as two operations", json!([
        { "op": "Add", "path": "members", "value": [{ "value": b }] }, { "op": "add", "path": "members", "value": [{ "value": c }] },
    ]), &[a, b, c]).await?;
    members(
        "Remove with an array removes only those",
        json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": b }] }]),
        &[a, c],
    )
    .await?;
    members(
        "remove by filter",
        json!([{ "op": "remove", "path": format!("members[value eq \"{c}\"]") }]),
        &[a],
    )
    .await?;
    members(
        "remove who is not in",
        json!([{ "op": "Remove", "path": "members", "value": [{ "value": b }] }]),
        &[a],
    )
    .await?;
    members(
        "add as a text",
        json!([{ "op": "add", "path": "members", "value": b }]),
        &[a, b],
    )
    .await?;
    members(
        "replace the members",
        json!([{ "op": "replace", "path": "members", "value": [{ "value": c }, { "value": a }] }]),
        &[a, c],
    )
    .await?;
    members(
        "Replace the name",
        json!([{ "op": "Replace", "path": "displayName", "value": "Finance EU" }]),
        &[a, c],
    )
    .await?;
    members(
        "replace the name, pathless",
        json!([{ "op": "replace", "value": { "displayName": "Finance EMEA" } }]),
        &[a, c],
    )
    .await?;

    for shape in ["finance emea", "Finance EMEA"] {
        let filter = encode(&format!("displayName eq \"{shape}\""));
        let reply = t
            .hits(
                "match a group",
                &format!("/Groups?excludedAttributes=members&filter={filter}"),
                1,
            )
            .await?;
        t.expect(
            "members are excluded from a match",
            reply.resources()[0].get("members").is_none(),
            &reply,
        );
    }
    t.hits(
        "match a group's externalId",
        "/Groups?excludedAttributes=members&filter=externalId+eq+%228aa1%22",
        1,
    )
    .await?;
    let reply = t
        .scim
        .get(&format!("/Groups/{id}?excludedAttributes=members"))
        .await?;
    t.expect(
        "GET without members",
        reply.status == 200 && reply.body.get("members").is_none(),
        &reply,
    );
    t.expect(
        "and with the new name",
        reply.body["displayName"] == "Finance EMEA",
        &reply,
    );
    for (who, hits) in [(a, 1), (b, 0)] {
        let filter = encode(&format!("id eq \"{id}\" and members eq \"{who}\""));
        t.hits(
            "reference check of members",
            &format!("/Groups?filter={filter}&attributes=id"),
            hits,
        )
        .await?;
    }
    let unknown = patch_op(
        &json!([{ "op": "Add", "path": "members", "value": [{ "value": "nobody-is-this" }] }]),
    );
    let reply = t.scim.patch(&format!("/Groups/{id}"), &unknown).await?;
    let named = reply.body["detail"]
        .as_str()
        .is_some_and(|d| d.contains("nobody-is-this"));
    t.expect(
        "an unknown member is named",
        matches!(reply.status, 400 | 404) && named,
        &reply,
    );
    members(
        "remove without a value removes all",
        json!([{ "op": "remove", "path": "members" }]),
        &[],
    )
    .await?;
    let reply = t.scim.delete(&format!("/Groups/{id}")).await?;
    t.expect("DELETE a group", reply.status == 204, &reply);
    let reply = t.scim.delete(&format!("/Groups/{id}")).await?;
    t.expect("DELETE it again", reply.status == 404, &reply);
    t.hits(
        "a deleted group is not found",
        "/Groups?filter=displayName+eq+%22Finance+EMEA%22",
        0,
    )
    .await?;
    Ok(())
}

async fn deprovisioning(t: &Table) -> Result<()> {
    let id = t.user("leaver@contoso.com").await?;
    let group = t
        .scim
        .post(
            "/Groups",
            &json!({ "schemas": [GROUP], "displayName": "Leavers" }),
        )
        .await?;
    ensure!(group.status == 201, "{group:?}");
    let group = group.id();
    let add = patch_op(&json!([{ "op": "Add", "path": "members", "value": [{ "value": id }] }]));
    ensure!(
        t.scim
            .patch(&format!("/Groups/{group}"), &add)
            .await?
            .status
            == 204,
        "the leaver is no member"
    );
    let is_member = async || -> Result<Reply> { t.scim.get(&format!("/Groups/{group}")).await };

    t.patch(
        "disable",
        &id,
        json!([{ "op": "Replace", "path": "active", "value": "False" }]),
        |u| u["active"] == false,
    )
    .await?;
    t.hits(
        "a disabled user is found",
        "/Users?filter=userName+eq+%22leaver@contoso.com%22",
        1,
    )
    .await?;
    let reply = is_member().await?;
    t.expect(
        "memberships outlast a disable",
        reply.body["members"][0]["value"] == json!(id),
        &reply,
    );
    t.patch(
        "restore",
        &id,
        json!([{ "op": "Replace", "path": "active", "value": "True" }]),
        |u| u["active"] == true,
    )
    .await?;
    let reply = is_member().await?;
    t.expect(
        "and a restore",
        reply.body["members"][0]["value"] == json!(id),
        &reply,
    );

    let reply = t.scim.delete(&format!("/Users/{id}")).await?;
    t.expect(
        "DELETE",
        reply.status == 204 && reply.text.is_empty(),
        &reply,
    );
    let reply = t.scim.get(&format!("/Users/{id}")).await?;
    t.expect("then 404 by id", reply.status == 404, &reply);
    t.hits(
        "and nothing by filter",
        "/Users?filter=userName+eq+%22leaver@contoso.com%22",
        0,
    )
    .await?;
    let reply = t.scim.delete(&format!("/Users/{id}")).await?;
    t.expect("DELETE again", reply.status == 404, &reply);
    let reply = is_member().await?;
    t.expect(
        "the deleted are in no group",
        reply.body["members"].as_array().is_none_or(Vec::is_empty),
        &reply,
    );
    let again = t.user("leaver@contoso.com").await?;
    t.expect("the name is free, the id is another", again != id, &reply);
    Ok(())
}

async fn http(t: &Table, host: &Host) -> Result<()> {
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/Schemas",
        "/ResourceTypes/User",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group",
    ] {
        let reply = t.scim.get(path).await?;
        t.expect(path, reply.status == 200, &reply);
        t.scim_typed(path, &reply);
    }
    let reply = t.scim.get("/Schemas").await?;
    t.expect(
        "/Schemas is a list response",
        reply.body["Resources"]
            .as_array()
            .is_some_and(|r| r.len() >= 3),
        &reply,
    );
    let emails = reply
        .resources()
        .iter()
        .find(|s| s["id"] == USER)
        .and_then(|s| {
            s["attributes"]
                .as_array()?
                .iter()
                .find(|a| a["name"] == "emails")
                .cloned()
        })
        .context("no emails in the User schema")?;
    let work = emails["subAttributes"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|a| {
            a["name"] == "type"
                && a["canonicalValues"]
                    .as_array()
                    .is_some_and(|c| c.contains(&json!("work")))
        });
    t.expect(
        "emails.type has canonicalValues, so work is discoverable",
        work,
        &reply,
    );

    let all = t.scim.get("/Users?count=1").await?.body["totalResults"]
        .as_u64()
        .unwrap_or_default();
    let (mut start, mut ids) = (1, std::collections::BTreeSet::new());
    while start <= all {
        let reply = t
            .scim
            .get(&format!("/Users?startIndex={start}&count=5"))
            .await?;
        let full = u64::try_from(reply.resources().len())? == 5.min(all + 1 - start);
        t.expect(
            "a page is full",
            full && reply.body["startIndex"] == json!(start),
            &reply,
        );
        if reply.resources().is_empty() {
            break;
        }
        ids.extend(reply.resources().iter().map(|r| r["id"].to_string()));
        start += 5;
    }
    let reply = t.scim.get("/Users?startIndex=1&count=0").await?;
    t.expect("pages have everybody once", ids.len() as u64 == all, &reply);

    let stranger = Scim::new(t.scim.base(), "no-such-token")?;
    let reply = stranger.get("/Users").await?;
    t.expect(
        "a wrong token",
        reply.status == 401 && reply.header("www-authenticate").is_some(),
        &reply,
    );
    let reply = Scim::new(format!("{}/apps/none/scim/v2", host.url()), "x")?
        .get("/Users")
        .await?;
    t.expect("an unknown app", matches!(reply.status, 401 | 404), &reply);
    let reply = t.scim.get("/Nonsense").await?;
    t.expect("an unknown endpoint", reply.status == 404, &reply);
    Ok(())
}
