//! A configuration directory, and `tombolo serve` on it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::scim::{Scim, http_client};

/// The bearer token of every app that [`Directory::app`] writes.
pub const TOKEN: &str = "test-token-1f0b6f3f4a11";

/// The operator's files, in a directory of their own that goes away with it.
pub struct Directory(TempDir);

impl Directory {
    /// An empty configuration: a `tombolo.toml` and nothing else.
    pub fn new() -> Result<Self> {
        let directory = Self(tempfile::Builder::new().prefix("tombolo-test-").tempdir()?);
        directory.write(
            "tombolo.toml",
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"state\"\n",
        )?;
        for folder in ["connectors", "apps"] {
            std::fs::create_dir_all(directory.path().join(folder))?;
        }
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes one file whole, as an editor that renames does; returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path().join(name);
        let folder = path.parent().context("a file lies in a folder")?;
        std::fs::create_dir_all(folder)?;
        // Hidden until it is whole, so that the watcher never sees half of it.
        let temporary = folder.join(format!(".{}.tmp", uuid::Uuid::new_v4()));
        std::fs::write(&temporary, content)?;
        std::fs::rename(&temporary, &path)?;
        Ok(path)
    }

    /// Removes one file.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path().join(name);
        std::fs::remove_file(&path).with_context(|| path.display().to_string())
    }

    /// Puts a component file in as `connectors/NAME.wasm`.
    pub fn connector(&self, name: &str, from: &Path) -> Result<()> {
        let bytes = std::fs::read(from).with_context(|| from.display().to_string())?;
        self.write(&format!("connectors/{name}.wasm"), bytes)?;
        Ok(())
    }

    /// Writes `apps/NAME.toml`: the connector, [`TOKEN`], and `rest`.
    pub fn app(&self, name: &str, connector: &str, rest: &str) -> Result<()> {
        let text = format!(
            "connector = \"{connector}\"\n\n[auth]\ntokens = [{{ name = \"test\", sha256 = \"{}\" }}]\n\n{rest}\n",
            digest(TOKEN)
        );
        self.write(&format!("apps/{name}.toml"), text)?;
        Ok(())
    }

    /// The text of every file below, but components: to look for what must not be there.
    pub fn everything(&self) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut files = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if let Ok(bytes) = std::fs::read(entry.path()) {
                    files.push((entry.path(), bytes));
                }
            }
        }
        Ok(files)
    }
}

/// What an app file holds of a token: hex of its SHA-256.
pub fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// A running host. Killed when dropped.
pub struct Host {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
}

/// How a host is started.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// `TOMBOLO_LOG`-like settings and the secrets that app files name.
    pub environment: Vec<(String, String)>,
    /// More arguments of `serve`.
    pub arguments: Vec<String>,
    /// Where to listen; any free port of loopback if not given.
    pub listen: Option<String>,
    /// Another binary than the one that [`crate::build::tombolo`] builds.
    pub binary: Option<PathBuf>,
    /// A program, and its arguments, that becomes the host in the end: `nsenter …`.
    pub wrapper: Vec<String>,
}

impl Host {
    /// Starts on a free port and waits until it says it is ready.
    pub async fn start(directory: &Directory) -> Result<Self> {
        Self::start_with(directory.path(), &Start::default()).await
    }

