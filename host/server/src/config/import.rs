//! `[import]` of an app's file.

use std::time::Duration;

use tombolo_engine::import::schedule::{Imports, OnPost, Reconcile, Schedule};

use super::reader::{Section, Sink};
use super::value;

/// Nothing is gained by reading a target more often.
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) fn read(mut section: Section<'_>, sink: &Sink) -> Imports {
    let default = Imports::default();
    let full = section
        .section("full")
        .and_then(|times| schedule(times, sink));
    let delta = section
        .section("delta")
        .and_then(|times| schedule(times, sink));
    let reconcile = [("report", Reconcile::Report), ("repair", Reconcile::Repair)];
    let on_post = [("refuse", OnPost::Refuse), ("adopt", OnPost::Adopt)];
    let imports = Imports {
        full,
        delta,
        reconcile: section.choice("reconcile", &reconcile).unwrap_or_default(),
        may_be_gone: section
            .integer("may-be-gone", 0..=100)
            .and_then(|percent| u32::try_from(percent).ok())
            .unwrap_or(default.may_be_gone),
        on_post: section.choice("on-post", &on_post).unwrap_or_default(),
    };
    section.finish();
    imports
}

fn schedule(mut times: Section<'_>, sink: &Sink) -> Option<Schedule> {
    let every = times.parsed("every", |text| {
        let every = value::duration(text)?;
        if every < SHORTEST {
            return Err(format!("must be a second at least, not `{text}`"));
        }
        Ok(every)
    });
    let cron = times.parsed("cron", |text| {
        Schedule::cron(text).map_err(|why| {
            format!("must be five fields such as \"0 3 * * *\" (UTC): {why}, in `{text}`")
        })
    });
    let span = times.span();
    let said = times.has("every") || times.has("cron");
    times.finish();
    match (every, cron) {
        (Some(every), None) => Some(Schedule::Every(every.value)),
        (None, Some(cron)) => Some(cron.value),
        (Some(_), Some(_)) => {
            sink.error_hint(
                span,
                "an import runs either `every` so often or by `cron`",
                "take one of them out",
            );
            None
        }
        (None, None) => {
            if !said {
                sink.error_hint(
                    span,
                    "nothing says when this import runs",
                    "write `every = \"15m\"` or `cron = \"0 3 * * *\"`",
                );
            }
            None
        }
    }
}
