//! What went wrong with an app, told where the operator can change it.

use tombolo_engine::AppError;
use tombolo_runtime::LoadError;

use super::build::BuildError;
use super::kept::Kept;
use crate::config::Diagnostic;
use crate::config::app::AppFile;
use crate::config::material::Material;
use crate::config::upgrade::Upgrade;

/// A revision that is tried, and the one that is served meanwhile: the beginnings of their digests.
pub(super) struct Revisions {
    pub(super) new: String,
    pub(super) old: String,
}

/// As many digits as tell revisions apart.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

pub(super) fn build_error(
    file: &AppFile,
    why: &BuildError,
    in_use: Option<&Revisions>,
) -> Diagnostic {
    match why {
        BuildError::Load(why) => load_error(file, why, in_use),
        BuildError::App(why) => app_error(file, why),
    }
}

/// The complaint about a file that was taken back in this app, if it is one and the operator does not want it all the same.
pub(super) fn rejection(
    file: &AppFile,
    material: &Material,
    kept: &Kept,
    upgrade: Upgrade,
) -> Option<Diagnostic> {
    if !upgrade.rollback {
        return None;
    }
    let digest = material.connector.hex();
    let rejected = kept.rejection(&file.name, &digest)?;
    let message = format!(
        "`{}` (revision {}) was taken back at {}: {}",
        file.shown_connector(),
        short(&digest),
        rejected.at,
        rejected.why
    );
    Some(
        Diagnostic::error(&file.source, file.connector.span.clone(), message).hint(
            "put another build there; to run this one all the same, set `rollback = false` under `[upgrade]`",
        ),
    )
}

/// Points at the part of the app's file that has to change, or at the connector's name when it is the connector.
///
/// `in_use` is the revision that is served meanwhile: what it did not want is news.
pub(super) fn load_error(
    file: &AppFile,
    why: &LoadError,
    in_use: Option<&Revisions>,
) -> Diagnostic {
    let at = |path: &[&str]| file.outline.nearest(path);
    match why {
        LoadError::Grants {
            connector, lines, ..
        } => {
            let app = &file.name;
            let message = match in_use {
                Some(Revisions { new, old }) => format!(
                    "revision {new} of the connector `{connector}` wants what revision {old}, which is in use, did not, and app `{app}` does not grant it"
                ),
                None => {
                    format!("the connector `{connector}` wants what app `{app}` does not grant")
                }
            };
            Diagnostic::error(&file.source, file.connector.span.clone(), message)
                .hint(format!("add to this file:\n{}", lines.trim_end()))
        }
        LoadError::Settings { .. } => {
            let span = at(&["settings"]);
            let span = if span.is_empty() {
                file.connector.span.clone()
            } else {
                span
            };
            let hint = format!(
                "`tombolo connector inspect connectors/{}.wasm` lists the settings",
                file.connector.value
            );
            Diagnostic::error(&file.source, span, why.to_string()).hint(hint)
        }
        LoadError::Target(_) => Diagnostic::error(&file.source, at(&["targets"]), why.to_string()),
        _ => {
            let message = format!("`{}`: {why}", file.shown_connector());
            Diagnostic::error(&file.source, file.connector.span.clone(), message)
        }
    }
}

pub(super) fn app_error(file: &AppFile, why: &AppError) -> Diagnostic {
    let span = match why {
        AppError::Mapping(why) => {
            if let Some(problem) = why.problems.first() {
                return mapping_error(file, &why.kind, problem);
            }
            file.outline.nearest(&["mapping", &why.kind])
        }
        AppError::UnknownKind { kind, .. } => file.outline.nearest(&["mapping", kind]),
        AppError::NoUsers { .. } => file.outline.nearest(&["ecma"]),
        AppError::Policy { table, .. } => {
            let path: Vec<&str> = table.split('.').collect();
            file.outline.nearest(&path)
        }
        _ => file.connector.span.clone(),
    };
    Diagnostic::error(&file.source, span, why.to_string())
}

pub(super) fn mapping_error(
    file: &AppFile,
    kind: &str,
    problem: &tombolo_mapping::Problem,
) -> Diagnostic {
    use tombolo_mapping::Problem::{
        BadConstant, BadExpression, BadInverse, BadPath, NothingToUnmap, Overlap, TwoPaths,
        UnknownAttribute, UnknownConstant, UnknownExpressed, Unmappable,
    };
    let span = match problem {
        BadPath { path, .. }
        | Unmappable { path, .. }
        | UnknownAttribute { path, .. }
        | NothingToUnmap { path, .. }
        | Overlap { path, .. }
        | TwoPaths { path, .. } => file.outline.nearest(&["mapping", kind, path]),
        UnknownConstant { attribute, .. } | BadConstant { attribute, .. } => file
            .outline
            .nearest(&["mapping", kind, "constants", attribute]),
        UnknownExpressed { attribute, .. }
        | BadExpression { attribute, .. }
        | BadInverse { attribute, .. } => {
            file.outline
                .nearest(&["mapping", kind, "expressions", attribute])
        }
        _ => file.outline.nearest(&["mapping", kind]),
    };
    let span = if span.is_empty() {
        file.connector.span.clone()
    } else {
        span
    };
    Diagnostic::error(
        &file.source,
        span,
        format!("mapping of kind `{kind}`: {problem}"),
    )
}
