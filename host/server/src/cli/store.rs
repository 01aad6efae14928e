//! `tombolo store`: backups, the way from one engine to the other, and whether all is well.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use indicatif::ProgressBar;
use serde_json::json;
use tokio::io::{BufReader, BufWriter};
use tombolo_store::archive::{self, Totals};
use tombolo_store::key::{Segment, segments};

use super::Outcome;
use super::output::{self, Output};
use crate::config::{HostFile, Layout};
use crate::store::{self, Opened};

/// So long a command waits for a database.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write everything that the store holds into one file. With a database the hosts may go on running.
    Backup {
        /// The configuration directory.
        dir: PathBuf,
        /// The file to write; it must not be there yet.
        file: PathBuf,
    },
    /// Fill an empty store from a backup.
    Restore {
        /// The configuration directory.
        dir: PathBuf,
        /// The backup.
        file: PathBuf,
    },
    /// Fill the empty store of a configuration directory from another store: from sled to PostgreSQL, or back.
    Migrate {
        /// The configuration directory; its `[store]` is the one to be filled.
        dir: PathBuf,
        /// A copy of `tombolo.toml` from before, whose `[store]` is the one to be read.
        #[arg(long)]
        from: PathBuf,
    },
    /// Read all of the store, or of a backup, and say whether it is whole and what is in it.
    Check {
        /// The configuration directory.
        dir: PathBuf,
        /// A backup, to be checked instead of the store.
        #[arg(long)]
        backup: Option<PathBuf>,
    },
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::Backup { dir, file } => backup(&dir, &file, output).await,
            Self::Restore { dir, file } => restore(&dir, &file, output).await,
            Self::Migrate { dir, from } => migrate(&dir, &from, output).await,
            Self::Check {
                backup: Some(file), ..
            } => check_backup(&file, output).await,
            Self::Check { dir, backup: None } => check(&dir, output).await,
        }
    }
}

async fn backup(dir: &Path, file: &Path, output: Output) -> Outcome {
    let opened = open(dir, None).await?;
    refuse_unfinished(&opened).await?;
    if file.exists() {
        bail!(
            "`{}` is there already\n  hint: give another name; no backup is written over",
            file.display()
        );
    }
    // Under another name until it is whole, readable by its owner only: it holds what the host knows of people.
    let unfinished = file.with_added_extension("unfinished");
    let made = tokio::fs::File::from_std(
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .with_context(|| format!("cannot write `{}`", unfinished.display()))?,
    );
    let mut out = BufWriter::new(made);
    let bar = Bar::new();
    let totals = archive::backup(&*opened.store, &mut out, |seen| bar.at(seen)).await?;
    bar.end();
    out.get_ref().sync_all().await?;
    std::fs::rename(&unfinished, file)
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    say(output, totals, &format!("are in `{}`", file.display()))
}

async fn restore(dir: &Path, file: &Path, output: Output) -> Outcome {
    // All of it is looked at before any of it is written.
    archive::verify(&mut read(file).await?, |_| ())
        .await
        .with_context(|| of_backup(file))?;
    let opened = open(dir, None).await?;
    refuse_unfinished(&opened).await?;
    let bar = Bar::new();
    let mut input = read(file).await?;
    let totals = archive::restore(&mut input, &*opened.store, |seen| bar.at(seen))
        .await
        .with_context(|| of_backup(file))?;
    bar.end();
    say(output, totals, "are in the store")
}

async fn migrate(dir: &Path, from: &Path, output: Output) -> Outcome {
    let old = open(dir, Some(from)).await?;
    refuse_unfinished(&old).await?;
    let new = open(dir, None).await.map_err(|why| {
        why.context("the store that is to be filled (if it is the same directory's, `--from` names the same store)")
    })?;
    refuse_unfinished(&new).await?;
    let bar = Bar::new();
    let totals = archive::copy(&*old.store, &*new.store, |seen| bar.at(seen)).await?;
    bar.end();
    say(
        output,
        totals,
        "are in the new store; the old one is as it was",
    )
}

async fn check_backup(file: &Path, output: Output) -> Outcome {
    let bar = Bar::new();
    let totals = archive::verify(&mut read(file).await?, |seen| bar.at(seen))
        .await
        .with_context(|| of_backup(file))?;
    bar.end();
    say(output, totals, "are in the backup, and all of it is whole")
}

