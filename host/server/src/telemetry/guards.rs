//! What the guards of the apps keep back, as metrics: held changes, breakers, closed targets, first passwords.
//!
//! It is in the store, so it is the same on every host that shares one.

use std::fmt::Write as _;

use jiff::Timestamp;
use tombolo_engine::App;

use super::metrics::family;
use crate::registry::Registry;

/// What there is of one app.
struct Guards {
    app: String,
    held: usize,
    oldest: Option<Timestamp>,
    breaker: Vec<(String, u64, bool)>,
    closed: bool,
    passwords: usize,
}

async fn of(name: String, app: &App) -> Option<Guards> {
    let held = app.all_held().await.ok()?;
    Some(Guards {
        app: name,
        oldest: held.iter().map(|held| held.at).min(),
        held: held.len(),
        breaker: app.breaker().await.ok()?.unwrap_or_default(),
        closed: app.closed().await.ok()?.is_some(),
        passwords: app.passwords().await.ok()?.len(),
    })
}

/// The families. An app whose store does not answer is left out: a wrong number would be worse than none.
pub(super) async fn write(page: &mut String, registry: &Registry, now: Timestamp) {
    let mut all = Vec::new();
    for (name, entry) in registry.apps().iter() {
        if let Some(generation) = &entry.generation {
            all.extend(of(name.clone(), &generation.app).await);
        }
    }
    family(
        page,
        "tombolo_held",
        "gauge",
        "Disables and deletes that wait for a decision.",
    );
    for guards in &all {
        let _ = writeln!(
            page,
            "tombolo_held{{app=\"{}\"}} {}",
            guards.app, guards.held
        );
    }
    family(
        page,
        "tombolo_held_oldest_seconds",
        "gauge",
        "How long the oldest of them has waited; 0 where none waits.",
    );
    for guards in &all {
        let age = guards
            .oldest
            .map_or(0, |at| now.as_second() - at.as_second());
        let _ = writeln!(
            page,
            "tombolo_held_oldest_seconds{{app=\"{}\"}} {}",
            guards.app,
            age.max(0)
        );
    }
    family(
        page,
        "tombolo_breaker_counted",
        "gauge",
        "Disables and deletes within the breaker's window, by resource type.",
    );
    for guards in &all {
        for (ty, counted, _) in &guards.breaker {
            let _ = writeln!(
                page,
                "tombolo_breaker_counted{{app=\"{}\",type=\"{ty}\"}} {counted}",
                guards.app
            );
        }
    }
    family(
        page,
        "tombolo_breaker_open",
        "gauge",
        "1 while the next disable or delete would be held, by resource type.",
    );
    for guards in &all {
        for (ty, _, open) in &guards.breaker {
            let _ = writeln!(
                page,
                "tombolo_breaker_open{{app=\"{}\",type=\"{ty}\"}} {}",
                guards.app,
                u8::from(*open)
            );
        }
    }
    family(
        page,
        "tombolo_app_closed",
        "gauge",
        "1 while the app is paused or outside its opening hours.",
    );
    for guards in &all {
        let _ = writeln!(
            page,
            "tombolo_app_closed{{app=\"{}\"}} {}",
            guards.app,
            u8::from(guards.closed)
        );
    }
    family(
        page,
        "tombolo_first_passwords",
        "gauge",
        "First passwords that wait to be taken, and those that the target refused.",
    );
    for guards in &all {
        let _ = writeln!(
            page,
            "tombolo_first_passwords{{app=\"{}\"}} {}",
            guards.app, guards.passwords
        );
    }
}
