//! The hostile corpus against the whole product: every attack comes to a typed fault or to a harmless answer, its app
//! serves the next caller, and a neighbour under steady load has no errors meanwhile.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::hostile::{self, Attack, Expect, Guest, Via};
use tombolo_tests::load::{Crowd, Figure, Op, Stream};
use tombolo_tests::scim::{Reply, Scim};
use tombolo_tests::{apps, build};

/// What no log, no answer and no file may hold.
const SECRET: &str = "open-sesame/+42";

const LIMITS: &str = r#"
[limits]
wall = "3s"
cpu = "200ms"
memory = "32MiB"
tables = 10000
resources = 64
outbound-requests = 20
host-call-bytes = "2MiB"
log-lines = 50
state = "64KiB"
"#;

/// A host with one app an attack, and a neighbour.
struct Street {
    directory: Directory,
    host: Host,
    attacks: Vec<Attack>,
    silent: SocketAddr,
    web: SocketAddr,
}

impl Street {
    async fn new() -> Result<Self> {
        let directory = Directory::new()?;
        directory.write(
            "tombolo.toml",
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"state\"\n[limits]\ndeadline = \"15s\"\n",
        )?;
        directory.connector("csv", &build::connector("csv")?)?;
        directory.connector("hostile", &hostile::rust()?)?;
        apps::csv(&directory, "neighbour", "")?;
        let mut street = Self {
            silent: silent().await?,
            web: web().await?,
            host: Host::start_with(directory.path(), &start()).await?,
            directory,
            attacks: hostile::corpus()?,
        };
        // Those that do not load come later, one by one: their loading is the attack.
        for attack in street.attacks.clone() {
            if attack.expect != Expect::Refused {
                street.drop_in(&attack)?;
            }
        }
        for attack in street.loaded() {
            street.host.until_app(&attack.app_name(), "serving").await?;
        }
        Ok(street)
    }

    fn loaded(&self) -> Vec<Attack> {
        let loads = |attack: &&Attack| attack.expect != Expect::Refused;
        self.attacks.iter().filter(loads).cloned().collect()
    }

    /// Puts the guest and its app's file in.
    fn drop_in(&mut self, attack: &Attack) -> Result<()> {
        let (name, app) = (&attack.name, attack.app_name());
        let root = self.directory.path();
        if attack.app.contains("[directories]") {
            let (data, look) = (root.join("data").join(&app), root.join("look").join(&app));
            std::fs::create_dir_all(&data)?;
            std::fs::create_dir_all(&look)?;
            std::fs::write(root.join("data/secret"), SECRET)?;
            std::fs::write(look.join("file"), "as it was")?;
            std::os::unix::fs::symlink("../secret", data.join("way-out"))?;
        }
        let (connector, settings) = match attack.guest()? {
            Guest::Bytes(bytes) => {
                self.directory
                    .write(&format!("connectors/{name}.wasm"), bytes)?;
                (name.as_str(), String::new())
            }
            Guest::Rust => ("hostile", format!("[settings]\ndo = \"{name}\"\n")),
        };
        let more = attack
            .app
            .replace("{app}", &app)
            .replace("{silent}", &self.silent.to_string())
            .replace("{web-port}", &self.web.port().to_string())
            .replace("{web}", &self.web.to_string());
        self.directory
            .app(&app, connector, &format!("{settings}{more}{LIMITS}"))
    }

    /// Attacks once, and proves that the app still serves.
    async fn strike(&self, attack: &Attack) -> Result<Reply> {
        let app = attack.app_name();
        let scim = self.host.scim(&app)?;
        let before = self.faults(&app, attack.expect).await?;
        let reply = strike(&scim, attack).await?;
        match attack.expect {
            Expect::Answer => ensure!(reply.status == 200, "{reply:?}"),
            Expect::CpuOrAnswer => ensure!([200, 503].contains(&reply.status), "{reply:?}"),
            _ => {
                ensure!(reply.status >= 400, "it was answered: {reply:?}");
                ensure!(![401, 404].contains(&reply.status), "{reply:?}");
                ensure!(
                    self.faults(&app, attack.expect).await? > before,
                    "the fault is of another kind: {reply:?}\n{}",
                    self.all_faults(&app).await?
                );
                let detail = reply.body["detail"].as_str().unwrap_or_default();
                ensure!(detail.len() > 10, "no detail: {reply:?}");
                ensure!(detail.len() < 4096, "{} bytes of detail", detail.len());
            }
        }
        if let Some(wait) = reply.header("retry-after") {
            ensure!(wait.parse::<u32>()? <= 3600, "Retry-After: {wait}");
        }
        ensure!(
            reply.text.contains(&attack.says),
            "`{}` is not said in {reply:?}",
            attack.says
        );
        ensure!(!reply.text.contains("ALLOWED"), "{reply:?}");
        ensure!(!reply.text.contains(SECRET), "{reply:?}");
        if attack.sound {
            let reply = scim.find("sound", "Users", "userName eq \"sound\"").await?;
            ensure!(
                reply.status == 200 && reply.body["totalResults"] == 0,
                "the next caller met {reply:?}"
            );
        }
        Ok(reply)
    }

