//! A real Redmine on loopback: its own copy, SQLite database and key, gone when dropped.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::build::target;

/// A running Redmine. Stopped when dropped.
pub struct Redmine {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
    key: String,
}

/// Where Debian's Redmine lies unpacked.
pub fn tree() -> Result<PathBuf> {
    let tree = target().join("redmine");
    ensure!(
        tree.join("config.ru").exists(),
        "there is no Redmine in {}: these tests run against a real one; `.ci/redmine` brings it (Debian)",
        tree.display()
    );
    Ok(tree)
}

impl Redmine {
    /// Starts one on a free port, with nobody in it but its administrator.
    pub fn start() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("tombolo-redmine-")
            .tempdir()?;
        copy(&tree()?, &directory.path().join("app"))?;
        let mut redmine = Self {
            child: None,
            directory,
            port: TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port(),
            key: String::new(),
        };
        redmine.configure()?;
        redmine.run("bundle", &["lock", "--local"])?;
        redmine.run("bundle", &["exec", "rake", "db:migrate"])?;
        let setup = "Setting.rest_api_enabled = '1'; Setting.default_language = 'en'; \
                     admin = User.find_by_login('admin'); admin.must_change_passwd = false; admin.save!; puts admin.api_key";
        let said = redmine.run("bundle", &["exec", "rails", "runner", setup])?;
        said.lines()
            .last()
            .unwrap_or_default()
            .clone_into(&mut redmine.key);
        redmine.serve()?;
        Ok(redmine)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The administrator's API key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What `GET` of a path answers, behind the host's back.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = crate::scim::http_client(None)?
            .get(format!("http://{}{path}", self.address()))
            .header("X-Redmine-API-Key", &self.key)
            .send()
            .await?;
        ensure!(
            answer.status().is_success(),
            "GET {path}: {}",
            answer.status()
        );
        Ok(answer.json().await?)
    }

    /// All users but the administrator, as the listings of both states show them.
    pub async fn users(&self) -> Result<Vec<Value>> {
        let mut users = Vec::new();
        for status in [1, 3] {
            loop {
                let before = users.len();
                let path = format!(
                    "/users.json?status={status}&limit=100&offset={}",
                    offset(&users, status)
                );
                let page = self.get(&path).await?;
                for user in page["users"].as_array().context("no users in the answer")? {
                    let mut user = user.clone();
                    user["status"] = status.into();
                    users.push(user);
                }
                if users.len() == before {
                    break;
                }
            }
        }
        users.retain(|user| user["login"] != "admin");
        Ok(users)
    }

    fn app(&self) -> PathBuf {
        self.directory.path().join("app")
    }

    fn configure(&self) -> Result<()> {
        let app = self.app();
        let instance = app.join("instances/default");
        for folder in ["config", "log", "tmp/cache", "files", "plugin_assets"] {
            std::fs::create_dir_all(instance.join(folder))?;
        }
        for folder in ["tmp", "log"] {
            std::fs::create_dir_all(app.join(folder))?;
        }
        let database = format!(
            "production:\n  adapter: sqlite3\n  timeout: 20000\n  database: {}/redmine.sqlite3\n",
            self.directory.path().display()
        );
        std::fs::write(app.join("config/database.yml"), &database)?;
        std::fs::write(instance.join("config/database.yml"), database)?;
        let key = uuid::Uuid::new_v4().simple().to_string();
        std::fs::write(instance.join("config/secret_key.txt"), key.repeat(2))?;
        // Debian's list of gems follows the databases that are set up in its own place.
        let gems = std::fs::read_to_string(app.join("Gemfile"))?
            .replace("'/usr/share/redmine/{", "__dir__ + '/{");
        std::fs::write(app.join("Gemfile"), format!("{gems}\ngem 'puma'\n"))?;
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.app())
            .env("RAILS_ENV", "production")
            .env("HOME", self.directory.path())
            .env("BUNDLE_GEMFILE", self.app().join("Gemfile"))
            .env_remove("X_DEBIAN_SITEID")
            .env_remove("REDMINE_INSTANCE")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .with_context(|| {
                format!("cannot start {program}: `.ci/redmine` installs it (Debian)")
            })?;
        ensure!(
            output.status.success(),
            "{program} {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn serve(&mut self) -> Result<()> {
        let log = self.directory.path().join("web.log");
        let bind = format!("tcp://{}", self.address());
        let child = self
            .command("bundle")
            .args([
                "exec",
                "puma",
                "-e",
                "production",
                "-t",
                "4:4",
                "-b",
                &bind,
                "config.ru",
            ])
            .stdout(File::create(&log)?)
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start puma")?;
        let child = self.child.insert(child);
        let deadline = Instant::now() + Duration::from_mins(4);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "puma ended with {status}: {}",
                    std::fs::read_to_string(&log)?
                );
            }
            ensure!(Instant::now() < deadline, "Redmine does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Redmine {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Ended already is ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn offset(users: &[Value], status: i32) -> usize {
    users.iter().filter(|user| user["status"] == status).count()
}

/// Copies a folder and what is in it; links that lead nowhere are left out.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else if from.exists() {
            std::fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}
