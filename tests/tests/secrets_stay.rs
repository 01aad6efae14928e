//! Secrets go from where the operator keeps them to their target and nowhere else: not into a guest's memory, not into a
//! log at any level, not into an answer.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tombolo_tests::entra::{Dialect, Player, Send};
use tombolo_tests::guarded::{Credentials, Guarded, KEY_HEADER, USER as WEB_USER};
use tombolo_tests::host::{Directory, Host, Start, TOKEN, run_with};
use tombolo_tests::mariadb::MariaDb;
use tombolo_tests::people::{Names, Tenant, USER};
use tombolo_tests::postgres::{self, Postgres};
use tombolo_tests::slapd::{BASE, BIND_DN, Slapd};
use tombolo_tests::{apps, build, hostile};

/// How every password here begins.
const BEGINNING: &str = "Xq7-marker-of-a-secret-";

fn password() -> String {
    format!("{BEGINNING}{}", uuid::Uuid::new_v4().simple())
}

fn loud(start: Start) -> Start {
    let mut start = start;
    // Everything that can be said is said.
    start
        .environment
        .push(("RUST_LOG".to_owned(), "trace".to_owned()));
    start
        .environment
        .push(("TOMBOLO_LOG".to_owned(), "trace".to_owned()));
    start
}

fn absent(secret: &str, place: &str, text: &str) -> Result<()> {
    ensure!(!text.contains(secret), "{place} holds the secret");
    Ok(())
}

