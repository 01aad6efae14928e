//! Tokens that Entra signs: assertions at the token endpoint (RFC 7523), and its own tokens for a blank Secret Token;
//! genuine, forged, late, early, for somebody else, from somebody else, twice; keys that change and keys that are away.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run_ok};
use tombolo_tests::issuer::{
    AUDIENCE, Issuer, Key, SUBJECT, TENANT, now, signing_input, with, without,
};
use tombolo_tests::token::Client;
use tombolo_tests::{apps, build};

const OTHER_TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn federation(issuer: &Issuer, audiences: &str, subjects: &str) -> String {
    format!(
        "[auth.federation]\ntenant = \"{TENANT}\"\naudiences = {audiences}\nsubjects = {subjects}\nclient-id = \"entra\"\n\
         issuer = \"{}\"\nkeys = \"{}\"\n",
        issuer.issuer(),
        issuer.keys_url()
    )
}

fn usual(issuer: &Issuer) -> String {
    let audiences = format!("[\"api://{AUDIENCE}\", \"{AUDIENCE}\"]");
    federation(issuer, &audiences, &format!("[\"{SUBJECT}\"]"))
}

async fn serving(directory: &Directory) -> Result<Host> {
    directory.connector("csv", &build::connector("csv")?)?;
    Host::start(directory).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_assertion_is_good_once_and_every_other_one_is_not() -> Result<()> {
    let issuer = Issuer::start().await?;
    let (key, stranger, short) = (
        issuer.key("k1")?,
        issuer.key("k1-stranger")?,
        issuer.key_of("short", 1024)?,
    );
    issuer.publish(&[&key, &short]);
    let directory = Directory::new()?;
    // Everything that can be said is said.
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"trace\"\n",
    )?;
    apps::with_auth(&directory, "hr", &usual(&issuer))?;
    apps::with_auth(&directory, "crm", &usual(&issuer))?;
    let host = serving(&directory).await?;
    let client = Client::elsewhere(&host)?;

    let genuine = issuer.sign(&key, &issuer.claims())?;
    let granted = client.assert("hr", &genuine).await?;
    let token = granted.token()?;
    ensure!(granted.body["scope"] == "scim" && granted.body["expires_in"] == 3600);
    ensure!(client.scim("hr", &token).await?.status == 200);
    ensure!(client.scim("crm", &token).await?.status == 401);
    ensure!(
        client.scim("hr", &genuine).await?.status == 401,
        "an assertion is no access token"
    );

    // The same once more.
    ensure!(client.assert("hr", &genuine).await?.error() == (401, "invalid_client"));
    let several = issuer.sign(
        &key,
        &with(
            &issuer.claims(),
            "aud",
            json!(["x", format!("api://{AUDIENCE}")]),
        ),
    )?;
    ensure!(client.assert("hr", &several).await?.status == 200);
    let nameless = issuer.sign(&key, &without(&issuer.claims(), "uti"))?;
    ensure!(client.assert("hr", &nameless).await?.status == 200);
    ensure!(client.assert("hr", &nameless).await?.error() == (401, "invalid_client"));

    for (what, reason, assertion) in refused(&issuer, &key, &stranger, &short)? {
        // Each from an address of its own: it is the reason that is asked for, not the lock.
        let client = Client::elsewhere(&host)?;
        let answer = client.assert("hr", &assertion).await?;
        ensure!(
            answer.error() == (401, "invalid_client"),
            "{what}: {} {}",
            answer.status,
            answer.body
        );
        let source = client.address();
        let record = format!("reason=\"{reason}\" status=401 source={source} ");
        host.until_log(&record).await.context(what)?;
    }
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "somebody-else"),
        ("client_assertion_type", tombolo_tests::token::JWT_BEARER),
        ("client_assertion", &issuer.sign(&key, &issuer.claims())?),
    ];
    ensure!(
        Client::elsewhere(&host)?
            .ask("hr", None, &form)
            .await?
            .error()
            == (401, "invalid_client")
    );

    ensure!(
        client
            .assert("hr", &issuer.sign(&key, &issuer.claims())?)
            .await?
            .status
            == 200
    );
    ensure!(client.scim("hr", &token).await?.status == 200);
    let log = host.log();
    ensure!(
        !log.contains(&genuine) && !log.contains(&token),
        "the log holds a token"
    );
    let payload = genuine.split('.').nth(1).context("three parts")?;
    ensure!(
        !log.contains(payload),
        "the log holds an assertion's claims"
    );
    Ok(())
}

/// What, why, and the assertion.
type Bad = (&'static str, &'static str, String);