    async fn faults(&self, app: &str, expect: Expect) -> Result<u64> {
        let (_, page) = self.host.get("/metrics").await?;
        let mut found = 0;
        for kind in expect.labels() {
            let wanted =
                format!("tombolo_connector_faults_total{{app=\"{app}\",kind=\"{kind}\"}} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&wanted));
            found += line.context("no such counter")?.parse::<u64>()?;
        }
        Ok(found)
    }

    async fn all_faults(&self, app: &str) -> Result<String> {
        let (_, page) = self.host.get("/metrics").await?;
        let wanted = format!("tombolo_connector_faults_total{{app=\"{app}\"");
        let lines: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with(&wanted) && !line.ends_with(" 0"))
            .collect();
        Ok(lines.join("\n"))
    }

    /// Drops a guest in that must not load.
    async fn refused(&mut self, attack: &Attack) -> Result<Value> {
        self.drop_in(attack)?;
        let found = self.host.until_app(&attack.app_name(), "failed").await?;
        let problems = found["problems"].to_string();
        ensure!(
            problems.contains(&attack.says),
            "`{}` is not said in {problems}",
            attack.says
        );
        ensure!(!problems.contains("\\u001b"), "it paints: {problems}");
        ensure!(
            problems.len() < 8192,
            "{} bytes of problems",
            problems.len()
        );
        Ok(found["problems"].clone())
    }

    /// What holds whatever was done.
    async fn unharmed(&self) -> Result<()> {
        let root = self.directory.path();
        ensure!(self.host.get("/healthz").await?.0 == 200);
        ensure!(std::fs::read_to_string(root.join("data/secret"))? == SECRET);
        ensure!(!root.join("data/stolen").exists(), "it moved a file out");
        for attack in self.attacks.iter().filter(|a| a.app.contains("look")) {
            let look = root.join("look").join(attack.app_name());
            if look.exists() {
                let names: Vec<_> = std::fs::read_dir(&look)?.collect::<std::io::Result<_>>()?;
                ensure!(names.len() == 1, "{}: {names:?}", attack.name);
                ensure!(std::fs::read_to_string(look.join("file"))? == "as it was");
            }
        }
        let log = self.host.log();
        for spelling in [SECRET, "open-sesame%2F%2B42", "b3Blbi1zZXNhbWUvKzQy"] {
            ensure!(!log.contains(spelling), "the secret is in the log");
        }
        ensure!(
            !log.lines()
                .any(|line| line.trim_start().starts_with("FORGED")),
            "a line of the log is forged"
        );
        ensure!(!log.contains("\u{1b}[2J"), "the log clears the screen");
        let peak = peak_memory(self.host.pid())?;
        println!("the host's memory at its peak: {} MiB", peak >> 20);
        ensure!(peak < 3 << 30, "the host took {peak} bytes");
        Ok(())
    }
}

/// How the host is started: it knows the secret.
fn start() -> Start {
    Start {
        environment: vec![("TEST_HOSTILE_SECRET".to_owned(), SECRET.to_owned())],
        ..Start::default()
    }
}

async fn strike(scim: &Scim, attack: &Attack) -> Result<Reply> {
    match attack.via {
        Via::Match => scim.find("strike", "Users", "userName eq \"strike\"").await,
        Via::List => scim.get("/Users").await,
    }
}

/// A server that accepts whoever comes and says nothing.
async fn silent() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    Ok(address)
}

/// A web server that is no better than the guests. What lies outside `/app` nobody may reach.
async fn web() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // Whoever hangs up in the middle has understood what it deals with.
            tokio::spawn(async move { _ = answer(connection, address).await });
        }
    });
    Ok(address)
}

async fn answer(mut connection: TcpStream, here: SocketAddr) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let redirect = |to: &str| {
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    let text = |text: &str| {
        let length = text.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
    };
    let reply = match path {
        "/app/to-metadata" => redirect("http://169.254.169.254/latest/meta-data/"),
        "/app/to-mapped" => redirect(&format!(
            "http://[::ffff:127.0.0.1]:{}/smuggled",
            here.port()
        )),
        "/app/to-neighbour" => redirect("/smuggled"),
        "/app/to-file" => redirect("file:///etc/passwd"),
        "/app/drip" => {
            connection.write_all(b"HTTP/1.1 200 OK\r\nX: ").await?;
            loop {
                connection.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        "/app/endless" => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            connection.write_all(head).await?;
            let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 65536], b"\r\n"].concat();
            loop {
                connection.write_all(&chunk).await?;
            }
        }
        _ if path.contains("smuggled") => text("smuggled"),
        _ if path.contains("169.254") => text("metadata"),
        _ => text("ok"),
    };
    connection.write_all(reply.as_bytes()).await
}

