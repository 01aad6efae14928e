//! A real MariaDB on loopback: its own data, certificate authority and account, gone when dropped.
//! For root, it runs as the package's user `mysql`.

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
const SERVICE: &str = "mysql";

/// A running server. Stopped when dropped.
pub struct MariaDb {
    server: Server,
    directory: TempDir,
    port: u16,
}

impl MariaDb {
    /// Starts one on a free port, with an empty database; the host's account gets `password`.
    pub fn start(password: &str) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("tombolo-mariadb-")
            .tempdir()?;
        certificates(directory.path())?;
        // Of its own: a server that starts sweeps up temporary tables there, and would take another's.
        std::fs::create_dir(directory.path().join("tmp"))?;
        crate::as_user::give(directory.path(), SERVICE)?;
        let mut install = crate::as_user::command(&program("mariadb-install-db")?, SERVICE);
        install
            .args(["--no-defaults", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(format!(
                "--tmpdir={}",
                directory.path().join("tmp").display()
            ))
            .arg(format!(
                "--datadir={}",
                directory.path().join("data").display()
            ))
            .current_dir(directory.path());
        crate::as_user::run(&mut install)?;
        let mut server = Self {
            // Lets it close its tables.
            server: Server::new("mariadbd", directory.path(), "-TERM"),
            directory,
            port: free_port()?,
        };
        server.spawn()?;
        server.client(
            "mysql",
            &format!(
                "CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;
                 CREATE USER {USER}@'%' IDENTIFIED BY '{password}';
                 GRANT ALL ON {DATABASE}.* TO {USER}@'%';"
            ),
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

    /// Runs statements in the database as root; the answer is the client's, tab-separated, without headings.
    pub fn sql(&self, statements: &str) -> Result<String> {
        self.client(DATABASE, statements)
    }

    /// Stops the server and starts it again on the same port, with the same data.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.spawn()
    }

    /// Stops the server: every connection ends.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    fn spawn(&mut self) -> Result<()> {
        let at = self.directory.path();
        let mut command = crate::as_user::command(&program("mariadbd")?, SERVICE);
        command.arg("--no-defaults").current_dir(at);
        for (name, value) in [
            ("datadir", at.join("data")),
            ("tmpdir", at.join("tmp")),
            ("socket", at.join("socket")),
            ("pid-file", at.join("pid")),
            ("ssl-ca", at.join("ca.pem")),
            ("ssl-cert", at.join("server.pem")),
            ("ssl-key", at.join("server.key")),
        ] {
            command.arg(format!("--{name}={}", value.display()));
        }
        command
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=64M",
            ]);
        let socket = at.join("socket");
        self.server.start(&mut command, || {
            client(&socket, "mysql", "SELECT 1").is_ok()
        })
    }

    fn client(&self, database: &str, statements: &str) -> Result<String> {
        client(&self.directory.path().join("socket"), database, statements)
    }
}

fn client(socket: &Path, database: &str, statements: &str) -> Result<String> {
    let mut client = Command::new(program("mariadb")?);
    client
        .args(["--no-defaults", "--batch", "--skip-column-names"])
        .args(["--default-character-set=utf8mb4", "--user=root", "--socket"])
        .arg(socket)
        .arg(database);
    script(&mut client, statements)
}

fn program(name: &str) -> Result<PathBuf> {
    for folder in ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/libexec"] {
        let path = Path::new(folder).join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    bail!(
        "{name} is not installed: these tests run against a real MariaDB (Debian: apt-get install mariadb-server)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_our_own_starts_and_keeps_its_data() {
        let mut server = MariaDb::start("secret").expect("it starts");
        server
            .sql("CREATE TABLE t (a int); INSERT INTO t VALUES (7);")
            .expect("a table");
        server.restart().expect("it starts again");
        assert_eq!(server.sql("SELECT a FROM t").expect("rows"), "7\n");
    }
}
