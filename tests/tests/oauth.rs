//! The host's own token endpoint, with a real client: secrets in the header, in the body, in both; rotated, expired,
//! revoked; over TLS, over a restart.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tombolo_tests::host::{Directory, Host, TOKEN, digest, run_ok};
use tombolo_tests::pki::Authority;
use tombolo_tests::token::{Answer, Client};
use tombolo_tests::{apps, build};

fn secret(name: &str, text: &str, expires: &str) -> String {
    let expires = if expires.is_empty() {
        String::new()
    } else {
        format!(", expires = {expires}")
    };
    format!(
        "{{ name = \"{name}\", sha256 = \"{}\"{expires} }}",
        digest(text)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_taken_in_the_header_in_the_body_and_in_both() -> Result<()> {
    let directory = Directory::new()?;
    // Everything that can be said is said.
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"trace\"\n",
    )?;
    directory.connector("csv", &build::connector("csv")?)?;
    let secrets = format!(
        "[auth]\ntoken-lifetime = \"2h\"\n[auth.clients.entra]\nsecrets = [{}, {}, {}]\n[auth.clients.other]\nsecrets = [{}]",
        secret("old", "s-old", "2999-01-01"),
        secret("new", "s-new", ""),
        secret("gone", "s-gone", "2020-01-01"),
        secret("only", "s-other", ""),
    );
    apps::with_auth(&directory, "hr", &secrets)?;
    apps::with_auth(&directory, "crm", &secrets)?;
    apps::csv(&directory, "static", "")?;
    let host = Host::start(&directory).await?;
    let client = Client::new(&host, None)?;
    let grant = ("grant_type", "client_credentials");

    // Each way, and each of the client's live secrets.
    let by_header = client.grant("hr", "entra", "s-old").await?;
    let token = by_header.token()?;
    ensure!(by_header.body["token_type"] == "Bearer" && by_header.body["expires_in"] == 7200);
    ensure!(
        by_header.header("cache-control") == "no-store" && by_header.header("pragma") == "no-cache"
    );
    ensure!(by_header.header("content-type") == "application/json");
    let form = [
        grant,
        ("client_id", "entra"),
        ("client_secret", "s-new"),
        ("scope", "scim"),
    ];
    let by_body = client.ask("hr", None, &form).await?;
    ensure!(by_body.body["scope"] == "scim");
    let both = client.ask("hr", Some(("entra", "s-new")), &form).await?;
    for token in [&token, &by_body.token()?, &both.token()?] {
        ensure!(client.scim("hr", token).await?.status == 200);
        // A token of another app is none here, although client and secret are the same.
        ensure!(client.scim("crm", token).await?.status == 401);
        ensure!(client.scim("static", token).await?.status == 401);
    }

    // Wrong, in every way; the form of the errors is RFC 6749's.
    let wrong = client.grant("hr", "entra", "s-wrong").await?;
    ensure!(wrong.error() == (401, "invalid_client"), "{}", wrong.body);
    ensure!(wrong.header("www-authenticate").starts_with("Basic"));
    ensure!(wrong.header("cache-control") == "no-store");
    let form = [grant, ("client_id", "entra"), ("client_secret", "s-wrong")];
    let in_body = client.ask("hr", None, &form).await?;
    ensure!(
        in_body.error() == (401, "invalid_client") && in_body.header("www-authenticate").is_empty()
    );
    let expired = client.grant("hr", "entra", "s-gone").await?;
    ensure!(expired.error() == (401, "invalid_client"));
    ensure!(
        expired.body["error_description"]
            .as_str()
            .is_some_and(|why| why.contains("expired"))
    );
    ensure!(client.grant("hr", "entra", "s-other").await?.error() == (401, "invalid_client"));
    ensure!(client.grant("hr", "nobody", "s-new").await?.error() == (401, "invalid_client"));
    ensure!(client.grant("static", "entra", "s-new").await?.error() == (401, "invalid_client"));
    ensure!(client.grant("absent", "entra", "s-new").await?.status == 404);
    let form = [grant, ("client_id", "entra"), ("client_secret", "s-old")];
    let two = client.ask("hr", Some(("entra", "s-new")), &form).await?;
    ensure!(two.error() == (400, "invalid_request"));
    let password = client
        .ask(
            "hr",
            Some(("entra", "s-new")),
            &[("grant_type", "password")],
        )
        .await?;
    ensure!(password.error() == (400, "unsupported_grant_type"));
    ensure!(client.ask("hr", None, &[grant]).await?.error() == (400, "invalid_request"));
    let got = client.http().get(client.url("/apps/hr/oauth2/token"));
    let got = Answer::of(got).await?;
    ensure!(got.status == 405 && got.header("allow") == "POST");
    let huge = "x".repeat(100_000);
    ensure!(
        client
            .ask("hr", None, &[grant, ("client_secret", &huge)])
            .await?
            .status
            == 400
    );

    // Neither a secret nor a changed token opens SCIM.
    ensure!(client.scim("hr", "s-new").await?.status == 401);
    let mut forged = token.clone();
    forged.replace_range(token.len() - 4.., "AAAA");
    ensure!(client.scim("hr", &forged).await?.status == 401);
    for garbage in ["x", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30."] {
        let answer = client.scim("hr", garbage).await?;
        ensure!(
            answer.status == 401 && answer.header("www-authenticate").contains("invalid_token"),
            "{garbage}"
        );
    }

    // What the app accepts is what it says it accepts.
    let config = client.scim("hr", &token).await?;
    ensure!(
        config.body["authenticationSchemes"][0]["type"] == "oauth2",
        "{}",
        config.body
    );
    ensure!(
        config.body["authenticationSchemes"]
            .as_array()
            .is_some_and(|list| list.len() == 1)
    );
    let config = client.scim("static", TOKEN).await?;
    ensure!(config.body["authenticationSchemes"][0]["type"] == "oauthbearertoken");

    // No credential is in the log, and every decision is.
    let log = host.log();
    for credential in [
        "s-old", "s-new", "s-gone", "s-other", "s-wrong", TOKEN, &token,
    ] {
        ensure!(!log.contains(credential), "the log holds `{credential}`");
    }
    for decision in [
        "credential=\"entra/old\" outcome=\"accepted\"",
        "method=\"client-secret-post\" credential=\"entra/new\"",
        "method=\"client-secret-both\"",
        "method=\"access-token\" credential=\"entra\" outcome=\"accepted\"",
        "credential=\"entra/gone\" outcome=\"refused\" reason=\"secret-expired\"",
    ] {
        host.until_log(decision).await?;
    }
    ensure!(
        !log.contains("nobody"),
        "a stranger's text is in the record"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_outlive_a_restart_and_end_with_their_secret() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::with_auth(&directory, "hr", "")?;
    let dir = directory.path().display().to_string();
    let make = |client: &str, name: &str| -> Result<String> {
        let arguments = [
            "client", "new", &dir, "hr", client, "--name", name, "--output", "json",
        ];
        let made: Value = serde_json::from_str(&run_ok(&arguments)?)?;
        Ok(made["secret"].as_str().context("no secret")?.to_owned())
    };
    let (first, second, other) = (
        make("entra", "first")?,
        make("entra", "second")?,
        make("okta", "first")?,
    );
    let file = std::fs::read_to_string(directory.path().join("apps/hr.toml"))?;
    ensure!(
        ![&first, &second, &other]
            .iter()
            .any(|secret| file.contains(*secret)),
        "{file}"
    );

    let mut host = Host::start(&directory).await?;
    let client = Client::new(&host, None)?;
    let mut tokens = Vec::new();
    for (id, secret) in [("entra", &first), ("entra", &second), ("okta", &other)] {
        tokens.push(client.grant("hr", id, secret).await?.token()?);
    }
    host.terminate()?;
    host.ended(std::time::Duration::from_secs(30)).await?;
    let host = Host::start(&directory).await?;
    let client = Client::new(&host, None)?;
    for token in &tokens {
        ensure!(
            client.scim("hr", token).await?.status == 200,
            "a token did not outlive the restart"
        );
    }

    // A secret is revoked: its token ends, and nobody else's.
    run_ok(&["client", "revoke", &dir, "hr", "entra", "first"])?;
    client.until_scim("hr", &tokens[0], 401).await?;
    ensure!(client.grant("hr", "entra", &first).await?.error() == (401, "invalid_client"));
    ensure!(client.scim("hr", &tokens[1]).await?.status == 200);
    // A new secret of the old name does not bring it back.
    let again = make("entra", "first")?;
    client.until_granted("hr", "entra", &again).await?;
    ensure!(client.scim("hr", &tokens[0]).await?.status == 401);
    // A client is revoked with everything it has.
    run_ok(&["client", "revoke", &dir, "hr", "okta"])?;
    client.until_scim("hr", &tokens[2], 401).await?;
    ensure!(client.scim("hr", &tokens[1]).await?.status == 200);

    let listed: Value = serde_json::from_str(&run_ok(&[
        "client", "list", &dir, "hr", "--output", "json",
    ])?)?;
    ensure!(
        listed.as_array().is_some_and(|clients| clients.len() == 1),
        "{listed}"
    );
    let key = directory.path().join("state/auth/access-tokens.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(key)?.permissions());
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_endpoint_works_over_tls() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    let authority = Authority::new()?;
    authority.server("one")?.install(&directory)?;
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[server.tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n",
    )?;
    let auth = format!(
        "[auth.clients.entra]\nsecrets = [{}]",
        secret("a", "s-one", "")
    );
    apps::with_auth(&directory, "hr", &auth)?;
    let host = Host::start(&directory).await?;
    ensure!(host.url().starts_with("https:"), "{}", host.url());
    let client = Client::new(&host, Some(&authority.pem()?))?;
    let answer = client.grant("hr", "entra", "s-one").await?;
    ensure!(client.scim("hr", &answer.token()?).await?.status == 200);
    ensure!(answer.body["expires_in"] == 3600);
    Ok(())
}

#[test]
fn what_ends_soon_is_said_by_every_command_that_looks() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    let auth = format!(
        "[auth]\ntokens = [{}]\n[auth.clients.entra]\nsecrets = [{}]",
        secret("old", "t-old", "2020-01-01"),
        secret("gone", "s-gone", "2020-01-01")
    );
    apps::with_auth(&directory, "hr", &auth)?;
    let dir = directory.path().display().to_string();
    let (token, client) = (
        "token `old` expired",
        "secret `gone` of client `entra` expired",
    );
    for (arguments, words) in [
        (vec!["check", &dir], vec![token, client]),
        (vec!["app", "list", &dir], vec![token, client]),
        (vec!["token", "list", &dir, "hr"], vec![token]),
        (vec!["client", "list", &dir, "hr"], vec![client]),
    ] {
        let output = tombolo_tests::host::run(&arguments)?;
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        for word in words {
            ensure!(said.contains(word), "{arguments:?}: no `{word}` in\n{said}");
        }
    }
    Ok(())
}