/// The most memory that a process ever held.
fn peak_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("no VmHWM")?.trim().parse::<u64>()? << 10)
}

/// A neighbour's steady load.
async fn neighbour(host: &Host) -> Result<Stream> {
    let scim = host.scim("neighbour")?;
    let crowd = Arc::new(Crowd::create(&scim, 50).await?);
    Ok(Stream {
        scim,
        crowd,
        mix: vec![Op::Get, Op::Match, Op::Patch],
        rate: Some(40),
        parallel: 8,
    })
}

#[test]
fn every_guest_has_its_line_in_the_table_and_every_line_its_guest() -> Result<()> {
    let corpus = hostile::corpus()?;
    let told: BTreeSet<_> = corpus.iter().map(|attack| attack.name.clone()).collect();
    let there: BTreeSet<_> = hostile::files()?.into_iter().collect();
    ensure!(told == there, "{:?}", told.symmetric_difference(&there));
    ensure!(told.len() == corpus.len(), "one name stands there twice");
    ensure!(corpus.len() >= 40, "only {} attacks", corpus.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_comes_to_what_it_should_and_no_neighbour_is_harmed() -> Result<()> {
    let mut street = Street::new().await?;
    let stream = neighbour(&street.host).await?;
    let mut wrong = Vec::new();

    let quiet = during(&stream, tokio::time::sleep(Duration::from_secs(10)))
        .await
        .1;
    let ((), attacked) = during(&stream, async {
        for attack in street.loaded() {
            let began = Instant::now();
            match street.strike(&attack).await {
                Ok(reply) => println!(
                    "{}: {} in {:?} {}",
                    attack.name,
                    reply.status,
                    began.elapsed(),
                    reply.body["detail"].as_str().unwrap_or("")
                ),
                Err(error) => wrong.push(format!("{}: {error:#}", attack.name)),
            }
        }
    })
    .await;
    let refusals: Vec<_> = street.attacks.clone();
    let ((), loading) = during(&stream, async {
        for attack in refusals.iter().filter(|a| a.expect == Expect::Refused) {
            let began = Instant::now();
            match street.refused(attack).await {
                Ok(problems) => println!("{}: {:?} {problems}", attack.name, began.elapsed()),
                Err(error) => wrong.push(format!("{}: {error:#}", attack.name)),
            }
        }
    })
    .await;
    let (struck, storm) = during(&stream, storm(&street, Duration::from_secs(6))).await;

    for (when, figure) in [
        ("quiet", &quiet),
        ("attacked one by one", &attacked),
        ("while hostile files load", &loading),
        ("attacked by all at once", &storm),
    ] {
        println!(
            "neighbour {when}: {} requests, p50 {:?}, p99 {:?}, {} errors",
            figure.count, figure.p50, figure.p99, figure.errors
        );
        if figure.errors > 0 {
            wrong.push(format!("neighbour {when}: {:?}", figure.example));
        }
    }
    println!(
        "{} attacks; {} more in the storm",
        street.attacks.len(),
        struck?
    );
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    street.unharmed().await
}

/// All attacks at once, again and again; answers how many.
async fn storm(street: &Street, time: Duration) -> Result<usize> {
    let end = Instant::now() + time;
    let attackers = street.loaded().into_iter().map(|attack| async move {
        let scim = street.host.scim(&attack.app_name())?;
        let mut struck = 0;
        while Instant::now() < end {
            let reply = strike(&scim, &attack).await?;
            struck += 1;
            // As Entra does, whoever is sent away comes back later.
            if matches!(reply.status, 429 | 503) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        anyhow::Ok(struck)
    });
    Ok(futures::future::try_join_all(attackers).await?.iter().sum())
}

/// What the neighbour feels while something is done.
async fn during<T>(stream: &Stream, work: impl Future<Output = T>) -> (T, Figure) {
    let (stream, began) = (stream.clone(), Instant::now());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: what keeps the attackers' executor busy is no delay of the host's.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::io::Result::Ok(runtime.block_on(async {
            let running = stream.start();
            // Gone when the work is done, or when its test has failed.
            _ = stopped.await;
            running.stop().await
        }))
    });
    let done = work.await;
    drop(stop);
    let samples = tokio::task::spawn_blocking(|| thread.join().expect("the neighbour's thread"))
        .await
        .expect("the neighbour's thread is waited for")
        .expect("the neighbour's runtime");
    (done, Figure::of(&samples, began.elapsed(), Duration::ZERO))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_only_crashes_is_left_alone_until_a_probe_succeeds() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("hostile", &hostile::rust()?)?;
    let app = |name: &str, rest: &str| {
        let settings = "[settings]\ndo = \"panics_at_length\"\n";
        directory.app(name, "hostile", &format!("{settings}{rest}"))
    };
    app(
        "crashing",
        "[limits.circuit]\nfaults = 3\npause = \"2s\"\nmax-pause = \"2s\"\n",
    )?;
    app("stubborn", "[limits.circuit]\nfaults = 0\n")?;
    let host = Host::start(&directory).await?;
    let crash =
        |scim: Scim| async move { scim.find("strike", "Users", "userName eq \"strike\"").await };

    let scim = host.scim("crashing")?;
    for _ in 0..3 {
        let reply = crash(scim.clone()).await?;
        ensure!(
            reply.status == 503 && reply.text.contains("crashed"),
            "{reply:?}"
        );
    }
    // Also whoever asks for something that would go well.
    let reply = scim.find("sound", "Users", "userName eq \"sound\"").await?;
    ensure!(reply.status == 503, "{reply:?}");
    let wait: u64 = reply
        .header("retry-after")
        .context("no Retry-After")?
        .parse()?;
    ensure!((1..=2).contains(&wait), "Retry-After: {wait}");
    for words in ["3 calls in a row", "crashed", "tried again in"] {
        ensure!(reply.text.contains(words), "no `{words}` in {reply:?}");
    }
    let metric = "tombolo_connector_circuit_open{app=\"crashing\"} ";
    host.until("/metrics", |_, text| text.contains(&format!("{metric}1")))
        .await?;
    let listed = list(&directory)?;
    ensure!(listed.contains("circuit open"), "{listed}");
    ensure!(
        listed.contains("the last call failed: the connector crashed"),
        "{listed}"
    );

    // The probe goes well, and everything is as before.
    host.until("/metrics", |_, text| {
        text.contains("tombolo_connector_circuit_open{app=\"crashing\"} 1")
    })
    .await?;
    let began = Instant::now();
    loop {
        let reply = scim.find("sound", "Users", "userName eq \"sound\"").await?;
        if reply.status == 200 {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(10), "{reply:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    host.until("/metrics", |_, text| text.contains(&format!("{metric}0")))
        .await?;
    ensure!(!list(&directory)?.contains("circuit open"));
    let log = host.until_log("circuit closes").await?;
    ensure!(log.matches("circuit opens").count() == 1, "{log}");
    ensure!(log.matches("circuit closes").count() == 1, "{log}");

    // A reload starts anew.
    for _ in 0..3 {
        crash(scim.clone()).await?;
    }
    ensure!(crash(scim.clone()).await?.text.contains("in a row"));
    app("crashing", "[limits.circuit]\nfaults = 4\n")?;
    host.until("/metrics", |_, text| text.contains(&format!("{metric}0")))
        .await?;
    let reply = scim.find("sound", "Users", "userName eq \"sound\"").await?;
    ensure!(reply.status == 200, "{reply:?}");

    // Whoever wants no circuit has none.
    let scim = host.scim("stubborn")?;
    for _ in 0..15 {
        let reply = crash(scim.clone()).await?;
        ensure!(reply.text.contains("crashed"), "{reply:?}");
    }
    Ok(())
}

fn list(directory: &Directory) -> Result<String> {
    let path = directory.path().to_str().context("the path is UTF-8")?;
    tombolo_tests::host::run_ok(&["app", "list", path])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_beyond_the_queue_is_sent_away_at_once() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("hostile", &hostile::rust()?)?;
    directory.app(
        "crowded",
        "hostile",
        "[settings]\ndo = \"sleeps_for_ever\"\n[limits]\nwall = \"3s\"\nconcurrency = 1\nqueue = 2\n",
    )?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("crowded")?;
    let began = Instant::now();
    let calls = (0..6).map(|_| scim.find("strike", "Users", "userName eq \"strike\""));
    let replies = futures::future::try_join_all(calls).await?;
    let sent_away: Vec<&Reply> = replies
        .iter()
        .filter(|reply| reply.text.contains("limits.queue"))
        .collect();
    ensure!(sent_away.len() == 3, "{replies:?}");
    for reply in sent_away {
        ensure!(reply.status == 503, "{reply:?}");
        ensure!(reply.header("retry-after").is_some(), "{reply:?}");
        ensure!(reply.took < Duration::from_secs(2), "{:?}", reply.took);
    }
    ensure!(began.elapsed() > Duration::from_secs(8), "nobody waited");
    Ok(())
}
