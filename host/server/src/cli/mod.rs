//! The commands. Each prints facts for people, or with `--output json` for programs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod app;
mod audit;
mod auth;
mod check;
mod client;
mod conformance;
mod connector;
mod flow;
mod held;
mod import;
mod inbound;
mod init;
mod mapping;
mod order;
mod output;
mod password;
mod progress;
mod remote;
mod serve;
mod show;
mod simulate;
mod store;
mod token;
mod undo;

use output::Output;

/// The argument with which the runtime calls this executable to compile a connector apart.
const COMPILE: &str = "__compile";

/// Whether this process is there to compile one connector and nothing else.
pub fn is_compile_child() -> bool {
    std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == COMPILE)
}

/// Connects Microsoft Entra ID, or any SCIM 2.0 client, to applications that speak no SCIM.
#[derive(Debug, Parser)]
#[command(name = "tombolo", version, max_term_width = 100)]
struct Cli {
    /// How facts are printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a working configuration with one app, and print its URL and token.
    Init {
        /// A directory that is empty or not there yet.
        dir: PathBuf,
        /// Where the host will listen.
        #[arg(long, default_value = "127.0.0.1:8880")]
        listen: std::net::SocketAddr,
    },
    /// Serve the apps of a configuration directory.
    Serve {
        /// The configuration directory.
        dir: PathBuf,
        /// Where to listen, instead of where `tombolo.toml` says; port 0 takes a free one.
        #[arg(long)]
        listen: Option<std::net::SocketAddr>,
    },
    /// Say everything that is wrong with a configuration directory, file and line.
    Check {
        /// The configuration directory.
        dir: PathBuf,
        /// Read the files only; load no connector.
        #[arg(long)]
        files_only: bool,
    },
    /// List, show and test apps.
    #[command(subcommand)]
    App(app::Command),
    /// List and inspect connectors.
    #[command(subcommand)]
    Connector(connector::Command),
    /// Try an app's mapping on a person; bring one over from Entra or MIM, or export it.
    #[command(subcommand)]
    Mapping(mapping::Command),
    /// Make, list and revoke an app's bearer tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Make, list and revoke an app's OAuth clients and their secrets.
    #[command(subcommand)]
    Client(client::Command),
    /// See what those said who could not sign in.
    #[command(subcommand)]
    Auth(auth::Command),
    /// See who did what, and whether anybody has changed the record of it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// See, approve and reject what the breakers keep back.
    #[command(subcommand)]
    Held(held::Command),
    /// List, take and renew the first passwords that the host has given.
    #[command(subcommand)]
    Password(password::Command),
    /// List, plan and run what is carried from one app into a sink; see what stands in its way.
    #[command(subcommand)]
    Flow(flow::Command),
    /// Import what the target has, see what that found, and do something about it.
    #[command(subcommand)]
    Import(import::Command),
    /// Back up, restore, migrate and check the store.
    #[command(subcommand)]
    Store(store::Command),
    /// Test any SCIM server against what Entra and the RFCs expect of it.
    Conformance(Box<conformance::Arguments>),
    /// Play Entra's provisioning service against any SCIM server.
    Simulate(Box<simulate::Arguments>),
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages.
    Man {
        /// Into which directory.
        dir: PathBuf,
    },
}

/// What a command comes to: an exit code, or a sentence for the operator.
type Outcome = anyhow::Result<ExitCode>;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Serve { .. }) {
        output::end_with_the_reader();
    }
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(cli.run()));
    outcome.unwrap_or_else(|why| {
        if output::is_without_reader(&why) {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {why:#}");
        ExitCode::FAILURE
    })
}

impl Cli {
    async fn run(self) -> Outcome {
        let output = self.output;
        match self.command {
            Command::Init { dir, listen } => init::run(&dir, listen, output),
            Command::Serve { dir, listen } => Box::pin(serve::run(&dir, listen)).await,
            Command::Check { dir, files_only } => check::run(&dir, files_only, output).await,
            Command::App(command) => command.run(output).await,
            Command::Connector(command) => command.run(output).await,
            Command::Mapping(command) => command.run(output).await,
            Command::Token(command) => command.run(output),
            Command::Client(command) => command.run(output),
            Command::Auth(command) => command.run(output),
            Command::Held(command) => command.run(output).await,
            Command::Password(command) => command.run(output).await,
            Command::Import(command) => command.run(output).await,
            Command::Audit(command) => command.run(output).await,
            Command::Flow(command) => command.run(output).await,
            Command::Store(command) => Box::pin(command.run(output)).await,
            Command::Conformance(arguments) => Box::pin(conformance::run(*arguments, output)).await,
            Command::Simulate(arguments) => Box::pin(simulate::run(*arguments, output)).await,
            Command::Completions { shell } => {
                clap_complete::generate(
                    shell,
                    &mut Self::command(),
                    "tombolo",
                    &mut std::io::stdout(),
                );
                Ok(ExitCode::SUCCESS)
            }
            Command::Man { dir } => {
                std::fs::create_dir_all(&dir)?;
                clap_mangen::generate_to(Self::command(), &dir)?;
                println!("wrote the man pages to `{}`", dir.display());
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
