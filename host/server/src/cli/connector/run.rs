//! `tombolo connector run`: a real SCIM endpoint for one connector, in a temporary configuration, for as long as its
//! author looks at it. What is saved is built and taken over at once.

mod home;
mod lines;
mod sources;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::given::Given;
use super::{load, runtime};
use crate::cli::Outcome;
use crate::cli::progress::interrupts;
use crate::config::trust::Trust;
use home::Home;
use sources::Sources;

/// An editor writes a file in several steps, and a compiler many files.
const DEBOUNCE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The `.wasm` file, or a directory of sources that `tombolo connector build` can build.
    path: PathBuf,
    #[command(flatten)]
    given: Given,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    if !arguments.listen.ip().is_loopback() {
        bail!(
            "`{}` is not a loopback address: this is for the connector's author, not for the world\n  hint: `tombolo init` and `tombolo serve` make a host",
            arguments.listen
        );
    }
    let sources = Sources::of(&arguments.path)?;
    let wasm = sources.build().await?;
    let runtime = runtime()?;
    let (component, _) = load(&runtime, &Trust::default(), &wasm).await?;
    // What the app lacks is told here, before there is an endpoint that answers nothing but 503.
    let granted = arguments.given.grant(&component).await?;
    runtime
        .bind(&component, granted.spec.clone())
        .await
        .context("the connector cannot run so\n  hint: give it an app's file with `--app`, or settings with `--settings`")?;
    drop(granted);
    let home = Home::make(&component, &wasm, &arguments.given)?;
    let mut host = Host::start(home.path(), arguments.listen).await?;
    announce(&host.url, &home);
    follow(&mut host, &sources, &home).await
}

/// The URL, the token, and three lines to try.
fn announce(url: &str, home: &Home) {
    let base = format!("{url}/apps/{}/scim/v2", home.name);
    let token = home.token.text.expose_secret();
    println!("SCIM URL  {base}\ntoken     {token}\n");
    let curl = format!("curl -s -H 'Authorization: Bearer {token}'");
    let body = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ana@example.com","active":true}"#;
    println!("{curl} '{base}/ServiceProviderConfig'");
    println!("{curl} -H 'Content-Type: application/scim+json' -d '{body}' '{base}/Users'");
    println!(
        "{curl} -G --data-urlencode 'filter=userName eq \"ana@example.com\"' '{base}/Users'\n"
    );
}

/// Shows what the host says, and takes over what is saved, until somebody interrupts.
async fn follow(host: &mut Host, sources: &Sources, home: &Home) -> Outcome {
    let mut interrupts = interrupts();
    let mut saved = sources.watch()?;
    loop {
        tokio::select! {
            line = host.log.next_line() => match line? {
                Some(line) => lines::show(&line),
                None => {
                    let status = host.child.wait().await?;
                    bail!("the host has ended: {status}");
                }
            },
            Some(()) = saved.recv() => {
                tokio::time::sleep(DEBOUNCE).await;
                while saved.try_recv().is_ok() {}
                take_over(sources, home).await;
            }
            _ = interrupts.changed() => {
                // Its store goes with the directory, so there is nothing to wait for.
                host.child.kill().await?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// A build that fails is told, and the one before it goes on.
async fn take_over(sources: &Sources, home: &Home) {
    let taken = match sources.build().await {
        Ok(wasm) => home.replace(&wasm),
        Err(why) => Err(why),
    };
    match taken {
        Ok(true) => println!("-- a new build"),
        Ok(false) => {}
        Err(why) => println!("-- not taken over: {why:#}"),
    }
}

/// `tombolo serve` on the temporary configuration.
struct Host {
    child: Child,
    url: String,
    log: Lines<BufReader<ChildStderr>>,
    // Held, so that the host's standard output stays open.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Host {
    async fn start(dir: &Path, listen: std::net::SocketAddr) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("cannot find this executable")?;
        let mut child = Command::new(executable)
            .arg("serve")
            .arg(dir)
            .args(["--listen", &listen.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the host")?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("the host's output cannot be read");
        };
        let mut said = BufReader::new(stdout).lines();
        let mut log = BufReader::new(stderr).lines();
        let url = loop {
            tokio::select! {
                line = said.next_line() => match line? {
                    Some(line) => if let Some(url) = line.strip_prefix("listening on ") {
                        break url.to_owned();
                    },
                    None => {
                        while let Some(line) = log.next_line().await? {
                            eprintln!("{line}");
                        }
                        bail!("the host did not start");
                    }
                },
                Some(line) = async { log.next_line().await.ok().flatten() } => lines::show(&line),
            }
        };
        Ok(Self {
            child,
            url,
            log,
            _said: said,
        })
    }
}
