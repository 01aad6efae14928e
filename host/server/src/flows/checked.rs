//! What is wrong with a flow's file that only the apps' connectors can tell: apps, kinds and attributes that are not there.

use std::collections::BTreeMap;

use tombolo_engine::flow::form::Wrong;
use tombolo_mapping::Kind;
use tombolo_scim::schema::ResourceType;

use crate::config::Diagnostic;
use crate::config::flow::FlowFile;
use crate::config::sink::{Objects, SinkFile};
use crate::registry::Trial;

/// Holds a flow against the apps that could be tried; `named` are all that there are.
pub fn check(
    file: &FlowFile,
    named: &[String],
    trials: &BTreeMap<String, Trial>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let error = |path: &[&str], message: String| {
        Diagnostic::error(&file.source, file.outline.nearest(path), message)
    };
    let definition = &file.definition;
    let missing =
        |name: &str| format!("there is no app `{name}`; its file would be `apps/{name}.toml`");
    if !named.contains(&definition.source) {
        found.push(error(&["source"], missing(&definition.source)));
    }
    if let Some(trial) = trials.get(&definition.source) {
        match kind(trial, &definition.kind) {
            Err(message) => found.push(error(&["kind"], message)),
            Ok(kind) => {
                let has = |name: &str| {
                    kind.attributes
                        .iter()
                        .any(|attribute| attribute.name == name)
                };
                let offered: Vec<&str> = kind.attributes.iter().map(|a| a.name.as_str()).collect();
                let mut unknown = |path: &[&str], name: &str| {
                    let message = format!(
                        "app `{}` has no attribute `{name}` in its kind `{}`; it has {}",
                        definition.source,
                        definition.kind,
                        offered.join(", ")
                    );
                    found.push(error(path, message));
                };
                for name in definition.form.reads().filter(|name| !has(name)) {
                    unknown(&["mapping"], name);
                }
                for name in definition
                    .scope
                    .attributes()
                    .iter()
                    .filter(|name| !has(name))
                {
                    unknown(&["scope"], name);
                }
                let dates = [
                    ("effective", &definition.effective),
                    ("last-day", &definition.last_day),
                ];
                let dates = dates
                    .into_iter()
                    .filter_map(|(at, made)| Some((at, made.as_ref()?)));
                for (at, expression) in dates.chain([("key", &definition.key)]) {
                    for name in expression.attributes().iter().filter(|name| !has(name)) {
                        unknown(&[at], name);
                    }
                }
            }
        }
    }
    match &file.sink {
        SinkFile::App { app, object } => {
            if !named.contains(&app.value) {
                found.push(error(&["sink", "app"], missing(&app.value)));
            }
            if let Some(trial) = trials.get(&app.value) {
                match resource_type(trial, object) {
                    Err(message) => found.push(error(&["sink", "object"], message)),
                    Ok(ty) => found.extend(misfits(file, &ty, false)),
                }
            }
        }
        SinkFile::EntraInbound(_) => found.extend(misfits(file, &ResourceType::user(), true)),
        SinkFile::EntraScim { object, .. } => found.extend(misfits(file, &ty_of(*object), true)),
        SinkFile::Scim(scim) => found.extend(misfits(file, &ty_of(scim.object), true)),
    }
    found
}

/// The resource type of what goes to a SCIM server.
pub(super) fn ty_of(object: Objects) -> ResourceType {
    match object {
        Objects::Users => ResourceType::user(),
        Objects::Groups => ResourceType::group(),
    }
}

fn misfits(file: &FlowFile, ty: &ResourceType, open: bool) -> Vec<Diagnostic> {
    let wrong = file.definition.form.fit(ty, open).err().unwrap_or_default();
    let told = |Wrong { path, why }: &Wrong| {
        let span = file.outline.nearest(&["mapping", path]);
        Diagnostic::error(&file.source, span, format!("`mapping.{path}`: {why}"))
    };
    wrong.iter().map(told).collect()
}

fn kind(trial: &Trial, name: &str) -> Result<Kind, String> {
    let described = trial.connector.description().get("kinds");
    let kinds = described.and_then(|kinds| kinds.as_array());
    let kinds: Vec<Kind> = kinds
        .into_iter()
        .flatten()
        .filter_map(|kind| serde_json::from_value(kind.clone()).ok())
        .collect();
    let known: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`", kind.kind))
        .collect();
    kinds
        .into_iter()
        .find(|kind| kind.kind == name)
        .ok_or_else(|| {
            format!(
                "app `{}` has no kind `{name}`; it has {}",
                trial.file.name,
                known.join(", ")
            )
        })
}

fn resource_type(trial: &Trial, name: &str) -> Result<ResourceType, String> {
    let kind = kind(trial, name)?;
    let overrides = trial.file.mapping.get(name).cloned().unwrap_or_default();
    match trial.file.shape().mapping(&kind, &overrides) {
        Ok(Some(mapping)) => Ok(mapping.resource_type().clone()),
        Ok(None) => Err(format!(
            "app `{}` does not show its kind `{name}`",
            trial.file.name
        )),
        Err(why) => Err(why.to_string()),
    }
}
