//! The listener's TLS, as others see it: sslscan and openssl.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tombolo_tests::host::{Directory, Host, TOKEN};
use tombolo_tests::pki::Authority;
use tombolo_tests::token::Client;
use tombolo_tests::{apps, build};

/// Those of entra.md's list that are authenticated encryption, and TLS 1.3's; no other may be offered.
const SUITES: [&str; 6] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

async fn serving(authority: &Authority) -> Result<(Directory, Host)> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    authority.server("one")?.install(&directory)?;
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[server.tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n",
    )?;
    apps::csv(&directory, "hr", "")?;
    let host = Host::start(&directory).await?;
    Ok((directory, host))
}

fn place(host: &Host) -> Result<&str> {
    host.url().strip_prefix("https://").context("no TLS")
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken_with_entras_suites_and_nothing_older() -> Result<()> {
    let (_directory, host) = serving(&Authority::new()?).await?;
    let output = Command::new("sslscan")
        .args(["--no-colour", place(&host)?])
        .output()
        .context("cannot start sslscan (Debian: apt-get install sslscan)")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let state = |version: &str| {
        said.lines()
            .filter_map(|line| line.trim().strip_prefix(version))
            .map(str::trim)
            .find(|state| matches!(*state, "enabled" | "disabled"))
    };
    for (version, wanted) in [
        ("SSLv2", "disabled"),
        ("SSLv3", "disabled"),
        ("TLSv1.0", "disabled"),
        ("TLSv1.1", "disabled"),
        ("TLSv1.2", "enabled"),
        ("TLSv1.3", "enabled"),
    ] {
        ensure!(
            state(version) == Some(wanted),
            "{version} is not {wanted}:\n{said}"
        );
    }
    // `Preferred TLSv1.3  256 bits  TLS_AES_256_GCM_SHA384  Curve 25519 DHE 253`
    let offered: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted"))
        .filter_map(|line| line.split_whitespace().nth(4))
        .collect();
    for suite in &offered {
        ensure!(SUITES.contains(suite), "{suite} is offered:\n{said}");
    }
    for suite in SUITES {
        ensure!(offered.contains(&suite), "{suite} is not offered:\n{said}");
    }
    ensure!(said.contains("RSA Key Strength:    2048"), "{said}");
    ensure!(
        !said.contains("vulnerable to heartbleed") || said.contains("not vulnerable to heartbleed"),
        "{said}"
    );

    for (version, cipher, works) in [
        ("-tls1", None, false),
        ("-tls1_1", None, false),
        ("-tls1_2", None, true),
        ("-tls1_3", None, true),
        // With CBC, which stands at the end of Entra's list: rustls has none.
        ("-tls1_2", Some("ECDHE-RSA-AES256-SHA384"), false),
        ("-tls1_2", Some("AES128-GCM-SHA256"), false),
    ] {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", place(&host)?, version]);
        // Without this the client itself would refuse the old versions.
        command.args([
            "-cipher",
            &format!(
                "{}@SECLEVEL=0",
                cipher.map_or("ALL:".to_owned(), |it| format!("{it}:"))
            ),
        ]);
        let ended = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(
            ended.success() == works,
            "openssl s_client {version} {cipher:?}: {ended}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_changed_and_a_connection_that_is_up_goes_on() -> Result<()> {
    let (old, new) = (Authority::new()?, Authority::new()?);
    let (directory, host) = serving(&old).await?;
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            place(&host)?,
            "-quiet",
            "-alpn",
            "http/1.1",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut to = client.stdin.take().context("no standard input")?;
    let mut from = BufReader::new(client.stdout.take().context("no standard output")?);
    let mut ask = || -> Result<String> {
        to.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        to.flush()?;
        let (mut status, mut length) = (String::new(), 0);
        from.read_line(&mut status)?;
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(status)
    };
    ensure!(ask()?.starts_with("HTTP/1.1 200"));

    ensure!(
        Client::new(&host, Some(&new.pem()?))?
            .scim("hr", TOKEN)
            .await
            .is_err()
    );
    new.server("two")?.install(&directory)?;
    let ca = new.pem()?;
    for attempt in 0.. {
        if let Ok(answer) = Client::new(&host, Some(&ca))?.scim("hr", TOKEN).await {
            ensure!(answer.status == 200);
            break;
        }
        ensure!(
            attempt < 300,
            "the new certificate was never shown:\n{}",
            host.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(
        Client::new(&host, Some(&old.pem()?))?
            .scim("hr", TOKEN)
            .await
            .is_err(),
        "the old certificate is still shown"
    );
    ensure!(
        ask()?.starts_with("HTTP/1.1 200"),
        "the old connection was dropped"
    );
    client.kill()?;
    client.wait()?;
    Ok(())
}