fn trace(directory: &Directory) -> Result<()> {
    let file = directory.path().join("tombolo.toml");
    let text = std::fs::read_to_string(file)?;
    directory.write("tombolo.toml", format!("{text}[log]\nlevel = \"trace\"\n"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_in_no_log_no_answer_no_metric_and_no_file() -> Result<()> {
    let password = password();
    let slapd = Slapd::start(&password)?;
    let directory = Directory::new()?;
    trace(&directory)?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    let mut host =
        Host::start_with(directory.path(), &loud(apps::with_password(&password))).await?;
    let scim = host.scim("people")?;
    let tenant = Tenant::new(21, 30, 4, Names::Hostile);
    let mut player = Player::new(scim.clone(), Dialect::Legacy);
    player.initial(&tenant, Send::Differences).await?;
    let mut answers = String::new();
    // Errors of many kinds, all with their details.
    let there = tenant
        .people
        .values()
        .next()
        .map(|p| p.user_name.clone())
        .unwrap_or_default();
    for (path, body) in [
        ("/Users", json!({ "schemas": [USER], "userName": there })),
        ("/Users", json!({ "schemas": [USER] })),
        (
            "/Groups",
            json!({ "displayName": "x", "members": [{ "value": "nobody" }] }),
        ),
    ] {
        writeln!(answers, "{:?}", scim.post(path, &body).await?)?;
    }
    for path in [
        "/Users",
        "/Groups",
        "/Schemas",
        "/ResourceTypes",
        "/ServiceProviderConfig",
        "/Users/none",
    ] {
        writeln!(answers, "{:?}", scim.get(path).await?)?;
    }
    let (_, metrics) = host.get("/metrics").await?;
    let (_, ready) = host.get("/readyz").await?;

    // The directory changes its mind about the password.
    slapd.modify(&format!(
        "dn: {BIND_DN}\nchangetype: modify\nreplace: userPassword\nuserPassword: another\n"
    ))?;
    host.kill()?;
    let said = host.log();
    let host = Host::start_with(directory.path(), &loud(apps::with_password(&password))).await?;
    let scim = host.scim("people")?;
    let reply = scim
        .post(
            "/Users",
            &json!({ "schemas": [USER], "userName": "new@x", "name": { "familyName": "x" } }),
        )
        .await?;
    ensure!(
        matches!(reply.status, 502 | 503),
        "a refused bind is {reply:?}"
    );
    writeln!(answers, "{reply:?}")?;

    absent(&password, "the log", &said)?;
    absent(&password, "the log after a refused bind", &host.log())?;
    absent(&password, "an answer", &answers)?;
    absent(&password, "/metrics", &metrics)?;
    absent(&password, "/metrics", &host.get("/metrics").await?.1)?;
    absent(&password, "/readyz", &ready)?;
    ensure!(
        said.len() > 1000,
        "the log at trace level says next to nothing"
    );
    absent(TOKEN, "the log", &said)?;
    for (path, bytes) in directory.everything()? {
        let found = bytes
            .windows(password.len())
            .any(|w| w == password.as_bytes());
        ensure!(!found, "{} holds the secret", path.display());
    }
    let folder = directory.path().display().to_string();
    for arguments in [
        vec!["check", &folder],
        vec!["app", "list", &folder],
        vec!["app", "test", &folder, "people"],
    ] {
        let output = run_with(
            &arguments,
            &[(apps::PASSWORD_VARIABLE, &password), ("RUST_LOG", "trace")],
        )?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        absent(&password, &arguments.join(" "), &text)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_looks_everywhere_does_not_find_the_password() -> Result<()> {
    let password = password();
    let slapd = Slapd::start(&password)?;
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    directory.write("tls/ldap-ca.pem", std::fs::read(slapd.ca())?)?;
    let shifted: Vec<u8> = BEGINNING.bytes().map(|b| b + 1).collect();
    apps::guest(
        &directory,
        "snoop",
        &format!("snoop = {shifted:?}\nbase = \"{BIND_DN}\""),
        &format!(
            "[targets.directory]\nkind = \"ldap\"\nurl = \"{}\"\nca = \"tls/ldap-ca.pem\"\nbind-dn = \"{BIND_DN}\"\n\
             password = \"env:{}\"\n\n[reads]\nfreshness = \"live\"\n",
            slapd.ldaps(),
            apps::PASSWORD_VARIABLE
        ),
    )?;
    let host = Host::start_with(directory.path(), &apps::with_password(&password)).await?;
    let scim = host.scim("snoop")?;
    let reply = scim
        .post("/Users", &json!({ "schemas": [USER], "userName": "snoop" }))
        .await?;
    ensure!(reply.status == 201, "{reply:?}\n{}", host.log());
    let report = reply.body["displayName"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    println!("{report}");
    // It reached the directory with the password, and saw an entry.
    ensure!(report.contains("searched=1"), "{report} (base {BASE})");
    ensure!(
        report.contains("environment=0")
            && report.contains("root=0")
            && report.contains("secret=false"),
        "{report}"
    );
    ensure!(
        report.ends_with("hits=0"),
        "the guest found the password in its memory: {report}"
    );
    Ok(())
}

/// Everything that one app can have a secret for.
struct Town {
    web: Guarded,
    slapd: Slapd,
    postgres: Postgres,
    mariadb: MariaDb,
    credentials: Credentials,
    passwords: [String; 3],
}

impl Town {
    async fn start() -> Result<Self> {
        let credentials = Credentials {
            password: password(),
            bearer: password(),
            key: password(),
            client_secret: password(),
            access: password(),
        };
        let passwords = [password(), password(), password()];
        Ok(Self {
            web: Guarded::start(credentials.clone()).await?,
            slapd: Slapd::start(&passwords[0])?,
            postgres: Postgres::start(&passwords[1])?,
            mariadb: MariaDb::start(&passwords[2])?,
            credentials,
            passwords,
        })
    }

    /// By the variable that holds it in the host's environment.
    fn secrets(&self) -> Vec<(String, String)> {
        let Credentials {
            password,
            bearer,
            key,
            client_secret,
            ..
        } = &self.credentials;
        let [ldap, postgres, mariadb] = &self.passwords;
        [
            ("BASIC", password),
            ("BEARER", bearer),
            ("KEY", key),
            ("CLIENT", client_secret),
            ("LDAP", ldap),
            ("POSTGRES", postgres),
            ("MARIADB", mariadb),
        ]
        .map(|(name, secret)| (format!("TEST_{name}"), secret.clone()))
        .into()
    }

    /// `[targets]` of an app that reaches all of it.
    fn targets(&self) -> String {
        let web = |name: &str, auth: &str| {
            let url = self.web.url(name);
            format!("[targets.{name}]\nkind = \"http\"\nurl = \"{url}\"\nauth = {{ {auth} }}\n")
        };
        let sql = |name: &str, port: u16, variable: &str| {
            format!(
                "[targets.{name}]\nkind = \"sql\"\ndriver = \"{name}\"\nhost = \"127.0.0.1\"\nport = {port}\n\
                 database = \"{}\"\nuser = \"{}\"\npassword = \"env:TEST_{variable}\"\ntls = \"off\"\n",
                postgres::DATABASE,
                postgres::USER
            )
        };
        let token_url = self.web.url("token");
        [
            web("basic", &format!("kind = \"basic\", user = \"{WEB_USER}\", password = \"env:TEST_BASIC\"")),
            web("bearer", "kind = \"bearer\", token = \"env:TEST_BEARER\""),
            web("key", &format!("kind = \"api-key\", header = \"{KEY_HEADER}\", value = \"env:TEST_KEY\"")),
            web(
                "oauth",
                &format!(
                    "kind = \"oauth\", token-url = \"{token_url}\", client-id = \"host\", client-secret = \"env:TEST_CLIENT\", client-auth = \"body\""
                ),
            ),
            sql("postgresql", self.postgres.port(), "POSTGRES"),
            sql("mariadb", self.mariadb.port(), "MARIADB"),
            format!(
                "[targets.directory]\nkind = \"ldap\"\nurl = \"{}\"\nca = \"tls/ldap-ca.pem\"\nbind-dn = \"{BIND_DN}\"\n\
                 password = \"env:TEST_LDAP\"\n",
                self.slapd.ldaps()
            ),
        ]
        .concat()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_any_kind_of_target_is_in_no_guest_and_in_no_log() -> Result<()> {
    let mut town = Town::start().await?;
    let directory = Directory::new()?;
    trace(&directory)?;
    directory.connector("hostile", &hostile::rust()?)?;
    directory.write("tls/ldap-ca.pem", std::fs::read(town.slapd.ca())?)?;
    let shifted: Vec<u8> = BEGINNING.bytes().map(|b| b + 1).collect();
    for (app, reuse) in [("fresh", "fresh"), ("warm", "warm"), ("later", "warm")] {
        let settings = format!(
            "[settings]\ndo = \"searches_its_memory\"\nsnoop = {shifted:?}\nbase = \"{BIND_DN}\"\n\n\
             [instances]\nreuse = \"{reuse}\"\n\n{}",
            town.targets()
        );
        directory.app(app, "hostile", &settings)?;
    }
    let start = Start {
        environment: town.secrets(),
        ..Start::default()
    };
    let host = Host::start_with(directory.path(), &loud(start)).await?;
    let strike = |app: &'static str| {
        let scim = host.scim(app);
        async move {
            let found = scim?
                .get("/Users?filter=userName%20eq%20%22strike%22")
                .await?;
            anyhow::Ok(found.body["Resources"][0]["displayName"].to_string())
        }
    };
    let all = "basic=200 bearer=200 key=200 oauth=200 postgresql=1 mariadb=1 directory=1 hits=0";
    for app in ["fresh", "warm"] {
        let said = strike(app).await?;
        // Every one of them was used, and the guest that used it does not hold it.
        ensure!(said.contains(all), "{app}: {said}\n{}", host.log());
    }
    // What goes wrong is told at length, and still without them.
    town.web.refuse();
    town.postgres.stop();
    town.mariadb.stop();
    town.slapd.modify(&format!(
        "dn: {BIND_DN}\nchangetype: modify\nreplace: userPassword\nuserPassword: another\n"
    ))?;
    let said = strike("later").await?;
    ensure!(
        said.contains("basic=401") && said.contains("postgresql=0"),
        "{said}"
    );

    let log = host.log();
    ensure!(
        log.len() > 1000,
        "the log at trace level says next to nothing"
    );
    let mut secrets = town.secrets();
    secrets.push(("access token".to_owned(), town.credentials.access.clone()));
    for (name, secret) in secrets {
        absent(&secret, &format!("the log ({name})"), &log)?;
        let pair = STANDARD.encode(format!("{WEB_USER}:{secret}"));
        absent(&pair, &format!("the log ({name}, base64)"), &log)?;
        absent(
            &hex::encode(&secret),
            &format!("the log ({name}, hexadecimal)"),
            &log,
        )?;
    }
    Ok(())
}
