//! Printing facts.

use std::io::IsTerminal as _;
use std::io::Write as _;

use clap::ValueEnum;
use serde::Serialize;

use crate::config::Report;

/// For whom facts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
}

/// One JSON document on standard output.
pub(super) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)?;
    Ok(())
}

/// Whoever reads may stop reading (`| head`): then the command ends, and has nothing to complain of. `println!` panics there.
pub(super) fn end_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>();
        if said.is_some_and(|said| {
            said.starts_with("failed printing to stdout") && said.contains("Broken pipe")
        }) {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

/// Whether an error is that nobody reads any more.
pub(super) fn is_without_reader(why: &anyhow::Error) -> bool {
    why.chain().any(|cause| {
        let io = cause
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        let json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}

/// A report for people, on standard error.
pub(super) fn report(report: &Report) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for found in &report.0 {
        eprintln!("{}", found.render(colour).trim_end());
        eprintln!();
    }
}

/// Columns under their heads.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([heads[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(&mut heads.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// The first digits of a digest, as many as tell revisions apart.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// A duration that people can compare.
pub(super) fn duration(duration: std::time::Duration) -> String {
    let us = duration.as_micros();
    if us < 1000 {
        format!("{us} µs")
    } else {
        format!("{}.{} ms", us / 1000, us % 1000 / 100)
    }
}
