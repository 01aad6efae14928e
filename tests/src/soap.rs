//! A SOAP service for personnel on loopback (`tests/soap/hr.py`), gone when dropped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::build::root;

/// The running service. Stopped when dropped.
pub struct Soap {
    child: Child,
    port: u16,
}

impl Soap {
    /// Starts one on a free port, with nobody in it.
    pub fn start() -> Result<Self> {
        let mut child = Command::new("python3")
            .arg(root().join("tests/soap/hr.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start python3 (Debian: apt-get install python3)")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let mut soap = Self { child, port: 0 };
        soap.port = line
            .trim()
            .parse()
            .context("the SOAP service names no port")?;
        Ok(soap)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it holds, behind the host's back: `employees` and `teams` by key.
    pub async fn state(&self) -> Result<Value> {
        let url = format!("http://{}/", self.address());
        let answer = crate::scim::http_client(None)?.get(url).send().await?;
        Ok(answer.json().await?)
    }
}

impl Drop for Soap {
    fn drop(&mut self) {
        // Ended already is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