async fn check(dir: &Path, output: Output) -> Outcome {
    let opened = open(dir, None).await?;
    refuse_unfinished(&opened).await?;
    let bar = Bar::new();
    let mut totals = Totals::default();
    let mut rooms: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut strange = 0_u64;
    let mut walk = opened.store.walk().await?;
    loop {
        let page = walk.next().await?;
        if page.is_empty() {
            break;
        }
        for (key, value) in page {
            totals.pairs += 1;
            totals.bytes += (key.len() + value.len()) as u64;
            match room(&key) {
                Some(room) => *rooms.entry(room).or_default() += 1,
                None => strange += 1,
            }
        }
        bar.at(totals);
    }
    bar.end();
    let apps: Vec<_> = rooms
        .iter()
        .map(|((app, room), keys)| json!({ "app": app, "what": room, "keys": keys }))
        .collect();
    let whole = strange == 0;
    if output == Output::Json {
        output::json(&json!({
            "ok": whole, "keys": totals.pairs, "bytes": totals.bytes, "foreign": strange, "apps": apps,
        }))?;
    } else {
        let rows: Vec<_> = rooms
            .iter()
            .map(|((app, room), keys)| vec![app.clone(), room.clone(), keys.to_string()])
            .collect();
        output::table(&["APP", "WHAT", "KEYS"], &rows);
        println!(
            "\n{} keys, {} bytes, all readable",
            totals.pairs, totals.bytes
        );
        if !whole {
            println!("{strange} of the keys are not tombolo's");
        }
    }
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whose key it is, and what it is for.
fn room(key: &[u8]) -> Option<(String, String)> {
    let segments = segments(key)?;
    let text = |n: usize| segments.get(n).and_then(Segment::as_text);
    let app = text(0)?;
    if let Some(own) = app.strip_prefix('+') {
        return Some(("(host)".to_owned(), own.to_owned()));
    }
    let room = match text(1)? {
        "r" => "resources",
        "a" => "links",
        "u" => "unique values",
        "x" => "indexes",
        "m" => "members",
        "g" => "memberships",
        "i" => "unfinished writes",
        "s" => "connector's state",
        "d" => "deleted objects",
        "w" => "requests seen",
        other => other,
    };
    Some((app.to_owned(), room.to_owned()))
}

/// The store of a configuration directory, or the one that another `tombolo.toml` in it names.
async fn open(dir: &Path, file: Option<&Path>) -> anyhow::Result<Opened> {
    let layout = Layout::new(std::path::absolute(dir)?);
    let (host, report): (HostFile, _) = match file {
        None => layout.read_host(),
        Some(file) => layout.read_host_from(&std::path::absolute(file)?),
    };
    if report.has_errors() {
        output::report(&report);
        bail!("the files are wrong");
    }
    store::open(&layout, &host, PATIENCE).await
}

async fn refuse_unfinished(opened: &Opened) -> anyhow::Result<()> {
    if archive::is_unfinished(&*opened.store).await? {
        bail!("{UNFINISHED}");
    }
    Ok(())
}

/// What there is to say of a store that was not filled to its end.
pub(super) const UNFINISHED: &str = "the store was being filled by `tombolo store restore` or `migrate`, and that did not come to its end\n  hint: remove the store (its directory, or the database's schema) and fill it again";

/// Which file an error is about.
fn of_backup(file: &Path) -> String {
    format!("the backup `{}`", file.display())
}

async fn read(file: &Path) -> anyhow::Result<BufReader<tokio::fs::File>> {
    let file = tokio::fs::File::open(file)
        .await
        .with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

fn say(output: Output, totals: Totals, what: &str) -> Outcome {
    match output {
        Output::Json => output::json(&json!({ "keys": totals.pairs, "bytes": totals.bytes }))?,
        Output::Text => println!("{} keys, {} bytes {what}", totals.pairs, totals.bytes),
    }
    Ok(ExitCode::SUCCESS)
}

/// How far it is, on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn at(&self, seen: Totals) {
        self.0.set_message(format!("{} keys", seen.pairs));
    }

    fn end(self) {
        self.0.finish_and_clear();
    }
}
