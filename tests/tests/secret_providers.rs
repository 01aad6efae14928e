//! Secrets that live with a provider: in a directory as Kubernetes mounts it, and in Vault (a real OpenBao), rotated,
//! refused, and away.

use std::os::unix::fs::symlink;
use std::process::Output;

use anyhow::{Result, ensure};
use serde_json::json;
use tombolo_tests::build;
use tombolo_tests::host::{Directory, Host, Start, run, run_with};
use tombolo_tests::issuer::{self, Issuer};
use tombolo_tests::openbao::{OpenBao, ROLE, ROOT};
use tombolo_tests::people::USER;
use tombolo_tests::slapd::{BASE, BIND_DN, Slapd};

fn secret(of: &str) -> String {
    format!("Xq7-{of}-{}", uuid::Uuid::new_v4().simple())
}

/// A directory with `connectors/ldap.wasm` and this in its tombolo.toml.
fn configured(providers: &str) -> Result<Directory> {
    let directory = Directory::new()?;
    let text = std::fs::read_to_string(directory.path().join("tombolo.toml"))?;
    directory.write(
        "tombolo.toml",
        format!("{text}\n[log]\nlevel = \"trace\"\n\n{providers}"),
    )?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    Ok(directory)
}

/// `[secret-providers.vault]` with this `auth`, looked at every second.
fn vault(bao: &OpenBao, auth: &str) -> String {
    format!(
        "[secret-providers.vault]\nkind = \"vault\"\nurl = \"{}\"\nca = \"tls/bao-ca.pem\"\nrefresh = \"1s\"\nauth = {auth}\n",
        bao.url()
    )
}

fn by_role() -> String {
    format!("{{ kind = \"approle\", role-id = \"{ROLE}\", secret-id = \"file:secret-id\" }}")
}

/// An app on the directory, whose password is there.
fn people(directory: &Directory, slapd: &Slapd, password: &str) -> Result<()> {
    directory.write("tls/ldap-ca.pem", std::fs::read(slapd.ca())?)?;
    directory.app("people", "ldap", &targeting(&slapd.ldaps(), password))
}

fn targeting(url: &str, password: &str) -> String {
    format!(
        "[settings]\nbase = \"{BASE}\"\n\n[targets.directory]\nkind = \"ldap\"\nurl = \"{url}\"\nca = \"tls/ldap-ca.pem\"\n\
         bind-dn = \"{BIND_DN}\"\npassword = \"{password}\"\n"
    )
}

async fn create(host: &Host, name: &str) -> Result<u16> {
    let person = json!({ "schemas": [USER], "userName": name, "name": { "familyName": name } });
    let reply = host.scim("people")?.post("/Users", &person).await?;
    Ok(reply.status)
}

