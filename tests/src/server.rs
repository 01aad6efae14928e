//! A server of a test's own: a process that writes a log, is waited for, and ends with the test; and its client, which takes
//! a script.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A process, while it runs. Ended when dropped.
pub struct Server {
    name: &'static str,
    log: PathBuf,
    /// What makes it end well.
    signal: &'static str,
    child: Option<Child>,
}

impl Server {
    /// Not started yet. Its log is in this directory; this signal makes it end well.
    pub fn new(name: &'static str, directory: &Path, signal: &'static str) -> Self {
        Self {
            name,
            log: directory.join("log"),
            signal,
            child: None,
        }
    }

    /// Starts it, and returns when it answers.
    pub fn start(&mut self, command: &mut Command, answers: impl Fn() -> bool) -> Result<()> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&self.log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let child = self.child.insert(child);
        let log = || std::fs::read_to_string(&self.log);
        let deadline = Instant::now() + Duration::from_mins(1);
        while !answers() {
            if let Some(status) = child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, log()?);
            }
            ensure!(
                Instant::now() < deadline,
                "{} does not answer: {}",
                self.name,
                log()?
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Stops it: every connection ends.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = Command::new("kill")
            .args([self.signal, &child.id().to_string()])
            .status();
        let _ = child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Gives a client a script and answers what it prints.
pub fn script(client: &mut Command, script: &str) -> Result<String> {
    let name = client.get_program().to_string_lossy().into_owned();
    let mut running = client
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let mut input = running.stdin.take().context("the client's input")?;
    let script = script.to_owned();
    // A thread of its own: a long script and a long answer must not wait for each other.
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = running.wait_with_output()?;
    // Whether the client read everything shows in its status.
    let _ = writer.join();
    ensure!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
