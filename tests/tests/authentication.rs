//! Conditions besides the credential: addresses, certificates, and how often one may be wrong.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use serde_json::Value;
use tombolo_tests::host::{Directory, Host, TOKEN, digest, run};
use tombolo_tests::pki::{Authority, Pair};
use tombolo_tests::token::{Answer, Client};
use tombolo_tests::{apps, build};

fn address(text: &str) -> Result<IpAddr> {
    Ok(text.parse()?)
}

/// `[auth]` with [`TOKEN`], a client `entra` whose secret is `s-one`, and `more`.
fn auth(more: &str) -> String {
    format!(
        "[auth]\ntokens = [{{ name = \"test\", sha256 = \"{}\" }}]\n{more}\n[auth.clients.entra]\nsecrets = [{{ name = \"one\", sha256 = \"{}\" }}]\n",
        digest(TOKEN),
        digest("s-one")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_too_often_is_told_to_wait_and_a_valid_credential_is_not_held_up()
-> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::with_auth(&directory, "hr", &auth(""))?;
    let host = Host::start(&directory).await?;
    let attacker = Client::at(&host, address("127.0.0.5")?)?;
    for _ in 0..20 {
        ensure!(attacker.scim("hr", "guessed-token").await?.status == 401);
    }
    for _ in 0..3 {
        let locked = attacker.scim("hr", "guessed-token").await?;
        ensure!(
            locked.status == 429 && locked.header("retry-after").parse::<u32>()? > 0,
            "{}",
            locked.status
        );
        ensure!(locked.body["status"] == "429" && locked.header("www-authenticate").is_empty());
    }
    let locked = attacker.grant("hr", "entra", "guessed-secret").await?;
    ensure!(
        locked.error() == (429, "temporarily_unavailable")
            && !locked.header("retry-after").is_empty()
    );

    // Entra shares its addresses with everybody else's Entra: who knows the credential comes in.
    ensure!(attacker.scim("hr", TOKEN).await?.status == 200);
    let token = attacker.grant("hr", "entra", "s-one").await?.token()?;
    ensure!(attacker.scim("hr", &token).await?.status == 200);
    let neighbour = Client::at(&host, address("127.0.0.6")?)?;
    ensure!(neighbour.scim("hr", "guessed-token").await?.status == 401);
    // To show nothing is no guess.
    for _ in 0..30 {
        let request = neighbour
            .http()
            .get(neighbour.url("/apps/hr/scim/v2/Users"));
        ensure!(Answer::of(request).await?.status == 401);
    }

    let (_, metrics) = host.get("/metrics").await?;
    for line in [
        "tombolo_unauthorized_total{app=\"hr\",reason=\"unknown\"} 24",
        "tombolo_unauthorized_total{app=\"hr\",reason=\"client\"} 1",
        "tombolo_authentications_total{app=\"hr\",method=\"access-token\",outcome=\"accepted\"} 1",
    ] {
        ensure!(metrics.contains(line), "no `{line}` in\n{metrics}");
    }
    let record = "app=\"hr\" method=\"bearer\" credential=\"-\" outcome=\"refused\" reason=\"unknown\" status=429 source=127.0.0.5";
    let log = host.until_log(record).await?;
    for credential in ["guessed-token", "guessed-secret", "s-one", TOKEN, &token] {
        ensure!(
            !log.contains(credential) && !metrics.contains(credential),
            "`{credential}` is told"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_name_the_addresses_it_is_called_from() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\ntrusted-proxies = [\"127.0.0.9\"]\n",
    )?;
    apps::with_auth(
        &directory,
        "hr",
        &auth("allow-from = [\"127.0.0.16/28\", \"2001:db8::/32\"]"),
    )?;
    apps::with_auth(&directory, "open", &auth(""))?;
    let host = Host::start(&directory).await?;
    let from = |at: &str| Client::at(&host, address(at)?);
    ensure!(from("127.0.0.17")?.scim("hr", TOKEN).await?.status == 200);
    let refused = from("127.0.0.32")?.scim("hr", TOKEN).await?;
    ensure!(
        refused.status == 403 && refused.body["status"] == "403",
        "{}",
        refused.status
    );
    ensure!(
        from("127.0.0.32")?
            .grant("hr", "entra", "s-one")
            .await?
            .error()
            == (403, "unauthorized_client")
    );
    ensure!(from("127.0.0.32")?.scim("open", TOKEN).await?.status == 200);

    let forwarded = async |at: &str, said: &str| -> Result<u16> {
        let client = from(at)?;
        let url = client.url("/apps/hr/scim/v2/ServiceProviderConfig");
        let request = client
            .http()
            .get(url)
            .bearer_auth(TOKEN)
            .header("x-forwarded-for", said);
        Ok(Answer::of(request).await?.status)
    };
    ensure!(forwarded("127.0.0.9", "127.0.0.17").await? == 200);
    ensure!(forwarded("127.0.0.9", "::ffff:127.0.0.17").await? == 200);
    ensure!(
        forwarded("127.0.0.9", "127.0.0.17, 203.0.113.1").await? == 403,
        "a client's own header was believed"
    );
    ensure!(
        forwarded("127.0.0.32", "127.0.0.17").await? == 403,
        "a stranger's header was believed"
    );
    host.until_log("reason=\"address\" status=403 source=203.0.113.1")
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_want_a_client_certificate_besides_the_token() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    let (authority, clients, strangers) = (Authority::new()?, Authority::new()?, Authority::new()?);
    authority.server("one")?.install(&directory)?;
    directory.write("tls/clients.pem", clients.pem()?)?;
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[server.tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\nclient-ca = \"tls/clients.pem\"\n",
    )?;
    let (agent, other) = (
        clients.client("agent.example.org")?,
        clients.client("other.example.org")?,
    );
    let wanted = |more: &str| format!("{}[auth.certificate]\n{more}\n", auth(""));
    apps::with_auth(
        &directory,
        "named",
        &wanted("names = [\"agent.example.org\"]"),
    )?;
    apps::with_auth(
        &directory,
        "printed",
        &wanted(&format!("sha256 = [\"{}\"]", other.fingerprint()?)),
    )?;
    apps::with_auth(
        &directory,
        "optional",
        &wanted("mode = \"optional\"\nnames = [\"agent.example.org\"]"),
    )?;
    apps::with_auth(&directory, "open", &auth(""))?;
    let host = Host::start(&directory).await?;
    let ca = authority.pem()?;
    let showing = |pair: Option<&Pair>| -> Result<Client> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca)?]);
        if let Some(pair) = pair {
            builder = builder.identity(pair.identity()?);
        }
        Ok(Client::with(&host, builder.build()?))
    };
    let nobody = Client::new(&host, Some(&ca))?;
    let (agent, other) = (showing(Some(&agent))?, showing(Some(&other))?);
    for (who, client, named, printed, optional) in [
        ("nobody", &nobody, 403, 403, 200),
        ("the agent", &agent, 200, 403, 200),
        ("another", &other, 403, 200, 403),
    ] {
        for (app, wanted) in [
            ("named", named),
            ("printed", printed),
            ("optional", optional),
            ("open", 200),
        ] {
            let answer = client.scim(app, TOKEN).await?;
            ensure!(
                answer.status == wanted,
                "{who} at `{app}`: {} {}",
                answer.status,
                answer.body
            );
        }
    }
    // A certificate is a condition, not a credential.
    ensure!(agent.scim("named", "guessed").await?.status == 401);
    ensure!(nobody.grant("named", "entra", "s-one").await?.error() == (403, "unauthorized_client"));
    ensure!(agent.grant("named", "entra", "s-one").await?.status == 200);
    let stranger = strangers.client("agent.example.org")?;
    ensure!(
        showing(Some(&stranger))?.scim("open", TOKEN).await.is_err(),
        "another authority's certificate was accepted"
    );

    // The authorities change under way.
    directory.write("tls/clients.pem", strangers.pem()?)?;
    for attempt in 0.. {
        if let Ok(answer) = showing(Some(&stranger))?.scim("named", TOKEN).await {
            ensure!(answer.status == 200, "{}", answer.status);
            break;
        }
        ensure!(
            attempt < 300,
            "the new authorities were never used:\n{}",
            host.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    ensure!(
        agent.scim("named", TOKEN).await?.status == 200,
        "a connection that was up was dropped"
    );
    Ok(())
}

#[test]
fn everything_that_is_wrong_under_auth_is_said_with_its_line() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::with_auth(
        &directory,
        "hr",
        "[auth]\ntoken-lifetime = \"30m\"\nallow-from = [\"10.0.0.0/33\", \"10.0.0.1\"]\nclient = 1\n\
         [auth.clients.\"a b\"]\nsecrets = [{ name = \"x\" }]\n\
         [auth.federation]\ntenant = \"contoso.com\"\nkeys = \"http://keys.example.org/\"\nalgorithms = [\"HS256\"]\nassertions = \"twice\"\n\
         [auth.entra]\naudiences = [\"x\"]\n\
         [auth.certificate]\nmode = \"requierd\"\n",
    )?;
    let dir = directory.path().display().to_string();
    let output = run(&["check", &dir, "--files-only", "--output", "json"])?;
    ensure!(!output.status.success());
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let said = |line: u64, words: &str| {
        found["found"].as_array().is_some_and(|all| {
            all.iter().any(|it| {
                it["line"] == line
                    && it["message"]
                        .as_str()
                        .is_some_and(|said| said.contains(words))
            })
        })
    };
    for (line, words) in [
        (4, "`auth.token-lifetime` must be between"),
        (5, "`auth.allow-from`: each must be an address or a network"),
        (6, "unknown key `client`"),
        (7, "`a b` cannot be the id of a client"),
        (8, "`auth.clients.a b.secrets.sha256` is missing"),
        (
            10,
            "`auth.federation.tenant` must be a directory (tenant) id",
        ),
        (
            12,
            "`auth.federation.algorithms`: each must be one of RS256",
        ),
        (13, "`auth.federation.assertions` cannot be `twice`"),
        (14, "`auth.entra.tenants` names no tenant"),
        (17, "`auth.certificate.mode` cannot be `requierd`"),
        (16, "`auth.certificate` allows no certificate"),
    ] {
        ensure!(
            said(line, words),
            "no `{words}` at line {line} in {found:#}"
        );
    }
    Ok(())
}
