//! What a connector host must have for Entra, rows 1 to 25 of the reference's table, one after the other and by number.
//!
//! Row 17 (anchors that change) needs a directory and is proved in `first_bridge_ldap`; row 19 (enumerating 250,000
//! accounts) is a matter of load.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host};
use tombolo_tests::people::{ENTERPRISE, GROUP, USER};
use tombolo_tests::scim::{Reply, Scim, encode, patch_op};
use tombolo_tests::{apps, build};

/// An app, and the file behind it.
struct Entra {
    scim: Scim,
    directory: Directory,
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_1_to_25() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "rows", "")?;
    let host = Host::start(&directory).await?;
    let entra = Entra {
        scim: host.scim("rows")?,
        directory,
    };
    let mut wrong = Vec::new();
    let mut row = |number: u8, outcome: Result<()>| {
        if let Err(why) = outcome {
            wrong.push(format!("row {number}: {why:#}"));
        }
    };
    row(1, entra.both_dialects_in_one_request().await);
    row(2, entra.names_have_any_case().await);
    row(3, entra.booleans_are_coerced_and_answered_as_such().await);
    row(4, entra.flattened_keys().await);
    row(5, entra.a_value_path_makes_the_element().await);
    row(6, entra.members_are_removed_as_meant().await);
    row(7, entra.a_manager_in_any_shape().await);
    row(8, entra.empty_and_null_clear().await);
    row(9, entra.roles_in_every_shape().await);
    row(10, entra.undeclared_extensions().await);
    row(11, entra.nothing_found_is_an_empty_list().await);
    row(12, entra.every_mapped_attribute_can_be_asked_for().await);
    row(13, entra.case_counts_where_the_schema_says_so().await);
    row(14, entra.a_taken_name_is_409_whoever_notices().await);
    row(15, entra.members_are_absent_when_excluded().await);
    row(16, entra.an_id_stays().await);
    row(18, entra.pages_are_exact().await);
    row(20, entra.every_type_is_discoverable().await);
    row(21, entra.discovery_is_complete().await);
    row(22, entra.put_and_bulk_are_there().await);
    row(23, entra.versions_are_told_and_not_demanded().await);
    row(24, entra.every_answer_is_scim().await);
    row(25, entra.a_replay_changes_nothing().await);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn good(reply: Reply) -> Result<Reply> {
    if matches!(reply.status, 200 | 201 | 204) {
        Ok(reply)
    } else {
        bail!("{reply:?}")
    }
}

fn equal(came: &Value, expected: &Value) -> Result<()> {
    ensure!(
        came == expected,
        "{came} came where {expected} was expected"
    );
    Ok(())
}

impl Entra {
    async fn user(&self, name: &str, more: Value) -> Result<String> {
        let mut body = json!({"schemas": [USER, ENTERPRISE], "userName": name, "externalId": format!("ext-{name}"), "active": true});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        Ok(good(self.scim.post("/Users", &body).await?)?.id())
    }

    async fn group(&self, name: &str) -> Result<String> {
        let body = json!({"schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": format!("ext-{name}"), "displayName": name, "meta": {"resourceType": "Group"}});
        Ok(good(self.scim.post("/Groups", &body).await?)?.id())
    }

    /// The user after these operations.
    async fn patched(&self, id: &str, operations: Value) -> Result<Value> {
        let path = format!("/Users/{id}");
        good(self.scim.patch(&path, &patch_op(&operations)).await?)
            .with_context(|| operations.to_string())?;
        Ok(good(self.scim.get(&path).await?)?.body)
    }

