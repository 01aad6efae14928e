//! An app stands in for a connector of Microsoft's ECMA Connector Host: what an "On-premises ECMA app" sends is
//! understood, under that host's URL and its names.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, TOKEN, run};
use tombolo_tests::people::USER;
use tombolo_tests::scim::{Reply, Scim, patch_op};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

/// The URN of an ECMA app's attributes (entra.md, section 1.1).
const URN: &str = "urn:ietf:params:scim:schemas:extension:ECMA2Host:2.0:User";
const GUID: &str = "8646d011-1693-4cd3-9ee6-0d7482ca2219";
const PASSWORD: &str = "initial-Pass%word-1";

fn path(name: &str) -> String {
    format!("{URN}:{name}")
}

/// A create as Entra sends it: the placeholder that an administrator forgot, and everything else below the URN.
fn person(attributes: &Value) -> Value {
    json!({ "schemas": [USER, URN], "PLACEHOLDER": "forgotten", URN: attributes, "meta": { "resourceType": "User" } })
}

async fn matching(scim: &Scim, name: &str, value: &str) -> Result<Reply> {
    scim.find("match", "Users", &format!("{} eq \"{value}\"", path(name)))
        .await
}

/// Asserts the status, and shows the answer otherwise.
fn is(reply: &Reply, status: u16) -> Result<()> {
    ensure!(reply.status == status, "{status} expected: {reply:?}");
    Ok(())
}

fn nowhere(directory: &Directory, host: &Host, secret: &str) -> Result<()> {
    ensure!(!host.log().contains(secret), "the secret is in the log");
    for (file, bytes) in directory.everything()? {
        let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        ensure!(!found, "the secret is in {}", file.display());
    }
    Ok(())
}

fn people(directory: &Directory, app: &str) -> Result<String> {
    let file = directory.path().join(format!("data/{app}/people.csv"));
    Ok(std::fs::read_to_string(file)?)
}

