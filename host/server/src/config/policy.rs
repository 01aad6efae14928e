//! `[policy]` and `[breaker]` of an app's file.

use tombolo_engine::policy::{Breaker, Deletes, Mode, Policy};
use tombolo_mapping::overrides::Constant;

use super::reader::{Section, Sink};
use super::value;

/// How far back the breaker counts where the file does not say it: as long as Entra's cycle, and a little.
const WINDOW: std::time::Duration = std::time::Duration::from_hours(1);

pub(super) fn read(root: &mut Section<'_>, sink: &Sink) -> Policy {
    let mut policy = Policy::default();
    if let Some(mut section) = root.section("policy") {
        let modes = [
            ("open", Mode::Open),
            ("no-delete", Mode::NoDelete),
            ("read-only", Mode::ReadOnly),
            ("dry-run", Mode::DryRun),
        ];
        policy.mode = section.choice("mode", &modes).unwrap_or_default();
        let delete = section.parsed("delete", |text| match text {
            "hard" => Ok(Deletes::Hard),
            "soft" => Ok(Deletes::Soft),
            other => value::duration(other).map(Deletes::After).map_err(|_| {
                format!("must be \"hard\", \"soft\" or a duration such as \"30d\", not `{other}`")
            }),
        });
        policy.delete = delete.map(|found| found.value).unwrap_or_default();
        policy.strip_memberships = section.flag("strip-memberships").unwrap_or(false);
        if let Some(values) = section.section("on-disable") {
            for (name, value) in values.named_json() {
                match serde_json::from_value::<Constant>(value) {
                    Ok(value) => {
                        policy.on_disable.insert(name.value, value);
                    }
                    Err(_) => sink.error_hint(
                        name.span,
                        format!("`policy.on-disable.{}` cannot be a value", name.value),
                        "a value is a text, a whole number, true or false, or an array of them",
                    ),
                }
            }
        }
        section.finish();
    }
    if let Some(mut section) = root.section("breaker") {
        let breaker = Breaker {
            window: section.duration("window").unwrap_or(WINDOW),
            count: section.integer("count", 0..=1_000_000_000),
            percent: section
                .integer("percent", 0..=100)
                .and_then(|percent| u32::try_from(percent).ok()),
        };
        if breaker.count.is_none() && breaker.percent.is_none() {
            sink.error_hint(
                section.span(),
                "`[breaker]` says neither `count` nor `percent`",
                "say how many disables and deletes are no flood, such as `count = 50` or `percent = 10`",
            );
        }
        section.finish();
        policy.breaker = Some(breaker);
    }
    policy
}
