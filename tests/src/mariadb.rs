//! A real MariaDB on loopback: its own data, certificate authority and account, gone when dropped.
//! For root, it runs as the package's user `mysql`.

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
const SERVICE: &str = "mysql";

/// A running server. Stopped when dropped.
pub struct MariaDb {
    child: Option<Child>,
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
            child: None,
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
        let Some(mut child) = self.child.take() else {
            return;
        };
        // SIGTERM lets it close its tables.
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let _ = child.wait();
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
        let log = std::fs::File::create(at.join("log"))?;
        self.child = Some(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .context("cannot start mariadbd")?,
        );
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if self.client("mysql", "SELECT 1").is_ok() {
                return Ok(());
            }
            let log = || std::fs::read_to_string(self.directory.path().join("log"));
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("mariadbd ended with {status}: {}", log()?);
            }
            ensure!(
                Instant::now() < deadline,
                "mariadbd does not answer: {}",
                log()?
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn client(&self, database: &str, statements: &str) -> Result<String> {
        let mut client = Command::new(program("mariadb")?)
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--user=root", "--socket"])
            .arg(self.directory.path().join("socket"))
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start mariadb")?;
        let mut input = client.stdin.take().context("the client's input")?;
        let statements = statements.to_owned();
        // A thread of its own: a long script and a long answer must not wait for each other.
        let writer = std::thread::spawn(move || input.write_all(statements.as_bytes()));
        let output = client.wait_with_output()?;
        // Whether the client read everything shows in its status.
        let _ = writer.join();
        ensure!(
            output.status.success(),
            "mariadb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.stop();
    }
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

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
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
