//! `tombolo connector new`: a project that builds as it is.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tombolo_author::Language;

use crate::cli::Outcome;
use crate::cli::output::{self, Output};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The connector's name: lower-case letters, digits and hyphens.
    name: String,
    /// The language: rust, python, javascript, go or c.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,
    /// Where: a directory that is empty or not there yet; by default one of the connector's name, here.
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(super) fn new(arguments: Arguments, output: Output) -> Outcome {
    let Arguments { name, lang, dir } = arguments;
    let dir = dir.unwrap_or_else(|| PathBuf::from(&name));
    tombolo_author::create(&name, lang, &dir)?;
    match output {
        Output::Json => {
            output::json(&json!({ "name": name, "lang": lang.name(), "dir": dir }))?;
        }
        Output::Text => println!(
            "`{}` is a connector in {lang} that keeps people and groups in the host's own state.\n\
             Build it with: tombolo connector build {0}",
            dir.display()
        ),
    }
    Ok(ExitCode::SUCCESS)
}