fn refused(issuer: &Issuer, key: &Key, stranger: &Key, short: &Key) -> Result<Vec<Bad>> {
    let claims = issuer.claims();
    let signed = |claims: &Value| issuer.sign(key, claims);
    let headed = |header: Value| issuer.sign_with(key, &header, &claims);
    let hs256 = json!({ "typ": "JWT", "alg": "HS256", "kid": key.id });
    let public = issuer.public_pem(key)?;
    let genuine = signed(&issuer.claims())?;
    let (head, signature) = genuine.rsplit_once('.').context("three parts")?;
    let mut flipped = signature.to_owned();
    flipped.replace_range(10..11, if &signature[10..11] == "A" { "B" } else { "A" });
    let none = signing_input(
        &json!({ "typ": "JWT", "alg": "none", "kid": key.id }),
        &claims,
    );
    let changed = signing_input(
        &json!({ "typ": "JWT", "alg": "RS256", "kid": key.id }),
        &with(&claims, "sub", "root"),
    );
    let impostor = stranger.called(&key.id);
    let mut embedded = stranger.public();
    embedded["kid"] = key.id.clone().into();
    let embedding = json!({ "typ": "JWT", "alg": "RS256", "kid": key.id, "jwk": embedded });
    Ok(vec![
        (
            "expired",
            "ended",
            signed(&with(
                &with(&claims, "iat", now() - 7200),
                "exp",
                now() - 3600,
            ))?,
        ),
        (
            "not yet valid",
            "not-yet",
            signed(&with(&claims, "nbf", now() + 3600))?,
        ),
        (
            "issued in the future",
            "not-yet",
            signed(&with(&claims, "iat", now() + 3600))?,
        ),
        (
            "without an end",
            "malformed",
            signed(&without(&claims, "exp"))?,
        ),
        (
            "an end that is a text",
            "malformed",
            signed(&with(&claims, "exp", "9999999999"))?,
        ),
        (
            "another audience",
            "audience",
            signed(&with(&claims, "aud", "api://somebody-else"))?,
        ),
        (
            "without audience",
            "audience",
            signed(&without(&claims, "aud"))?,
        ),
        (
            "another tenant",
            "tenant",
            signed(&with(&claims, "tid", OTHER_TENANT))?,
        ),
        ("without tenant", "claim", signed(&without(&claims, "tid"))?),
        (
            "another issuer",
            "issuer",
            signed(&with(
                &claims,
                "iss",
                format!("https://login.example.test/{OTHER_TENANT}/v2.0"),
            ))?,
        ),
        (
            "another subject",
            "subject",
            signed(&with(&claims, "sub", "another"))?,
        ),
        (
            "a forged signature",
            "signature",
            format!("{head}.{flipped}"),
        ),
        (
            "changed claims",
            "signature",
            format!("{changed}.{signature}"),
        ),
        ("no signature", "signature", format!("{head}.")),
        (
            "another's key under this name",
            "signature",
            issuer.sign(&impostor, &claims)?,
        ),
        (
            "a key in its own header",
            "signature",
            issuer.sign_with(&impostor, &embedding, &claims)?,
        ),
        ("alg=none", "algorithm", format!("{none}.")),
        (
            "alg=none with a signature",
            "algorithm",
            format!("{none}.{signature}"),
        ),
        (
            "the public key as a secret",
            "algorithm",
            issuer.hmac(&public, &hs256, &claims)?,
        ),
        (
            "an algorithm not on the list",
            "algorithm",
            headed(json!({ "alg": "RS512", "kid": key.id }))?,
        ),
        (
            "an extension that must be understood",
            "malformed",
            headed(json!({ "alg": "RS256", "kid": key.id, "crit": ["b64"], "b64": false }))?,
        ),
        (
            "no name of a key",
            "claim",
            headed(json!({ "alg": "RS256" }))?,
        ),
        (
            "a key that nobody published",
            "key",
            issuer.sign(stranger, &claims)?,
        ),
        (
            "a key that is too short",
            "key",
            issuer.sign(short, &claims)?,
        ),
        ("two parts", "malformed", head.to_owned()),
        ("garbage", "malformed", "garbage".to_owned()),
        ("a lot of garbage", "malformed", "x".repeat(20_000)),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_change_and_their_source_may_be_away_also_over_a_restart() -> Result<()> {
    let mut issuer = Issuer::start().await?;
    let keys: Vec<Key> = (1..=4)
        .map(|n| issuer.key(&format!("k{n}")))
        .collect::<Result<_>>()?;
    let assertion = |issuer: &Issuer, n: usize| issuer.sign(&keys[n - 1], &issuer.claims());
    issuer.publish(&[&keys[0]]);
    let directory = Directory::new()?;
    apps::with_auth(&directory, "hr", &usual(&issuer))?;
    let mut host = serving(&directory).await?;
    let client = Client::elsewhere(&host)?;
    for _ in 0..3 {
        client
            .assert("hr", &assertion(&issuer, 1)?)
            .await?
            .token()?;
    }
    ensure!(issuer.fetches() == 1, "fetched {} times", issuer.fetches());

    // A new key beside the old one, then the old one withdrawn.
    issuer.publish(&[&keys[0], &keys[1]]);
    client
        .assert("hr", &assertion(&issuer, 2)?)
        .await?
        .token()?;
    client
        .assert("hr", &assertion(&issuer, 1)?)
        .await?
        .token()?;
    issuer.publish(&[&keys[1], &keys[2]]);
    client
        .assert("hr", &assertion(&issuer, 3)?)
        .await?
        .token()?;
    ensure!(client.assert("hr", &assertion(&issuer, 1)?).await?.error() == (401, "invalid_client"));

    // Away: what is known is still good; what is not known is nobody's fault.
    issuer.go_away().await;
    let last = assertion(&issuer, 3)?;
    client.assert("hr", &last).await?.token()?;
    let unknown = client.assert("hr", &assertion(&issuer, 4)?).await?;
    ensure!(
        unknown.error() == (503, "temporarily_unavailable")
            && !unknown.header("retry-after").is_empty()
    );
    host.terminate()?;
    host.ended(std::time::Duration::from_secs(30)).await?;
    let host = Host::start(&directory).await?;
    let client = Client::elsewhere(&host)?;
    client
        .assert("hr", &assertion(&issuer, 3)?)
        .await?
        .token()?;
    ensure!(
        client.assert("hr", &last).await?.error() == (401, "invalid_client"),
        "used again over a restart"
    );
    ensure!(client.assert("hr", &assertion(&issuer, 4)?).await?.status == 503);

    // Back, at first with what is no set of keys.
    issuer.come_back().await?;
    issuer.publish_document(json!({ "keys": [{ "kty": "oct", "kid": "k4", "k": "c2VjcmV0" }] }));
    ensure!(client.assert("hr", &assertion(&issuer, 4)?).await?.status == 503);
    client
        .assert("hr", &assertion(&issuer, 3)?)
        .await?
        .token()?;
    issuer.publish(&[&keys[3]]);
    client
        .assert("hr", &assertion(&issuer, 4)?)
        .await?
        .token()?;

    // Whoever invents names of keys does not make the host fetch for each of them.
    let before = issuer.fetches();
    for n in 0..15 {
        let invented = keys[0].called(&format!("invented-{n}"));
        let answer = client
            .assert("hr", &issuer.sign(&invented, &issuer.claims())?)
            .await?;
        ensure!(matches!(answer.status, 401 | 503), "{}", answer.status);
    }
    ensure!(
        issuer.fetches() - before <= 3,
        "fetched {} times",
        issuer.fetches() - before
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_really_received_is_shown_with_the_line_to_put_in() -> Result<()> {
    let issuer = Issuer::start().await?;
    let key = issuer.key("k1")?;
    issuer.publish(&[&key]);
    let directory = Directory::new()?;
    apps::with_auth(
        &directory,
        "hr",
        &federation(&issuer, "[\"api://guessed\"]", "[]"),
    )?;
    let host = serving(&directory).await?;
    let client = Client::elsewhere(&host)?;
    let dir = directory.path().display().to_string();
    let observe = || -> Result<Value> {
        Ok(serde_json::from_str(&run_ok(&[
            "auth", "observe", &dir, "hr", "--output", "json",
        ])?)?)
    };
    ensure!(observe()?["own"].is_null());
    ensure!(run_ok(&["check", &dir]).is_ok());

    // A forgery must not get its claims in front of an administrator.
    let forged = issuer.hmac(
        b"x",
        &json!({ "alg": "RS256", "kid": "k1" }),
        &with(&issuer.claims(), "aud", "evil"),
    )?;
    client.assert("hr", &forged).await?;
    ensure!(observe()?["own"].is_null());
    client
        .assert(
            "hr",
            &issuer.sign(&key, &with(&issuer.claims(), "tid", OTHER_TENANT))?,
        )
        .await?;
    client
        .assert("hr", &issuer.sign(&key, &issuer.claims())?)
        .await?;
    let observed = observe()?;
    ensure!(
        observed["own"]["audience"] == json!([AUDIENCE]) && observed["own"]["reason"] == "audience",
        "{observed}"
    );
    ensure!(observed["own"]["subject"] == SUBJECT && observed["own"]["key"] == "k1");
    ensure!(observed["foreign"]["tenant"] == OTHER_TENANT);
    let lines: Vec<&str> = observed["lines"]
        .as_array()
        .context("lines")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    ensure!(
        lines
            == [
                format!("audiences = [\"api://guessed\", \"{AUDIENCE}\"]"),
                format!("subjects = [\"{SUBJECT}\"]")
            ],
        "{lines:?}"
    );
    let text = run_ok(&["auth", "observe", &dir, "hr"])?;
    ensure!(
        lines.iter().all(|line| text.contains(line)) && text.contains("[auth.federation]"),
        "{text}"
    );

    // Pasted as they are, they make the next one good.
    let file = std::fs::read_to_string(directory.path().join("apps/hr.toml"))?;
    let pasted: Vec<&str> = file
        .lines()
        .map(|line| {
            lines
                .iter()
                .find(|new| new.split('=').next() == line.split('=').next())
                .copied()
                .unwrap_or(line)
        })
        .collect();
    directory.write("apps/hr.toml", pasted.join("\n"))?;
    for _ in 0..500 {
        if client
            .assert("hr", &issuer.sign(&key, &issuer.claims())?)
            .await?
            .status
            == 200
        {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    anyhow::bail!("never accepted:\n{}", host.log())
}