async fn csv() -> Result<(Directory, Host)> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    let settings = "[settings]\ncolumns = [\"AzureObjectID\", \"Cost Centre\"]\n\n";
    apps::csv(
        &directory,
        "people",
        &format!("{settings}[ecma]\nname = \"CORP1\"\n\n[mapping.user]\nEmail = \"workEmail\"\n"),
    )?;
    let host = Host::start(&directory).await?;
    Ok((directory, host))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_entra_asks_before_it_provisions_is_answered() -> Result<()> {
    let (_directory, host) = csv().await?;
    let scim = host.ecma("CORP1")?;

    // Test Connection on a fresh app, which is mapped to nothing but the placeholder.
    let probe = scim
        .find("probe", "Users", &format!("PLACEHOLDER eq \"{GUID}\""))
        .await?;
    is(&probe, 200)?;
    ensure!(
        probe.body["totalResults"] == 0 && probe.resources().is_empty(),
        "{probe:?}"
    );

    // Discovery: the target's own attributes, below the URN.
    let schemas = scim.get("/Schemas").await?;
    is(&schemas, 200)?;
    let ids: Vec<_> = schemas.resources().iter().map(|s| &s["id"]).collect();
    ensure!(ids == [USER, URN], "{ids:?}");
    let schema = scim.get(&format!("/Schemas/{URN}")).await?;
    is(&schema, 200)?;
    let attributes = schema.body["attributes"].as_array().context("a list")?;
    let attribute = |name: &str| attributes.iter().find(|a| a["name"] == name);
    for name in [
        "userName",
        "displayName",
        "Email",
        "active",
        "AzureObjectID",
    ] {
        ensure!(attribute(name).is_some(), "{name} in {schema:?}");
    }
    // A name that no path can say, one that was given another, and a DN where there is none.
    for name in ["Cost Centre", "workEmail", "-dn-"] {
        ensure!(attribute(name).is_none(), "{name} in {schema:?}");
    }
    let password = attribute("export_password").context("no password")?;
    ensure!(
        password["returned"] == "never" && password["mutability"] == "writeOnly",
        "{password}"
    );
    let location = schema.body["meta"]["location"].as_str().unwrap_or_default();
    ensure!(
        location == format!("{}/ecma2host_CORP1/scim/Schemas/{URN}", host.url()),
        "{location}"
    );

    // One object type, as the ECMA host has it.
    let types = scim.get("/ResourceTypes").await?;
    ensure!(types.body["totalResults"] == 1, "{types:?}");
    let user = &types.resources()[0];
    ensure!(
        user["name"] == "User" && user["schemaExtensions"][0]["schema"] == URN,
        "{user}"
    );
    is(&scim.get("/ServiceProviderConfig").await?, 200)?;
    is(&scim.get("/Groups").await?, 404)?;

    // URLs as people and agents write them; the connector's name is the one thing that counts to the letter.
    for url in [
        "ecma2host_CORP1/scim//users/",
        "ecma2host_CORP1/scim/Users?aadOptscim062020",
        "ecma2host_CORP1/scim?aadOptscim062020/Users",
    ] {
        let scim = Scim::new(format!("{}/{url}", host.url()), TOKEN)?;
        is(&scim.get("").await?, 200)?;
    }
    for name in ["corp1", "CORP2", "people"] {
        is(&host.ecma(name)?.get("/Users").await?, 404)?;
    }
    let stranger = Scim::new(scim.base(), "some-other-secret")?;
    is(&stranger.get("/Users").await?, 401)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lives_in_the_target_under_its_own_names() -> Result<()> {
    let (directory, host) = csv().await?;
    let scim = host.ecma("CORP1")?;
    let ana = person(
        &json!({ "userName": "ana@corp.test", "displayName": "Ana Ruiz", "Email": "ana@corp.test",
        "AzureObjectID": GUID, "active": "True", "-dn-": "CN=ana,OU=x", "objectClass": ["person"] }),
    );
    let created = scim.post("/Users", &ana).await?;
    is(&created, 201)?;
    let id = created.id();
    let url = format!("{}/Users/{id}", scim.base());
    ensure!(
        created.header("location") == Some(url.as_str()),
        "{created:?}"
    );
    ensure!(created.body["meta"]["location"] == url, "{created:?}");
    ensure!(created.body["schemas"] == json!([USER, URN]), "{created:?}");
    let shown = &created.body[URN];
    ensure!(
        shown["Email"] == "ana@corp.test" && shown["active"] == true,
        "{shown}"
    );
    ensure!(
        created.body.get("userName").is_none() && created.body.get("groups").is_none(),
        "{created:?}"
    );
    ensure!(
        people(&directory, "people")?.contains(GUID),
        "not in the file"
    );

    // Found again by whatever the administrator matches on, in any case; and not made twice.
    for (name, value) in [
        ("userName", "ANA@corp.test"),
        ("AzureObjectID", GUID),
        ("Email", "ana@corp.test"),
        ("displayName", "ana ruiz"),
    ] {
        let found = matching(&scim, name, value).await?;
        ensure!(
            found.body["totalResults"] == 1 && found.resources()[0]["id"] == id.as_str(),
            "{name}: {found:?}"
        );
    }
    let again = scim.post("/Users", &ana).await?;
    is(&again, 409)?;
    ensure!(again.body["scimType"] == "uniqueness", "{again:?}");
    // What nobody mapped is asked for by its name, too.
    let bare = scim
        .find("match", "Users", "userName eq \"ana@corp.test\"")
        .await?;
    ensure!(bare.body["totalResults"] == 1, "{bare:?}");

    // Both dialects of PATCH.
    let one = format!("/Users/{id}");
    let legacy = json!([{ "op": "Replace", "path": path("displayName"), "value": "Ana R" },
        { "op": "Add", "path": path("title"), "value": "Lead" }]);
    let patched = scim.patch(&one, &patch_op(&legacy)).await?;
    is(&patched, 200)?;
    ensure!(patched.body[URN]["displayName"] == "Ana R", "{patched:?}");
    let flagged = json!([{ "op": "replace", "value": { path("displayName"): "Ana Gil", path("title"): "" } }]);
    let patched = scim.patch(&one, &patch_op(&flagged)).await?;
    is(&patched, 200)?;
    ensure!(
        patched.body[URN]["displayName"] == "Ana Gil" && patched.body[URN].get("title").is_none(),
        "{patched:?}"
    );
    ensure!(
        people(&directory, "people")?.contains("Ana Gil"),
        "not in the file"
    );

    // Disabled and enabled, by the mapping of IsSoftDeleted and by SCIM's own word for it.
    for (operation, active) in [
        (
            json!({ "op": "Replace", "path": path("active"), "value": "False" }),
            false,
        ),
        (
            json!({ "op": "replace", "path": "active", "value": true }),
            true,
        ),
        (
            json!({ "op": "replace", "value": { path("active"): false } }),
            false,
        ),
    ] {
        is(
            &scim.patch(&one, &patch_op(&json!([operation]))).await?,
            200,
        )?;
        let read = scim.get(&one).await?;
        ensure!(read.body[URN]["active"] == active, "{operation}: {read:?}");
    }
    // A disabled person is still found, and listed for Account Discovery.
    let listed = scim.get("/Users?startIndex=1&count=5").await?;
    ensure!(
        listed.body["totalResults"] == 1 && listed.body["itemsPerPage"] == 1,
        "{listed:?}"
    );

    // The same resource, under the app's other URL.
    let beside = host.scim("people")?.get(&one).await?;
    is(&beside, 200)?;
    let expected = format!("{}/apps/people/scim/v2{one}", host.url());
    ensure!(beside.body["meta"]["location"] == expected, "{beside:?}");

    is(&scim.delete(&one).await?, 204)?;
    is(&scim.get(&one).await?, 404)?;
    is(&scim.delete(&one).await?, 404)?;
    let gone = matching(&scim, "userName", "ana@corp.test").await?;
    ensure!(gone.body["totalResults"] == 0, "{gone:?}");
    ensure!(
        !people(&directory, "people")?.contains(GUID),
        "still in the file"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_goes_nowhere_is_refused_and_leaves_nothing_behind() -> Result<()> {
    let (directory, host) = csv().await?;
    let scim = host.ecma("CORP1")?;
    let body = person(&json!({ "userName": "eve", "export_password": PASSWORD }));
    let refused = scim.post("/Users", &body).await?;
    is(&refused, 400)?;
    let detail = refused.body["detail"].as_str().unwrap_or_default();
    ensure!(
        detail.contains("export_password") && detail.contains("csv"),
        "{refused:?}"
    );
    ensure!(
        matching(&scim, "userName", "eve").await?.body["totalResults"] == 0,
        "created all the same"
    );
    nowhere(&directory, &host, PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_goes_to_the_connector_in_a_call_after_the_create() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    let settings = "do = \"fail\"\non = \"set-password\"\nfault = \"invalid\"";
    apps::guest(&directory, "weak", settings, "[ecma]\n")?;
    apps::guest(&directory, "strong", "", "[ecma]\n")?;
    let host = Host::start(&directory).await?;

    let body = person(&json!({ "login": "ana", "export_password": PASSWORD }));
    let scim = host.ecma("strong")?;
    let created = scim.post("/Users", &body).await?;
    is(&created, 201)?;
    ensure!(!created.text.contains(PASSWORD), "{created:?}");
    ensure!(
        created.body[URN] == json!({ "login": "ana" }),
        "{created:?}"
    );
    let config = scim.get("/ServiceProviderConfig").await?;
    ensure!(
        config.body["changePassword"]["supported"] == true,
        "{config:?}"
    );

    // The object is there, its password is not, and the answer says both.
    let scim = host.ecma("weak")?;
    let failed = scim.post("/Users", &body).await?;
    is(&failed, 400)?;
    let detail = failed.body["detail"].as_str().unwrap_or_default();
    ensure!(
        detail.contains("was written") && detail.contains("failed as it was told to"),
        "{failed:?}"
    );
    let found = matching(&scim, "login", "ana").await?;
    ensure!(found.body["totalResults"] == 1, "{found:?}");
    // Without a password nothing is asked of the connector; with one, also by PATCH.
    let one = format!(
        "/Users/{}",
        found.resources()[0]["id"].as_str().unwrap_or_default()
    );
    let label = json!([{ "op": "Replace", "path": path("label"), "value": "A" }]);
    is(&scim.patch(&one, &patch_op(&label)).await?, 200)?;
    let password = json!([{ "op": "Replace", "path": path("export_password"), "value": PASSWORD }]);
    is(&scim.patch(&one, &patch_op(&password)).await?, 400)?;

    // This target can disable nobody: a disable that would reach nothing is refused, not passed over.
    let disable = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    let refused = scim.patch(&one, &patch_op(&disable)).await?;
    is(&refused, 400)?;
    ensure!(refused.text.contains("no way to disable"), "{refused:?}");
    nowhere(&directory, &host, PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_provisioned_by_name_with_its_own_attributes() -> Result<()> {
    let slapd = Slapd::start("ecma-password")?;
    slapd.add(&format!(
        "dn: ou=cloud,ou=people,{BASE}\nobjectClass: organizationalUnit\nou: cloud\n\n\
         dn: cn=old,ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: old\nsn: Hand\nuid: old\nmail: old@corp.test\n"
    ))?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "[ecma]\nname = \"LDAP\"\n")?;
    let file = directory.path().join("apps/people.toml");
    let text = std::fs::read_to_string(&file)?.replace(
        "[settings.users.disable]",
        "[settings.users]\nattributes = [{ name = \"userPassword\" }]\n\n[settings.users.disable]",
    );
    directory.write("apps/people.toml", text)?;
    let host = Host::start_with(directory.path(), &apps::with_password("ecma-password")).await?;
    let scim = host.ecma("LDAP")?;

    let schema = scim.get(&format!("/Schemas/{URN}")).await?;
    let names: Vec<_> = schema.body["attributes"]
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|a| a["name"].as_str())
        .collect();
    for name in ["uid", "cn", "sn", "mail", "active", "-dn-", "userPassword"] {
        ensure!(names.contains(&name), "{name} in {names:?}");
    }

    // As Microsoft's tutorial maps it: the name by an expression, the rest by the directory's words.
    let dn = format!("CN=ana, OU=Cloud,ou=people,{BASE}");
    let body = person(
        &json!({ "-dn-": dn, "objectClass": ["inetOrgPerson"], "uid": "ana", "cn": "ana",
        "sn": "Ruiz", "mail": "ana@corp.test", "userPassword": PASSWORD }),
    );
    let created = scim.post("/Users", &body).await?;
    is(&created, 201)?;
    ensure!(!created.text.contains("userPassword"), "{created:?}");
    let id = created.id();
    let one = format!("/Users/{id}");
    let entry = || -> Result<_> {
        let found = slapd.search(&format!("ou=cloud,ou=people,{BASE}"), "(uid=ana)")?;
        found.into_iter().next().context("not in the directory")
    };
    let there = entry()?;
    ensure!(
        there.dn.eq_ignore_ascii_case(&dn.replace(", ", ",")),
        "{there:?}"
    );
    ensure!(there.one("sn") == Some("Ruiz"), "{there:?}");
    ensure!(there.all("userPassword").len() == 1, "{there:?}");
    let read = scim.get(&one).await?;
    ensure!(read.body[URN]["-dn-"] == there.dn.as_str(), "{read:?}");
    ensure!(read.body[URN].get("userPassword").is_none(), "{read:?}");
    let by_name = matching(&scim, "-dn-", &there.dn).await?;
    ensure!(by_name.body["totalResults"] == 1, "{by_name:?}");

    // Elsewhere than where people are looked for, nobody is made; and nobody is moved.
    let lost = person(&json!({ "-dn-": format!("cn=eve,{BASE}"), "uid": "eve", "sn": "E" }));
    let refused = scim.post("/Users", &lost).await?;
    is(&refused, 400)?;
    ensure!(refused.text.contains("ou=people"), "{refused:?}");
    let moved = json!([{ "op": "Replace", "path": path("-dn-"), "value": format!("cn=ana,ou=people,{BASE}") }]);
    is(&scim.patch(&one, &patch_op(&moved)).await?, 400)?;

    // Somebody whom the directory had before is matched, not made again.
    let old = matching(&scim, "mail", "OLD@corp.test").await?;
    ensure!(old.body["totalResults"] == 1, "{old:?}");
    ensure!(old.resources()[0][URN]["uid"] == "old", "{old:?}");

    let before = slapd.writes()?;
    for operations in [
        json!([{ "op": "Replace", "path": path("sn"), "value": "Gil" }]),
        json!([{ "op": "replace", "value": { path("sn"): "Gil" } }]),
    ] {
        is(&scim.patch(&one, &patch_op(&operations)).await?, 200)?;
    }
    ensure!(slapd.writes()? == before + 1, "the same was written twice");
    ensure!(entry()?.one("sn") == Some("Gil"), "{:?}", entry()?);

    for (value, state) in [("False", Some("disabled")), ("True", None)] {
        let disable = json!([{ "op": "Replace", "path": path("active"), "value": value }]);
        is(&scim.patch(&one, &patch_op(&disable)).await?, 200)?;
        ensure!(entry()?.one("employeeType") == state, "{:?}", entry()?);
    }
    ensure!(scim.get(&one).await?.id() == id, "the id has changed");

    // A `cn` that is not the one in the name: the entry has both, and is called by the new one once that is written.
    let body = person(
        &json!({ "-dn-": format!("cn=b.gil,ou=people,{BASE}"), "uid": "bea", "cn": "Bea Gil", "sn": "Gil" }),
    );
    let bea = scim.post("/Users", &body).await?;
    is(&bea, 201)?;
    let people = || slapd.search(&format!("ou=people,{BASE}"), "(uid=bea)");
    let mut both = people()?[0].all("cn").to_vec();
    both.sort();
    ensure!(both == ["Bea Gil", "b.gil"], "{both:?}");
    let rename = json!([{ "op": "Replace", "path": path("cn"), "value": "Bea Gil" }]);
    let renamed = scim
        .patch(&format!("/Users/{}", bea.id()), &patch_op(&rename))
        .await?;
    is(&renamed, 200)?;
    let dn = format!("cn=Bea Gil,ou=people,{BASE}");
    ensure!(
        renamed.body[URN]["-dn-"] == dn.as_str() && renamed.id() == bea.id(),
        "{renamed:?}"
    );
    ensure!(people()?[0].all("cn") == ["Bea Gil"], "{:?}", people()?);

    is(&scim.delete(&one).await?, 204)?;
    ensure!(entry().is_err(), "still in the directory");
    is(&scim.get(&one).await?, 404)?;
    nowhere(&directory, &host, PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_display_name_is_kept_out_of_the_name_as_the_document_says() -> Result<()> {
    let slapd = Slapd::start("ecma-password")?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(
        &directory,
        "people",
        &slapd,
        "[ecma]\n\n[mapping.user]\ncn = \"displayName\"\n",
    )?;
    let file = directory.path().join("apps/people.toml");
    let text = std::fs::read_to_string(&file)?.replace(
        "[settings.users.disable]",
        "[settings.users]\nattributes = [{ name = \"displayName\" }]\n\n[settings.users.disable]",
    );
    directory.write("apps/people.toml", text)?;
    let host = Host::start_with(directory.path(), &apps::with_password("ecma-password")).await?;
    let scim = host.ecma("people")?;
    for login in ["j.smith", "john.smith"] {
        let dn = format!("cn={login},ou=people,{BASE}");
        let body = person(&json!({ "-dn-": dn, "uid": login, "cn": "John", "sn": "Smith" }));
        let created = scim.post("/Users", &body).await?;
        is(&created, 201)?;
        let one = format!("/Users/{}", created.id());
        let named = json!([{ "op": "Replace", "path": path("cn"), "value": "John Smith" }]);
        let patched = scim.patch(&one, &patch_op(&named)).await?;
        is(&patched, 200)?;
        ensure!(
            patched.body[URN]["cn"] == "John Smith" && patched.body[URN]["-dn-"] == dn.as_str(),
            "{patched:?}"
        );
        let there = slapd.search(&dn, "(objectClass=*)")?;
        ensure!(
            there[0].one("cn") == Some(login) && there[0].one("displayName") == Some("John Smith"),
            "{there:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_switched_to_and_fro_and_keeps_its_ids() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", "")?;
    let host = Host::start(&directory).await?;
    let plain = host.scim("people")?;
    let ana = json!({ "schemas": [USER], "userName": "ana", "externalId": "e-1" });
    let created = plain.post("/Users", &ana).await?;
    is(&created, 201)?;
    let nobody = |url: &'static str| host.until(url, |status, _| status == 401);

    apps::csv(&directory, "people", "[ecma]\nname = \"CORP1\"\n")?;
    nobody("/ecma2host_CORP1/scim/Users").await?;
    let scim = host.ecma("CORP1")?;
    let found = matching(&scim, "userName", "ana").await?;
    ensure!(found.body["totalResults"] == 1, "{found:?}");
    let shown = &found.resources()[0];
    // Nothing of the other shape shines through, and its ids are not this one's.
    ensure!(
        shown.get("userName").is_none() && shown["id"] != created.id().as_str(),
        "{shown}"
    );

    println!("another app asks for the same name");
    apps::csv(&directory, "copy", "[ecma]\nname = \"CORP1\"\n")?;
    let refused = host.until_app("copy", "failed").await?;
    ensure!(refused.to_string().contains("CORP1"), "{refused}");
    is(&matching(&scim, "userName", "ana").await?, 200)?;
    let folder = directory.path().display().to_string();
    let checked = run(&["check", &folder, "--files-only"])?;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned()
        + &String::from_utf8_lossy(&checked.stderr);
    ensure!(
        checked.status.code() == Some(1) && said.contains("is the ECMA connector `CORP1` already"),
        "{said}"
    );

    println!("the first one gives it up");
    apps::csv(&directory, "people", "")?;
    host.until_app("copy", "serving").await?;
    let read = plain.get(&format!("/Users/{}", created.id())).await?;
    is(&read, 200)?;
    ensure!(
        read.body["externalId"] == "e-1" && read.body.get(URN).is_none(),
        "{read:?}"
    );
    Ok(())
}
