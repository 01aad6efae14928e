//! Entra's own token, which it sends when the Secret Token is left blank: for the tenants on the list and no other.

use anyhow::{Result, ensure};
use serde_json::json;
use tombolo_tests::host::{Directory, Host};
use tombolo_tests::issuer::{Issuer, TENANT, now, with};
use tombolo_tests::token::Client;
use tombolo_tests::{apps, build};

const OTHER_TENANT: &str = "11111111-2222-3333-4444-555555555555";

#[tokio::test(flavor = "multi_thread")]
async fn entras_own_token_opens_scim_for_the_tenants_on_the_list() -> Result<()> {
    let mut issuer = Issuer::start().await?;
    let key = issuer.key("k1")?;
    issuer.publish(&[&key]);
    let directory = Directory::new()?;
    let entra = |more: &str| {
        format!(
            "[auth.entra]\ntenants = [\"{TENANT}\", \"{OTHER_TENANT}\"]\nissuer = \"https://sts.example.test/{{tenant}}/\"\nkeys = \"{}\"\n{more}",
            issuer.keys_url()
        )
    };
    apps::with_auth(&directory, "hr", &entra(""))?;
    apps::with_auth(
        &directory,
        "own",
        &entra("audiences = [\"api://own\"]\nsubjects = [\"sync\"]"),
    )?;
    apps::csv(&directory, "static", "")?;
    directory.connector("csv", &build::connector("csv")?)?;
    let host = Host::start(&directory).await?;
    let client = Client::elsewhere(&host)?;
    let blank = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
    let of = |tenant: &str| {
        let claims = with(
            &issuer.claims(),
            "iss",
            format!("https://sts.example.test/{tenant}/"),
        );
        with(&with(&claims, "tid", tenant), "aud", blank)
    };
    let token = issuer.sign(&key, &of(TENANT))?;
    // As often as it likes, while it is valid.
    for _ in 0..3 {
        ensure!(client.scim("hr", &token).await?.status == 200);
    }
    ensure!(
        client
            .scim("hr", &issuer.sign(&key, &of(OTHER_TENANT))?)
            .await?
            .status
            == 200
    );
    let own = with(&with(&of(TENANT), "aud", "api://own"), "sub", "sync");
    ensure!(client.scim("own", &issuer.sign(&key, &own)?).await?.status == 200);

    let foreign = "99999999-2222-3333-4444-555555555555";
    for (what, app, claims) in [
        ("another tenant, its own issuer", "hr", of(foreign)),
        (
            "another tenant under our issuer",
            "hr",
            with(&of(TENANT), "tid", foreign),
        ),
        (
            "our tenant under another's issuer",
            "hr",
            with(
                &of(TENANT),
                "iss",
                format!("https://sts.example.test/{foreign}/"),
            ),
        ),
        (
            "two tenants of the list mixed",
            "hr",
            with(&of(TENANT), "tid", OTHER_TENANT),
        ),
        (
            "another audience",
            "hr",
            with(&of(TENANT), "aud", "00000003-0000-0000-c000-000000000000"),
        ),
        (
            "everybody's audience where the file names one",
            "own",
            with(&of(TENANT), "sub", "sync"),
        ),
        (
            "another subject where the file names one",
            "own",
            with(&of(TENANT), "aud", "api://own"),
        ),
        ("ended", "hr", with(&of(TENANT), "exp", now() - 3600)),
        ("an app that does not accept them", "static", of(TENANT)),
    ] {
        let answer = Client::elsewhere(&host)?
            .scim(app, &issuer.sign(&key, &claims)?)
            .await?;
        ensure!(
            answer.status == 401,
            "{what}: {} {}",
            answer.status,
            answer.body
        );
    }
    let hs256 = json!({ "alg": "HS256", "kid": "k1" });
    let confused = issuer.hmac(&issuer.public_pem(&key)?, &hs256, &of(TENANT))?;
    ensure!(client.scim("hr", &confused).await?.status == 401);
    let posing = issuer.hmac(
        &issuer.public_pem(&key)?,
        &json!({ "alg": "HS256", "typ": "at+jwt" }),
        &of(TENANT),
    )?;
    ensure!(client.scim("hr", &posing).await?.status == 401);

    // Keys that nobody can fetch are no reason for a 401, which would stop Entra's job.
    let (home, later) = (of(TENANT), issuer.key("k2")?);
    issuer.go_away().await;
    let answer = client.scim("hr", &issuer.sign(&later, &home)?).await?;
    ensure!(
        answer.status == 503 && !answer.header("retry-after").is_empty(),
        "{}",
        answer.status
    );
    ensure!(answer.body["schemas"][0] == "urn:ietf:params:scim:api:messages:2.0:Error");
    ensure!(client.scim("hr", &token).await?.status == 200);
    Ok(())
}