    /// The same, with settings.
    pub async fn start_with(directory: &Path, start: &Start) -> Result<Self> {
        let binary = start.binary.clone().unwrap_or_else(crate::build::tombolo);
        let mut words = start.wrapper.iter();
        let mut command = match words.next() {
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(&binary);
                command
            }
            None => Command::new(&binary),
        };
        let mut child = command
            .arg("serve")
            .arg(directory)
            .args(["--listen", start.listen.as_deref().unwrap_or("127.0.0.1:0")])
            .args(&start.arguments)
            .envs(
                start
                    .environment
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str())),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(out) = child.stdout.take() {
            collect(out, &log);
        }
        if let Some(err) = child.stderr.take() {
            collect(err, &log);
        }
        let mut host = Self {
            child,
            url: String::new(),
            log,
        };
        host.wait_ready().await?;
        Ok(host)
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            if let Some(url) = listening(&self.log()) {
                self.url = url;
                break;
            }
            self.alive()?;
            ensure!(
                Instant::now() < deadline,
                "no address in the log:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if self.url.starts_with("https:") {
            return Ok(());
        }
        let http = http_client(None)?;
        // Ready or not: a bad app is reported there, and the good ones serve.
        while http
            .get(format!("{}/readyz", self.url))
            .send()
            .await
            .is_err()
        {
            self.alive()?;
            ensure!(
                Instant::now() < deadline,
                "no answer on {}:\n{}",
                self.url,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            thread::sleep(Duration::from_millis(100));
            bail!("tombolo ended with {status}:\n{}", self.log());
        }
        Ok(())
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has written so far, both streams.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it has written this: its lines come by a pipe, a moment after its answers.
    pub async fn until_log(&self, words: &str) -> Result<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log();
            if log.contains(words) {
                return Ok(log);
            }
            ensure!(Instant::now() < deadline, "no `{words}` in\n{log}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A client of one of its apps, with [`TOKEN`].
    pub fn scim(&self, app: &str) -> Result<Scim> {
        Scim::new(format!("{}/apps/{app}/scim/v2", self.url), TOKEN)
    }

    /// A client of the app that stands in for the ECMA connector `name`, with [`TOKEN`].
    pub fn ecma(&self, name: &str) -> Result<Scim> {
        Scim::new(format!("{}/ecma2host_{name}/scim", self.url), TOKEN)
    }

    /// GET outside SCIM: `/healthz`, `/readyz`, `/metrics`.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let response = http_client(None)?
            .get(format!("{}{path}", self.url))
            .send()
            .await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Waits until `GET` of `path` says what `good` wants to hear.
    pub async fn until(&self, path: &str, good: impl Fn(u16, &str) -> bool) -> Result<String> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let (status, text) = self.get(path).await?;
            if good(status, &text) {
                return Ok(text);
            }
            ensure!(
                Instant::now() < deadline,
                "{path} still says {status} {text}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `/readyz` says of an app that it is in `state` (`serving`, `stale`, `failed`).
    pub async fn until_app(&self, app: &str, state: &str) -> Result<Value> {
        let text = self
            .until("/readyz", |_, text| {
                app_in(text, app).is_some_and(|found| found["state"] == state)
            })
            .await
            .with_context(|| format!("app {app} never was {state}"))?;
        Ok(app_in(&text, app).unwrap_or_default())
    }

    /// What `/readyz` says of an app.
    pub async fn app(&self, app: &str) -> Result<Option<Value>> {
        Ok(app_in(&self.get("/readyz").await?.1, app))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM.
    pub fn terminate(&self) -> Result<()> {
        self.signal("-TERM")
    }

    /// SIGHUP: look at the files, and ask registries.
    pub fn hang_up(&self) -> Result<()> {
        self.signal("-HUP")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let status = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status()?;
        ensure!(status.success(), "kill {signal}: {status}");
        Ok(())
    }

    /// Waits for the end of a host that was told to.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "still there after {within:?}:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// CPU time that the process has used (user and system).
    pub fn cpu(&self) -> Result<Duration> {
        cpu_of(self.pid())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() && std::env::var_os("TOMBOLO_TEST_LOG").is_some() {
            eprintln!("---- host's log ----\n{}", self.log());
        }
    }
}

/// CPU time of a process, from `/proc/PID/stat` (100 ticks a second on Linux).
pub fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("no command name in stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |n: usize| -> Result<u64> { Ok(fields.get(n).context("stat is short")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Runs the binary to its end: `check`, `app list`, `init`, ….
pub fn run(arguments: &[&str]) -> Result<Output> {
    run_with(arguments, &[])
}

/// The same, with environment variables.
pub fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let binary = crate::build::tombolo();
    Command::new(&binary)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))
}

/// Standard output of a run that must succeed.
pub fn run_ok(arguments: &[&str]) -> Result<String> {
    let output = run(arguments)?;
    ensure!(
        output.status.success(),
        "tombolo {}: {}\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn app_in(ready: &str, app: &str) -> Option<Value> {
    let ready: Value = serde_json::from_str(ready).ok()?;
    ready["apps"]
        .as_array()?
        .iter()
        .find(|a| a["name"] == app)
        .cloned()
}

fn collect(from: impl Read + std::marker::Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// The address in the line that says where the host listens.
fn listening(log: &str) -> Option<String> {
    let plain = strip_ansi(log);
    for line in plain
        .lines()
        .filter(|l| l.to_ascii_lowercase().contains("listening"))
    {
        let Some(start) = line.find("127.0.0.1:") else {
            continue;
        };
        let port: String = line[start + "127.0.0.1:".len()..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        if port != "0" && !port.is_empty() {
            let scheme = if line.contains("https://") {
                "https"
            } else {
                "http"
            };
            return Some(format!("{scheme}://127.0.0.1:{port}"));
        }
    }
    None
}

fn strip_ansi(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}
