//! `tombolo check`: everything that is wrong, at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::Outcome;
use super::output::{self, Output};
use crate::config::{Diagnostic, FoundApp, Layout, Report};
use crate::registry;

pub(super) async fn run(dir: &Path, files_only: bool, output: Output) -> Outcome {
    let layout = Layout::new(dir);
    let (host, mut report) = layout.read_host();
    let mut found = Vec::new();
    match layout.app_paths() {
        Ok(paths) => found.extend(paths.iter().map(|path| layout.read_app(path))),
        Err(why) => report
            .0
            .push(Diagnostic::file("apps", format!("cannot be listed: {why}"))),
    }
    let apps = found.len();
    report.0.extend(same_ecma_names(&found));
    let runtime = if files_only {
        None
    } else {
        Some(super::serve::runtime(&layout, &host)?)
    };
    if let (false, Some(database)) = (files_only, &host.database)
        // What the files lack has been said by then.
        && let Ok(options) = database.options(layout.dir())
        && let Err(why) = options.check().await
    {
        report.0.push(Diagnostic::file(
            "tombolo.toml",
            format!("`[store]`: {why}"),
        ));
    }
    let policy = registry::Policy::new(&layout, &host);
    let named: Vec<String> = found.iter().map(|app| app.name.clone()).collect();
    let mut trials = BTreeMap::new();
    for app in found {
        let readable = !app.report.has_errors();
        report.0.extend(app.report.0);
        let Some(file) = app.file else { continue };
        let authorities = host.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
        if file.auth.certificate.is_some() && authorities.is_none() {
            let span = file.outline.nearest(&["auth", "certificate"]);
            let message = "the host asks no client for a certificate";
            report.0.push(
                Diagnostic::error(&file.source, span, message)
                    .hint("name the authorities that sign them: `client-ca` under `[server.tls]` in tombolo.toml"),
            );
        }
        match &runtime {
            // What its file does not say right would only be complained of again by the connector.
            Some(runtime) if readable => {
                let tried = registry::try_app(runtime, &layout, &policy, file, &mut report).await;
                trials.extend(tried.map(|trial| (trial.file.name.clone(), trial)));
            }
            _ => report.0.extend(
                crate::config::material::gather(
                    &layout,
                    &policy.trust,
                    &policy.secrets,
                    &file,
                    jiff::Timestamp::now(),
                )
                .1
                .0,
            ),
        }
    }
    report.0.extend(wrong_flows(&layout, &named, &trials));
    report.sort();
    show(&report, apps, output)?;
    Ok(if report.has_errors() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What is wrong with the flows.
fn wrong_flows(
    layout: &Layout,
    named: &[String],
    trials: &BTreeMap<String, registry::Trial>,
) -> Vec<Diagnostic> {
    let texts = match layout.flow_texts() {
        Ok(texts) => texts,
        Err(why) => {
            return vec![Diagnostic::file(
                "flows",
                format!("cannot be listed: {why}"),
            )];
        }
    };
    let mut wrong = Vec::new();
    for (name, text) in &texts {
        let found = layout.read_flow(name, text);
        wrong.extend(found.report.0);
        let Some(file) = found.file else { continue };
        if let Some(other) = &file.definition.references
            && !texts.contains_key(other)
        {
            let span = file.outline.nearest(&["references"]);
            let message = format!("there is no flow `{other}`");
            wrong.push(Diagnostic::error(&file.source, span, message));
        }
        wrong.extend(crate::flows::check(&file, named, trials));
    }
    wrong
}

/// Apps that ask for one ECMA connector's name, but for the first of them.
fn same_ecma_names(found: &[FoundApp]) -> Vec<Diagnostic> {
    let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in found.iter().filter_map(|found| found.file.as_ref()) {
        let Some(ecma) = &file.ecma else { continue };
        let name = ecma.name.value.as_str();
        if let Some(holder) = holders.get(name) {
            let message = format!("app `{holder}` is the ECMA connector `{name}` already");
            let found = Diagnostic::error(&file.source, ecma.name.span.clone(), message);
            wrong.push(found.hint("give one of them another `name`"));
        } else {
            holders.insert(name, &file.name);
        }
    }
    wrong
}

fn show(report: &Report, apps: usize, output: Output) -> anyhow::Result<()> {
    let (errors, warnings) = (report.errors(), report.warnings());
    match output {
        Output::Json => output::json(&json!({
            "ok": errors == 0,
            "errors": errors,
            "warnings": warnings,
            "found": report.0.iter().map(Diagnostic::to_json).collect::<Vec<_>>(),
        })),
        Output::Text => {
            output::report(report);
            let count =
                |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
            println!(
                "{}, {}, {}",
                count(apps, "app"),
                count(errors, "error"),
                count(warnings, "warning")
            );
            Ok(())
        }
    }
}
