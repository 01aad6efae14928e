//! A PostgreSQL of the test's own on loopback; gone when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::postgres::Options;

const ROOT: &str = "postgres";
const PASSWORD: &str = "of-the-test";

/// A running server, with a database `state` that the account `tombolo` owns.
pub(super) struct Server {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
}

pub(super) fn url(port: u16) -> String {
    format!("postgresql://tombolo@127.0.0.1:{port}/state")
}

pub(super) fn options(url: &str) -> Options {
    let options = Options::new(url).expect("a good URL");
    options.password(PASSWORD).schema("of tests")
}

impl Server {
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let secret = directory.path().join("password");
        std::fs::write(&secret, PASSWORD).expect("a file");
        give(directory.path());
        let mut initdb = command("initdb");
        initdb
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--no-sync", "--username", ROOT, "--pwfile"])
            .arg(&secret)
            .arg("-D")
            .arg(directory.path().join("data"))
            .current_dir(directory.path())
            .stdout(Stdio::null());
        assert!(initdb.status().expect("initdb starts").success());
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let mut server = Self {
            child: None,
            directory,
            port,
        };
        server.spawn().await;
        let role = format!("CREATE ROLE tombolo LOGIN PASSWORD '{PASSWORD}'");
        server.ask("postgres", &role).await.expect("a role");
        let database = "CREATE DATABASE state OWNER tombolo";
        server.ask("postgres", database).await.expect("a database");
        server
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        url(self.port)
    }

    pub(super) fn options(&self) -> Options {
        options(&self.url())
    }

    /// Runs statements as the superuser; the first column of what comes back.
    pub(super) async fn sql(&self, statements: &str) -> Vec<String> {
        self.ask("state", statements)
            .await
            .expect("the statements go through")
    }

    /// Waits until no session of the host is left.
    pub(super) async fn alone(&self) {
        let others = "SELECT pid::text FROM pg_stat_activity WHERE usename = 'tombolo'";
        while !self.sql(others).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL, of all its processes.
    pub(super) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let id = child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        child.kill().expect("it can be killed");
        child.wait().expect("it is gone");
        for child in children.split_whitespace() {
            // It may have gone with its parent.
            let _ = Command::new("kill")
                .args(["-KILL", child])
                .stderr(Stdio::null())
                .status();
        }
        // The next one must not find them.
        for child in children.split_whitespace() {
            while Path::new("/proc").join(child).exists() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Starts the server on the data that is there, and waits until it answers.
    pub(super) async fn spawn(&mut self) {
        let at = self.directory.path();
        let log = std::fs::File::create(at.join("log")).expect("a log");
        let mut postgres = command("postgres");
        postgres
            .arg("-D")
            .arg(at.join("data"))
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args([
                "-c",
                "unix_socket_directories=",
                "-c",
                &format!("port={}", self.port),
            ])
            .current_dir(at)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(postgres.spawn().expect("postgres starts"));
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.ask("postgres", "SELECT 1").await.is_err() {
            let log = || std::fs::read_to_string(self.directory.path().join("log"));
            assert!(Instant::now() < deadline, "no answer: {:?}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ask(
        &self,
        database: &str,
        statements: &str,
    ) -> Result<Vec<String>, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(ROOT)
            .password(PASSWORD)
            .dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        let driver = tokio::spawn(connection);
        let answer = client.simple_query(statements).await;
        driver.abort();
        let rows = answer?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok(rows.collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program of the server's package. The server refuses to run as root; for root it runs as the package's user.
fn command(name: &str) -> Command {
    let path = program(name).unwrap_or_else(|| {
        panic!("{name} is not installed: these tests run against a real PostgreSQL (Debian: apt-get install postgresql)")
    });
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--",
        ])
        .arg(path);
    command
}

fn program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let mut found: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .chain(
            ["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"]
                .map(|at| Path::new(at).join(name)),
        )
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop()
}

fn give(directory: &Path) {
    if is_root() {
        let given = Command::new("chown")
            .args(["-R", "postgres:"])
            .arg(directory)
            .status();
        assert!(given.expect("chown starts").success());
    }
}

fn is_root() -> bool {
    // The owner of this process's own entry is who we are.
    std::fs::metadata("/proc/self")
        .is_ok_and(|entry| std::os::unix::fs::MetadataExt::uid(&entry) == 0)
}
