//! Which app stands in for which ECMA connector.
//!
//! Unlike apps, whose files' names differ, two apps can ask for one connector's name. Who has it keeps it; the other one
//! is refused, and tried again when the name is free.

use std::sync::Arc;

use super::build::Attempt;
use super::{Apps, Found};
use crate::config::{Diagnostic, Report};

/// What an app's file asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing, or nobody could read it.
    #[default]
    None,
    /// This name, and it is the app's.
    Held(String),
    /// This name, and another app has it.
    Refused(String),
}

/// The app behind a connector's name. One that cannot be served is down and not absent: Entra gives up a job for a 404.
pub(super) fn find(apps: &Apps, name: &str) -> Found {
    let mut generations = apps.values().filter_map(|entry| entry.generation.as_ref());
    let held = Claim::Held(name.to_owned());
    match generations.find(|generation| generation.ecma.as_deref() == Some(name)) {
        Some(generation) => Found::Serving(Arc::clone(generation)),
        None if apps.values().any(|entry| entry.claim == held) => Found::Down,
        None => Found::Absent,
    }
}

/// The attempt, refused if what it claims is another app's.
pub(super) fn settle_claim(apps: &Apps, app: &str, mut attempt: Attempt) -> Attempt {
    let Claim::Held(name) = &attempt.claim else {
        return attempt;
    };
    let Some(holder) = holder(apps, app, name) else {
        return attempt;
    };
    let message = format!("app `{holder}` is the ECMA connector `{name}` already");
    let found = Diagnostic::file(format!("apps/{app}.toml"), message)
        .hint("give one of them another `name` in `[ecma]`");
    attempt.claim = Claim::Refused(name.clone());
    // What else is wrong is said first.
    attempt.outcome = attempt.outcome.and(Err(Report(vec![found])));
    attempt
}

/// Whether an app was refused its name and the name is free by now.
pub(super) fn may_try_again(apps: &Apps, app: &str) -> bool {
    match apps.get(app).map(|entry| &entry.claim) {
        Some(Claim::Refused(name)) => holder(apps, app, name).is_none(),
        _ => false,
    }
}

/// The other app that has the name.
fn holder<'a>(apps: &'a Apps, app: &str, name: &str) -> Option<&'a str> {
    let held = Claim::Held(name.to_owned());
    apps.iter()
        .filter(|(other, _)| *other != app)
        .find(|(_, entry)| {
            let serving = entry.generation.as_ref();
            entry.claim == held
                || serving.is_some_and(|generation| generation.ecma.as_deref() == Some(name))
        })
        .map(|(other, _)| other.as_str())
}