fn rotate(slapd: &Slapd, password: &str) -> Result<()> {
    slapd.modify(&format!(
        "dn: {BIND_DN}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n"
    ))
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_vault_is_rotated_and_outlives_an_outage() -> Result<()> {
    let (old, new, key) = (secret("old"), secret("new"), secret("key"));
    let slapd = Slapd::start(&old)?;
    let mut bao = OpenBao::start().await?;
    bao.reader().await?;
    // Shorter than the test: the host has to sign in anew.
    bao.app_role(&key, "2s").await?;
    bao.put("people/directory", &json!({ "password": old, "port": 636 }))
        .await?;
    let directory = configured(&vault(&bao, &by_role()))?;
    directory.write("tls/bao-ca.pem", bao.ca()?)?;
    directory.write("secret-id", &key)?;
    people(&directory, &slapd, "vault:people/directory#password")?;
    let mut host = Host::start(&directory).await?;
    ensure!(create(&host, "ada").await? == 201, "{}", host.log());

    rotate(&slapd, &new)?;
    bao.put("people/directory", &json!({ "password": new }))
        .await?;
    host.until_log("app reloaded").await?;
    ensure!(create(&host, "grace").await? == 201, "{}", host.log());

    bao.go_away()?;
    host.until_log("Vault is not reached").await?;
    ensure!(create(&host, "mary").await? == 201, "{}", host.log());
    // Even a change of the app's file is taken over with what was known last.
    let text = std::fs::read_to_string(directory.path().join("apps/people.toml"))?;
    directory.write(
        "apps/people.toml",
        format!("{text}\n[reads]\nfreshness = \"live\"\n"),
    )?;
    host.until_app("people", "serving").await?;
    ensure!(create(&host, "joan").await? == 201, "{}", host.log());

    let first = host.log();
    host.kill()?;
    // Nobody knows the password now. The app waits, and says for what.
    let host = Host::start(&directory).await?;
    ensure!(create(&host, "rosa").await? == 503);
    let problem = host.until_app("people", "failed").await?;
    ensure!(
        problem["problems"]
            .to_string()
            .contains("Vault is not reached"),
        "{problem}"
    );
    bao.come_back().await?;
    bao.reader().await?;
    bao.app_role(&key, "1h").await?;
    bao.put("people/directory", &json!({ "password": new }))
        .await?;
    // Its authority is another one by now, as after a renewal.
    directory.write("tls/bao-ca.pem", bao.ca()?)?;
    host.until_app("people", "serving").await?;
    ensure!(create(&host, "rosa").await? == 201, "{}", host.log());

    // Taken away in Vault: what serves goes on, and the operator hears of it.
    bao.delete("people/directory").await?;
    host.until_app("people", "stale").await?;
    host.until_log("there is no such secret in Vault").await?;
    ensure!(create(&host, "edith").await? == 201, "{}", host.log());

    for log in [first, host.log()] {
        ensure!(
            log.len() > 1000,
            "the log at trace level says next to nothing"
        );
        for secret in [&old, &new, &key] {
            ensure!(!log.contains(secret.as_str()), "the log holds {secret}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vault_refuses_is_said_so_that_it_can_be_mended() -> Result<()> {
    let (password, key) = (secret("password"), secret("key"));
    let bao = OpenBao::start().await?;
    bao.reader().await?;
    bao.app_role(&key, "1h").await?;
    bao.put(
        "people/directory",
        &json!({ "password": password, "list": [password] }),
    )
    .await?;
    bao.put("other/directory", &json!({ "password": password }))
        .await?;
    let directory = configured(&vault(&bao, &by_role()))?;
    directory.write("tls/bao-ca.pem", bao.ca()?)?;
    directory.write("tls/ldap-ca.pem", bao.ca()?)?;
    directory.write("secret-id", &key)?;
    let folder = directory.path().display().to_string();
    let check = |at: &str, arguments: &[&str]| -> Result<(bool, String)> {
        directory.app("people", "ldap", &targeting("ldaps://127.0.0.1:1", at))?;
        let output = run(&[&["check", folder.as_str()], arguments].concat())?;
        let text = said(&output);
        ensure!(
            !text.contains(&password) && !text.contains(&key) && !text.contains(ROOT),
            "{text}"
        );
        Ok((output.status.success(), text))
    };
    for (at, words) in [
        (
            "vault:other/directory#password",
            "does not let the host read it",
        ),
        ("vault:people/nothing#password", "no such secret in Vault"),
        ("vault:people/directory#passphrase", "no such field"),
        ("vault:people/directory#list", "holds no text"),
        (
            "vault:people/directory",
            "with the name of a field behind it",
        ),
        (
            "nobody:people/directory",
            "a provider that tombolo.toml does not have",
        ),
    ] {
        let (good, text) = check(at, &[])?;
        ensure!(!good && text.contains(words), "{at}: {text}");
    }
    let good = "vault:people/directory#password";
    let (fine, text) = check(good, &[])?;
    ensure!(fine, "{text}");
    // Nobody is asked, which is no error.
    let (fine, text) = check(good, &["--files-only"])?;
    ensure!(fine && text.contains("was not looked up"), "{text}");

    directory.write("secret-id", secret("wrong"))?;
    let (fine, text) = check(good, &[])?;
    ensure!(
        !fine && text.contains("does not let the host sign in"),
        "{text}"
    );
    directory.write("secret-id", &key)?;
    directory.write("tls/bao-ca.pem", std::fs::read(stranger(&directory)?)?)?;
    let (fine, text) = check(good, &[])?;
    ensure!(!fine && text.contains("Vault is not reached"), "{text}");
    Ok(())
}

/// The certificate of an authority that signed nothing here.
fn stranger(directory: &Directory) -> Result<std::path::PathBuf> {
    let pem = tombolo_tests::pki::Authority::new()?.pem()?;
    directory.write("tls/stranger.pem", pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_signs_in_with_a_token_or_as_its_pod() -> Result<()> {
    let bao = OpenBao::start().await?;
    bao.reader().await?;
    bao.put(
        "people/directory",
        &json!({ "password": secret("password") }),
    )
    .await?;
    // A service account's token is a JSON Web Token; here it is its key that vouches for it, not the cluster's API.
    let issuer = Issuer::start().await?;
    let key = issuer.key("cluster")?;
    let public = String::from_utf8(issuer.public_pem(&key)?)?;
    bao.signed_role("kubernetes", &public).await?;
    let claims = issuer::with(&issuer.claims(), "aud", "openbao");
    let pod = issuer.sign(&key, &claims)?;
    for (auth, token) in [
        ("{ kind = \"token\", token = \"env:BAO_TOKEN\" }", ROOT),
        ("{ kind = \"token\", token = \"file:token\" }", ROOT),
        (
            "{ kind = \"kubernetes\", role = \"host\", jwt = \"file:token\" }",
            pod.as_str(),
        ),
        (
            "{ kind = \"jwt\", mount = \"kubernetes\", role = \"host\", jwt = \"file:token\" }",
            pod.as_str(),
        ),
    ] {
        let directory = configured(&vault(&bao, auth))?;
        directory.write("tls/bao-ca.pem", bao.ca()?)?;
        directory.write("tls/ldap-ca.pem", bao.ca()?)?;
        directory.write("token", token)?;
        let at = targeting("ldaps://127.0.0.1:1", "vault:people/directory#password");
        directory.app("people", "ldap", &at)?;
        let folder = directory.path().display().to_string();
        let output = run_with(&["check", &folder], &[("BAO_TOKEN", token)])?;
        let text = said(&output);
        ensure!(output.status.success(), "{auth}: {text}");
        directory.write("token", "another")?;
        let output = run_with(&["check", &folder], &[("BAO_TOKEN", "another")])?;
        ensure!(!output.status.success(), "{auth}: any token will do");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_kubernetes_mounts_is_rotated() -> Result<()> {
    let (old, new) = (secret("old"), secret("new"));
    let slapd = Slapd::start(&old)?;
    let directory =
        configured("[secret-providers.k8s]\nkind = \"directory\"\npath = \"mounted\"\n")?;
    let at = |name: &str| directory.path().join("mounted").join(name);
    directory.write("mounted/..1/ldap.password", format!("{old}\n"))?;
    symlink("..1", at("..data"))?;
    symlink("..data/ldap.password", at("ldap.password"))?;
    people(&directory, &slapd, "k8s:ldap.password")?;
    let host = Host::start_with(directory.path(), &Start::default()).await?;
    ensure!(create(&host, "ada").await? == 201, "{}", host.log());

    rotate(&slapd, &new)?;
    directory.write("mounted/..2/ldap.password", format!("{new}\n"))?;
    symlink("..2", at("..data_tmp"))?;
    std::fs::rename(at("..data_tmp"), at("..data"))?;
    host.until_log("app reloaded").await?;
    ensure!(create(&host, "grace").await? == 201, "{}", host.log());
    for secret in [&old, &new] {
        ensure!(
            !host.log().contains(secret.as_str()),
            "the log holds a secret"
        );
    }
    Ok(())
}
