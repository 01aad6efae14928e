//! A real PostgreSQL on loopback: its own data, certificate authority and account, gone when dropped.
//! The server refuses to run as root; for root, it runs as the package's user `postgres`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::server::{Server, free_port, script};
use crate::slapd::certificates;

/// The database that the host's account owns.
pub const DATABASE: &str = "app";
/// The host's account.
pub const USER: &str = "tombolo";
const SUPERUSER: &str = "postgres";
const SUPERUSER_PASSWORD: &str = "root-of-the-test-database";

/// A running server. Stopped when dropped.
pub struct Postgres {
    server: Server,
    directory: TempDir,
    port: u16,
    /// Whether it flushes what it commits; tests do not wait for that.
    fsync: bool,
}

impl Postgres {
    /// Starts one on a free port, with an empty database; the host's account gets `password`.
    pub fn start(password: &str) -> Result<Self> {
        Self::start_with(password, false)
    }

    /// The same, and what it commits is on the disk, as it is where figures mean something.
    pub fn start_durable(password: &str) -> Result<Self> {
        Self::start_with(password, true)
    }

    fn start_with(password: &str, fsync: bool) -> Result<Self> {
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
            // Its "fast" shutdown: open transactions are rolled back.
            server: Server::new("postgres", directory.path(), "-INT"),
            directory,
            port: free_port()?,
            fsync,
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

    /// Its first process, while it runs: the others are its children.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
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
        self.server.stop();
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
            format!("fsync={}", if self.fsync { "on" } else { "off" }),
            "wal_level=logical".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", at.join("server.pem").display()),
            format!("ssl_key_file={}", at.join("server.key").display()),
        ] {
            command.args(["-c", &setting]);
        }
        let port = self.port;
        self.server
            .start(&mut command, || psql(port, "postgres", "SELECT 1").is_ok())
    }

    fn superuser(&self, database: &str, statements: &str) -> Result<String> {
        psql(self.port, database, statements)
    }
}

fn psql(port: u16, database: &str, statements: &str) -> Result<String> {
    let mut psql = Command::new(program("psql")?);
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
        .args(["-h", "127.0.0.1", "-U", SUPERUSER, "-d", database])
        .args(["-p", &port.to_string()])
        .env("PGPASSWORD", SUPERUSER_PASSWORD);
    script(&mut psql, statements)
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
