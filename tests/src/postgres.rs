//! A real PostgreSQL on loopback: its own data, certificate authority and account, gone when dropped.
//! The server refuses to run as root; for root, it runs as the package's user `postgres`.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::slapd::certificates;

/// The database that the host's account owns.
pub const DATABASE: &str = "app";
/// The host's account.
pub const USER: &str = "tombolo";
const SUPERUSER: &str = "postgres";
const SUPERUSER_PASSWORD: &str = "root-of-the-test-database";

/// A running server. Stopped when dropped.
pub struct Postgres {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
}

impl Postgres {
    /// Starts one on a free port, with an empty database; the host's account gets `password`.
    pub fn start(password: &str) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("tombolo-postgres-")
            .tempdir()?;
        certificates(directory.path())?;
        std::fs::write(directory.path().join("password"), SUPERUSER_PASSWORD)?;
        crate::as_user::give(directory.path(), SUPERUSER)?;
        let data = directory.path().join("data");
        let mut initdb = crate::as_user::command(&program("initdb")?, SUPERUSER);
        initdb
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--no-sync", "--username", SUPERUSER, "--pwfile"])
            .arg(directory.path().join("password"))
            .arg("-D")
            .arg(&data)
            .current_dir(directory.path());
        crate::as_user::run(&mut initdb)?;
        let mut server = Self {
            child: None,
            directory,
            port: free_port()?,
        };
        server.spawn()?;
        server.superuser(
            "postgres",
            &format!("CREATE ROLE {USER} LOGIN PASSWORD '{password}'"),
        )?;
        server.superuser(
            "postgres",
            &format!("CREATE DATABASE {DATABASE} OWNER {USER}"),
        )?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority's certificate (PEM); the server's own is for `localhost`.
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Runs statements in the database as its superuser; the answer is psql's, unaligned, without headings.
    pub fn sql(&self, statements: &str) -> Result<String> {
        self.superuser(DATABASE, statements)
    }

    /// Stops the server at once and starts it again on the same port, with the same data.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.spawn()
    }

    /// Stops the server at once: every connection ends.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // SIGINT is the server's "fast" shutdown: open transactions are rolled back.
        let _ = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        let _ = child.wait();
    }

    fn spawn(&mut self) -> Result<()> {
        let at = self.directory.path();
        let mut command = crate::as_user::command(&program("postgres")?, SUPERUSER);
        command.arg("-D").arg(at.join("data")).current_dir(at);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            // A path in a temporary directory may be too long for a socket.
            "unix_socket_directories=".to_owned(),
            "fsync=off".to_owned(),
            "wal_level=logical".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", at.join("server.pem").display()),
            format!("ssl_key_file={}", at.join("server.key").display()),
        ] {
            command.args(["-c", &setting]);
        }
        let log = std::fs::File::create(at.join("log"))?;
        self.child = Some(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .context("cannot start postgres")?,
        );
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if self.superuser("postgres", "SELECT 1").is_ok() {
                return Ok(());
            }
            let log = || std::fs::read_to_string(self.directory.path().join("log"));
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("postgres ended with {status}: {}", log()?);
            }
            ensure!(
                Instant::now() < deadline,
                "postgres does not answer: {}",
                log()?
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn superuser(&self, database: &str, statements: &str) -> Result<String> {
        let mut psql = Command::new(program("psql")?)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-U", SUPERUSER, "-d", database])
            .args(["-p", &self.port.to_string()])
            .env("PGPASSWORD", SUPERUSER_PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start psql")?;
        let mut input = psql.stdin.take().context("psql's input")?;
        let statements = statements.to_owned();
        // A thread of its own: a long script and a long answer must not wait for each other.
        let writer = std::thread::spawn(move || input.write_all(statements.as_bytes()));
        let output = psql.wait_with_output()?;
        // Whether psql read everything shows in its status.
        let _ = writer.join();
        ensure!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of the server's package: Debian keeps them beside each version.
fn program(name: &str) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin").join(name))
                .filter(|path| path.exists())
                .collect()
        })
        .unwrap_or_default();
    found.sort();
    if let Some(newest) = found.pop() {
        return Ok(newest);
    }
    for folder in ["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"] {
        let path = Path::new(folder).join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    bail!(
        "{name} is not installed: these tests run against a real PostgreSQL (Debian: apt-get install postgresql)"
    )
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_our_own_starts_and_keeps_its_data() {
        let mut server = Postgres::start("secret").expect("it starts");
        server
            .sql("CREATE TABLE t (a int); INSERT INTO t VALUES (7)")
            .expect("a table");
        server.restart().expect("it starts again");
        assert_eq!(server.sql("SELECT a FROM t").expect("rows"), "7\n");
    }
}
