//! `tombolo connector list`: the files of a configuration directory and the apps that use them.

use std::process::ExitCode;

use serde_json::json;

use super::{load, stem};
use crate::cli::output::{self, Output};
use crate::cli::{Outcome, serve};
use crate::config::Layout;
use crate::config::trust::Trust;

pub(super) async fn list(layout: &Layout, output: Output) -> Outcome {
    let (host, _) = layout.read_host();
    let runtime = serve::runtime(layout, &host)?;
    let apps: Vec<_> = layout
        .app_paths()?
        .iter()
        .filter_map(|path| layout.read_app(path).file)
        .collect();
    let trust = Trust::new(&host.connectors, layout.dir());
    let (mut documents, mut rows, mut ok) = (Vec::new(), Vec::new(), true);
    for path in layout.connector_paths()? {
        let name = stem(&path);
        let used: Vec<_> = apps
            .iter()
            .filter(|app| app.connector.value == name)
            .map(|app| app.name.clone())
            .collect();
        let (document, row) = match load(&runtime, &trust, &path).await {
            Ok((component, signed)) => {
                let manifest = component.manifest();
                let digest = component.digest().to_string();
                let row = vec![
                    name.clone(),
                    manifest.version.clone(),
                    output::short(&digest),
                    used.join(", "),
                    signed
                        .as_ref()
                        .map_or("-", |signed| &signed.comment)
                        .to_owned(),
                    manifest.description.clone(),
                ];
                (
                    json!({ "file": path, "name": name, "version": manifest.version, "sha256": digest, "apps": used, "signed": signed, "description": manifest.description }),
                    row,
                )
            }
            Err(why) => {
                ok = false;
                let why = format!("{why:#}");
                (
                    json!({ "file": path, "name": name, "apps": used, "error": why }),
                    vec![
                        name.clone(),
                        "-".to_owned(),
                        "-".to_owned(),
                        used.join(", "),
                        "-".to_owned(),
                        why,
                    ],
                )
            }
        };
        documents.push(document);
        rows.push(row);
    }
    match output {
        Output::Json => output::json(&documents)?,
        Output::Text => output::table(
            &["CONNECTOR", "VERSION", "REVISION", "APPS", "SIGNED", ""],
            &rows,
        ),
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