    async fn members(&self, group: &str) -> Result<Vec<String>> {
        let shown = good(self.scim.get(&format!("/Groups/{group}")).await?)?;
        let members = shown.body["members"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ids = members.iter().filter_map(|member| member["value"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    async fn found(&self, endpoint: &str, filter: &str) -> Result<u64> {
        let path = format!("/{endpoint}?filter={}", encode(filter));
        let list = good(self.scim.get(&path).await?).with_context(|| filter.to_owned())?;
        list.body["totalResults"]
            .as_u64()
            .context("no totalResults")
    }

    async fn both_dialects_in_one_request(&self) -> Result<()> {
        let id = self.user("row1", json!({})).await?;
        let user = self
            .patched(&id, json!([
                {"op": "Replace", "path": "displayName", "value": "legacy"},
                {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "w@x"},
                {"op": "replace", "value": {"title": "compliant", "name.familyName": "Ruiz", format!("{ENTERPRISE}:department"): "D"}},
                {"op": "replace", "path": "active", "value": false}]))
            .await?;
        equal(&user["displayName"], &json!("legacy"))?;
        equal(&user["title"], &json!("compliant"))?;
        equal(&user["name"]["familyName"], &json!("Ruiz"))?;
        equal(&user[ENTERPRISE]["department"], &json!("D"))?;
        equal(&user["active"], &json!(false))
    }

    async fn names_have_any_case(&self) -> Result<()> {
        let id = self.user("row2", json!({})).await?;
        let user = self
            .patched(&id, json!([
                {"op": "REPLACE", "path": "DISPLAYNAME", "value": "x"},
                {"OP": "aDd", "PATH": format!("{}:Department", ENTERPRISE.to_uppercase()), "VALUE": "D"}]))
            .await?;
        equal(&user["displayName"], &json!("x"))?;
        equal(&user[ENTERPRISE]["department"], &json!("D"))?;
        equal(
            &json!(self.found("users", "USERNAME Eq \"row2\"").await?),
            &json!(1),
        )
    }

    async fn booleans_are_coerced_and_answered_as_such(&self) -> Result<()> {
        let id = self.user("row3", json!({"active": "True"})).await?;
        let shown = good(self.scim.get(&format!("/Users/{id}")).await?)?;
        equal(&shown.body["active"], &json!(true))?;
        for (text, truth) in [("False", false), ("true", true), ("FALSE", false)] {
            let user = self
                .patched(
                    &id,
                    json!([{"op": "Replace", "path": "active", "value": text}]),
                )
                .await?;
            equal(&user["active"], &json!(truth))?;
        }
        equal(
            &json!(
                self.found("Users", "userName eq \"row3\" and active eq \"False\"")
                    .await?
            ),
            &json!(1),
        )
    }

    async fn flattened_keys(&self) -> Result<()> {
        let id = self.user("row4", json!({})).await?;
        let user = self
            .patched(&id, json!([{"op": "add", "value": {"name.givenName": "Ana", "name.formatted": "Ana Ruiz",
                format!("{ENTERPRISE}:employeeNumber"): "10042", "userName": "row4-new"}}]))
            .await?;
        equal(
            &user["name"],
            &json!({"givenName": "Ana", "formatted": "Ana Ruiz"}),
        )?;
        equal(&user[ENTERPRISE]["employeeNumber"], &json!("10042"))?;
        equal(
            &json!(self.found("Users", "userName eq \"row4-new\"").await?),
            &json!(1),
        )
    }

    async fn a_value_path_makes_the_element(&self) -> Result<()> {
        let id = self.user("row5", json!({})).await?;
        let user = self
            .patched(
                &id,
                json!([
                {"op": "Replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1"},
                {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Genoa"},
                {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "IT"}]),
            )
            .await?;
        equal(
            &user["phoneNumbers"],
            &json!([{"type": "mobile", "value": "1"}]),
        )?;
        let addresses = user["addresses"].as_array().context("no addresses")?;
        ensure!(addresses.len() == 1, "{addresses:?}");
        equal(&addresses[0]["locality"], &json!("Genoa"))?;
        equal(&addresses[0]["country"], &json!("IT"))
    }

    async fn members_are_removed_as_meant(&self) -> Result<()> {
        let group = self.group("row6").await?;
        let path = format!("/Groups/{group}");
        let mut users = Vec::new();
        for n in 0..5 {
            users.push(self.user(&format!("row6-{n}"), json!({})).await?);
        }
        let all: Vec<Value> = users
            .iter()
            .map(|id| json!({"$ref": null, "value": id}))
            .collect();
        let steps = [
            (json!({"op": "Add", "path": "members", "value": all}), 5),
            (
                json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": users[0]}]}),
                4,
            ),
            (
                json!({"op": "remove", "path": format!("members[value eq \"{}\"]", users[1])}),
                3,
            ),
            (
                json!({"op": "Remove", "path": "members", "value": [{"value": users[0]}]}),
                3,
            ),
            (json!({"op": "remove", "path": "members", "value": []}), 3),
            (
                json!({"op": "add", "path": "members", "value": users[0]}),
                4,
            ),
            (json!({"op": "remove", "path": "members"}), 0),
        ];
        for (operation, left) in steps {
            let reply = self
                .scim
                .patch(&path, &patch_op(&json!([operation])))
                .await?;
            ensure!(reply.status == 204, "{operation}: {reply:?}");
            let members = self.members(&group).await?;
            ensure!(
                members.len() == left,
                "{operation} leaves {}",
                members.len()
            );
        }
        Ok(())
    }

    async fn a_manager_in_any_shape(&self) -> Result<()> {
        let boss = self.user("row7-boss", json!({})).await?;
        let id = self
            .user("row7", json!({ENTERPRISE: {"manager": boss}}))
            .await?;
        let urn = format!("{ENTERPRISE}:manager");
        let shown = good(self.scim.get(&format!("/Users/{id}")).await?)?;
        equal(&shown.body[ENTERPRISE]["manager"]["value"], &json!(boss))?;
        for clear in [
            json!({"op": "replace", "path": urn, "value": ""}),
            json!({"op": "replace", "path": "manager", "value": null}),
            json!({"op": "Remove", "path": "manager"}),
        ] {
            for set in [
                json!({"op": "Add", "path": "manager", "value": boss}),
                json!({"op": "Replace", "path": urn, "value": {"value": boss}}),
                json!({"op": "Add", "path": urn, "value": [{"$ref": "x", "value": boss}]}),
            ] {
                let user = self.patched(&id, json!([set])).await?;
                equal(&user[ENTERPRISE]["manager"]["value"], &json!(boss))?;
            }
            let user = self.patched(&id, json!([clear])).await?;
            equal(&user[ENTERPRISE]["manager"], &Value::Null)?;
        }
        let nobody = self
            .scim
            .patch(
                &format!("/Users/{id}"),
                &patch_op(&json!([{"op": "Add", "path": "manager", "value": "nobody"}])),
            )
            .await?;
        ensure!(
            nobody.status == 400 && nobody.text.contains("nobody"),
            "{nobody:?}"
        );
        Ok(())
    }

    async fn empty_and_null_clear(&self) -> Result<()> {
        let full = json!({"title": "T", "name": {"givenName": "G"}, "emails": [{"type": "work", "value": "w@x"}],
            "addresses": null, "roles": [], ENTERPRISE: {"department": "D", "manager": null}});
        for empty in [json!(""), Value::Null] {
            let id = self.user(&format!("row8-{empty}"), full.clone()).await?;
            let user = self
                .patched(&id, json!([
                    {"op": "replace", "value": {"title": empty, "name.givenName": empty, format!("{ENTERPRISE}:department"): empty}},
                    {"op": "replace", "path": "emails[type eq \"work\"].value", "value": empty}]))
                .await?;
            for gone in [
                &user["title"],
                &user["name"]["givenName"],
                &user[ENTERPRISE]["department"],
                &user["emails"],
            ] {
                equal(gone, &Value::Null)?;
            }
        }
        Ok(())
    }

    async fn roles_in_every_shape(&self) -> Result<()> {
        let id = self.user("row9", json!({})).await?;
        let inner =
            json!({"id": "9f", "value": "Admin", "displayName": "Administrator"}).to_string();
        let user = self
            .patched(
                &id,
                json!([{"op": "Add", "path": "roles", "value": [{"value": inner}]}]),
            )
            .await?;
        equal(
            &user["roles"],
            &json!([{"id": "9f", "value": "Admin", "display": "Administrator"}]),
        )?;
        let user = self.patched(&id, json!([{"op": "replace", "path": "roles", "value": [{"value": "A"}, {"value": "B"}]}])).await?;
        equal(&user["roles"], &json!([{"value": "A"}, {"value": "B"}]))?;
        let user = self
            .patched(
                &id,
                json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "C"}]),
            )
            .await?;
        equal(&user["roles"][2], &json!({"primary": true, "value": "C"}))
    }

    async fn undeclared_extensions(&self) -> Result<()> {
        let unknown = "urn:ietf:params:scim:schemas:extension:Payroll:2.0:User";
        let mut body = json!({"schemas": [USER], "userName": "row10", unknown: {"grade": "7"}, "shoeSize": 44});
        body[ENTERPRISE] = json!({"department": "D"});
        let made = good(self.scim.post("/Users", &body).await?)?;
        equal(&made.body[ENTERPRISE]["department"], &json!("D"))?;
        let user = self
            .patched(&made.id(), json!([{"op": "Add", "path": format!("{unknown}:grade"), "value": "8"}, {"op": "replace", "path": "title", "value": "T"}]))
            .await?;
        equal(&user["title"], &json!("T"))
    }

    async fn nothing_found_is_an_empty_list(&self) -> Result<()> {
        for filter in [
            "userName eq \"8f1c\"",
            "PLACEHOLDER eq \"8f1c\"",
            "urn:x:y:User:z eq \"8f1c\"",
            "PLACEHOLDER.x pr",
        ] {
            for endpoint in ["Users", "Groups"] {
                let path = format!("/{endpoint}?filter={}", encode(filter));
                let list = good(self.scim.get(&path).await?)?;
                equal(
                    &list.body,
                    &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                    "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []}),
                )?;
            }
        }
        Ok(())
    }

    async fn every_mapped_attribute_can_be_asked_for(&self) -> Result<()> {
        let boss = self.user("row12-boss", json!({})).await?;
        let id = self
            .user("row12", json!({"displayName": "Row Twelve", "title": "T-12", "name": {"familyName": "Zwölf"},
                "emails": [{"type": "work", "value": "w12@x"}], "phoneNumbers": [{"type": "mobile", "value": "+12"}],
                ENTERPRISE: {"employeeNumber": "1200", "manager": boss}}))
            .await?;
        let filters = [
            "externalId eq \"ext-row12\"".to_owned(),
            "externalId eq ext-row12".to_owned(),
            "displayName eq \"row twelve\"".to_owned(),
            "title eq \"T-12\"".to_owned(),
            "name.familyName eq \"zwölf\"".to_owned(),
            "emails[type eq \"work\"].value eq \"W12@x\"".to_owned(),
            "emails.value eq \"w12@x\"".to_owned(),
            "emails[type eq \"work\" and value ew \"12@x\"]".to_owned(),
            "phoneNumbers[type eq \"mobile\"].value eq \"+12\"".to_owned(),
            format!("{ENTERPRISE}:employeeNumber eq \"1200\""),
            format!("{ENTERPRISE}:manager eq \"{boss}\""),
            format!("id eq \"{id}\" and manager eq \"{boss}\""),
            "userName sw \"row12\" and (title pr or not (active eq true)) and meta.created gt \"2020-01-01T00:00:00Z\"".to_owned(),
        ];
        for filter in filters {
            let hits = self.found("Users", &filter).await?;
            ensure!(hits == 1, "{filter}: {hits}");
        }
        let group = self.group("row12").await?;
        let add = patch_op(&json!([{"op": "Add", "path": "members", "value": [{"value": id}]}]));
        good(self.scim.patch(&format!("/Groups/{group}"), &add).await?)?;
        for (member, hits) in [(&id, 1), (&boss, 0)] {
            for filter in [
                format!("id eq \"{group}\" and members eq \"{member}\""),
                format!("id eq \"{group}\" and members[value eq \"{member}\"]"),
                format!("displayName eq \"row12\" and members.value eq \"{member}\""),
            ] {
                let found = self.found("Groups", &filter).await?;
                ensure!(found == hits, "{filter}: {found}");
            }
        }
        Ok(())
    }

    async fn case_counts_where_the_schema_says_so(&self) -> Result<()> {
        self.user("Row13@Contoso.com", json!({"displayName": "Row Thirteen"}))
            .await?;
        self.group("Row Thirteen").await?;
        for (endpoint, filter, hits) in [
            ("Users", "userName eq \"row13@contoso.COM\"", 1),
            ("Users", "displayName eq \"ROW thirteen\"", 1),
            ("Groups", "displayName eq \"row THIRTEEN\"", 1),
            ("Users", "externalId eq \"ext-Row13@Contoso.com\"", 1),
            ("Users", "externalId eq \"ext-row13@contoso.com\"", 0),
        ] {
            let found = self.found(endpoint, filter).await?;
            ensure!(found == hits, "{filter}: {found}");
        }
        Ok(())
    }

    async fn a_taken_name_is_409_whoever_notices(&self) -> Result<()> {
        let taken = |reply: Reply| {
            ensure!(
                reply.status == 409
                    && reply.body["scimType"] == "uniqueness"
                    && reply.body["status"] == "409",
                "{reply:?}"
            );
            Ok(())
        };
        let id = self.user("row14", json!({})).await?;
        self.user("row14-other", json!({})).await?;
        let body = |name: &str| json!({"schemas": [USER], "userName": name});
        taken(self.scim.post("/Users", &body("ROW14")).await?)?;
        let rename =
            patch_op(&json!([{"op": "Replace", "path": "userName", "value": "row14-other"}]));
        taken(self.scim.patch(&format!("/Users/{id}"), &rename).await?)?;
        self.group("row14").await?;
        taken(
            self.scim
                .post(
                    "/Groups",
                    &json!({"schemas": [GROUP], "displayName": "Row14"}),
                )
                .await?,
        )?;
        // Somebody else writes into the target, and the host has not seen it yet.
        let file = format!("data/rows/{}", apps::CSV_USERS);
        let text = std::fs::read_to_string(self.directory.path().join(&file))?;
        let columns: Vec<&str> = text
            .lines()
            .next()
            .context("no header")?
            .split(',')
            .collect();
        let row: Vec<&str> = columns
            .iter()
            .map(|column| match *column {
                "id" => "by-hand",
                "userName" => "row14-by-hand",
                _ => "",
            })
            .collect();
        self.directory
            .write(&file, format!("{text}{}\n", row.join(",")))?;
        taken(self.scim.post("/Users", &body("row14-by-hand")).await?)?;
        // Of many at once one wins.
        let race = (0..8).map(|_| {
            let (scim, body) = (self.scim.clone(), body("row14-race"));
            tokio::spawn(async move { scim.post("/Users", &body).await })
        });
        let mut won = 0;
        for attempt in race.collect::<Vec<_>>() {
            let reply = attempt.await??;
            won += usize::from(reply.status == 201);
            ensure!(matches!(reply.status, 201 | 409), "{reply:?}");
        }
        ensure!(won == 1, "{won} of 8 created it");
        Ok(())
    }

    async fn members_are_absent_when_excluded(&self) -> Result<()> {
        let group = self.group("row15").await?;
        for path in [
            format!("/Groups/{group}?excludedAttributes=members"),
            format!("/Groups/{group}?attributes=displayName"),
        ] {
            let shown = good(self.scim.get(&path).await?)?;
            ensure!(shown.body.get("members").is_none(), "{path}: {shown:?}");
        }
        let list = good(
            self.scim
                .get("/Groups?excludedAttributes=members&filter=displayName+eq+%22row15%22")
                .await?,
        )?;
        ensure!(
            list.resources().len() == 1 && list.resources()[0].get("members").is_none(),
            "{list:?}"
        );
        Ok(())
    }

    async fn an_id_stays(&self) -> Result<()> {
        let id = self.user("row16", json!({})).await?;
        ensure!(!id.contains("row16"), "the id `{id}` is made of the name");
        let user = self
            .patched(
                &id,
                json!([{"op": "Replace", "path": "userName", "value": "row16-renamed"}]),
            )
            .await?;
        equal(&user["id"], &json!(id))?;
        let list = good(
            self.scim
                .get("/Users?filter=userName+eq+%22row16-renamed%22")
                .await?,
        )?;
        equal(&list.resources()[0]["id"], &json!(id))?;
        equal(
            &json!(self.found("Users", "userName eq \"row16\"").await?),
            &json!(0),
        )
    }

    async fn pages_are_exact(&self) -> Result<()> {
        let (mut start, mut seen) = (1, std::collections::BTreeSet::new());
        loop {
            let page = good(
                self.scim
                    .get(&format!("/Users?startIndex={start}&count=5"))
                    .await?,
            )?;
            equal(&page.body["startIndex"], &json!(start))?;
            let (total, came) = (
                page.body["totalResults"].as_u64().unwrap_or(0),
                page.resources().len() as u64,
            );
            ensure!(
                came == 5.min(total + 1 - start),
                "{came} of 5 at {start} of {total}"
            );
            equal(&page.body["itemsPerPage"], &json!(came))?;
            seen.extend(page.resources().iter().map(|user| user["id"].to_string()));
            start += came;
            if start > total {
                ensure!(seen.len() as u64 == total, "{} of {total}", seen.len());
                return Ok(());
            }
        }
    }

    async fn every_type_is_discoverable(&self) -> Result<()> {
        let schema = good(self.scim.get(&format!("/Schemas/{USER}")).await?)?;
        let attributes = schema.body["attributes"]
            .as_array()
            .context("no attributes")?;
        for (name, kind) in [
            ("emails", "work"),
            ("emails", "other"),
            ("phoneNumbers", "mobile"),
            ("phoneNumbers", "pager"),
            ("addresses", "home"),
        ] {
            let attribute = attributes
                .iter()
                .find(|a| a["name"] == name)
                .context(name)?;
            let subs = attribute["subAttributes"].as_array().context(name)?;
            let types = subs
                .iter()
                .find(|sub| sub["name"] == "type")
                .context(name)?;
            let listed = types["canonicalValues"].as_array().context(name)?;
            ensure!(listed.contains(&json!(kind)), "{name}: {listed:?}");
        }
        // Without canonical values, so that Entra offers `roles[primary eq "True"].value`.
        let roles = attributes
            .iter()
            .find(|a| a["name"] == "roles")
            .context("roles")?;
        ensure!(!roles.to_string().contains("canonicalValues"), "{roles}");
        for urn in [USER, GROUP] {
            let schema = good(self.scim.get(&format!("/Schemas/{urn}")).await?)?;
            let names = schema.body["attributes"]
                .as_array()
                .context("no attributes")?;
            ensure!(
                names.iter().any(|a| a["name"] == "externalId"),
                "{urn} has no externalId"
            );
        }
        Ok(())
    }

    async fn discovery_is_complete(&self) -> Result<()> {
        for (list, one) in [
            ("/Schemas", format!("/Schemas/{ENTERPRISE}")),
            ("/ResourceTypes", "/ResourceTypes/Group".to_owned()),
        ] {
            let listed = good(self.scim.get(list).await?)?;
            equal(
                &listed.body["totalResults"],
                &json!(listed.resources().len()),
            )?;
            ensure!(!listed.text.contains("null"), "{list} has nulls");
            let single = good(self.scim.get(&one).await?)?;
            ensure!(
                listed.resources().contains(&single.body),
                "{one} is not as in {list}"
            );
            ensure!(
                single.body["meta"]["location"]
                    .as_str()
                    .is_some_and(|l| l.ends_with(&one)),
                "{single:?}"
            );
        }
        let config = good(self.scim.get("/ServiceProviderConfig").await?)?;
        for ability in ["patch", "bulk", "filter", "sort", "etag"] {
            equal(&config.body[ability]["supported"], &json!(true))
                .with_context(|| ability.to_owned())?;
        }
        equal(&config.body["pagination"]["cursor"], &json!(true))?;
        ensure!(self.scim.get("/Schemas/urn:none").await?.status == 404);
        ensure!(self.scim.get("/ResourceTypes/None").await?.status == 404);
        Ok(())
    }

    async fn put_and_bulk_are_there(&self) -> Result<()> {
        let id = self.user("row22", json!({"title": "T"})).await?;
        let body =
            json!({"schemas": [USER], "userName": "row22", "displayName": "put", "active": "True"});
        let put = good(self.scim.put(&format!("/Users/{id}"), &body).await?)?;
        equal(&put.body["title"], &Value::Null)?;
        equal(&put.body["displayName"], &json!("put"))?;
        let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{"method": "DELETE", "path": format!("/Users/{id}")}]});
        let done = good(self.scim.post("/Bulk", &bulk).await?)?;
        equal(&done.body["Operations"][0]["status"], &json!("204"))
    }

    async fn versions_are_told_and_not_demanded(&self) -> Result<()> {
        let id = self.user("row23", json!({})).await?;
        let shown = good(self.scim.get(&format!("/Users/{id}")).await?)?;
        ensure!(shown.header("etag").is_some(), "{shown:?}");
        equal(&shown.body["meta"]["version"], &json!(shown.header("etag")))?;
        self.patched(
            &id,
            json!([{"op": "Replace", "path": "title", "value": "T"}]),
        )
        .await?;
        ensure!(self.scim.delete(&format!("/Users/{id}")).await?.status == 204);
        Ok(())
    }

    async fn every_answer_is_scim(&self) -> Result<()> {
        let answers = [
            (200, self.scim.get("/Users?count=1").await?),
            (
                400,
                self.scim
                    .post("/Users", &json!({"displayName": "nobody"}))
                    .await?,
            ),
            (400, self.scim.get("/Users?filter=userName+eq").await?),
            (404, self.scim.get("/Users/nobody").await?),
            (404, self.scim.get("/Nonsense").await?),
            (404, self.scim.delete("/Groups/nobody").await?),
            (405, self.scim.put("/Users", &json!({})).await?),
            (501, self.scim.get("/Me").await?),
        ];
        for (status, reply) in answers {
            ensure!(reply.status == status, "{status}: {reply:?}");
            ensure!(
                reply.header("content-type") == Some("application/scim+json"),
                "{reply:?}"
            );
            if status >= 400 {
                equal(
                    &reply.body["schemas"],
                    &json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
                )?;
                equal(&reply.body["status"], &json!(status.to_string()))?;
                ensure!(
                    reply.body["detail"].as_str().is_some_and(|d| d.len() > 10),
                    "{reply:?}"
                );
            }
        }
        Ok(())
    }

    async fn a_replay_changes_nothing(&self) -> Result<()> {
        let id = self.user("row25", json!({})).await?;
        let group = self.group("row25").await?;
        let version = |reply: &Reply| reply.header("etag").unwrap_or_default().to_owned();
        let steps = [
            (
                format!("/Users/{id}"),
                json!([
                {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "w@x"},
                {"op": "Add", "path": "emails", "value": [{"type": "home", "value": "h@x"}]},
                {"op": "Add", "path": "roles", "value": [{"value": "R"}]},
                {"op": "Replace", "path": "active", "value": "False"},
                {"op": "Remove", "path": "phoneNumbers[type eq \"fax\"]"}]),
            ),
            (
                format!("/Groups/{group}"),
                json!([{"op": "Add", "path": "members", "value": [{"value": id}]}]),
            ),
            (
                format!("/Groups/{group}"),
                json!([{"op": "Remove", "path": "members", "value": [{"value": id}]}]),
            ),
        ];
        for (path, operations) in steps {
            let first = good(self.scim.patch(&path, &patch_op(&operations)).await?)?;
            let shown = good(self.scim.get(&path).await?)?;
            let second = good(self.scim.patch(&path, &patch_op(&operations)).await?)?;
            ensure!(
                version(&first) == version(&second),
                "{operations}: {first:?} {second:?}"
            );
            equal(&good(self.scim.get(&path).await?)?.body, &shown.body)?;
        }
        // The answer to a POST was lost: 409, and the match query finds what was made.
        let body = json!({"schemas": [USER], "userName": "row25-lost"});
        let made = good(self.scim.post("/Users", &body).await?)?;
        let again = self.scim.post("/Users", &body).await?;
        ensure!(
            again.status == 409 && again.body["scimType"] == "uniqueness",
            "{again:?}"
        );
        let list = good(
            self.scim
                .get("/Users?filter=userName+eq+%22row25-lost%22")
                .await?,
        )?;
        equal(&list.resources()[0]["id"], &json!(made.id()))
    }
}
