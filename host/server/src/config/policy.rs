//! `[policy]` and `[breaker]` of an app's file.

use tombolo_engine::policy::{Breaker, Deletes, InitialPassword, Mode, Policy};
use tombolo_mapping::Expression;
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
        if let Some(mut values) = section.section("on-disable") {
            if let Some(expressions) = values.section("expressions") {
                for (name, value) in expressions.named_json() {
                    let text = value.as_str().unwrap_or_default();
                    match Expression::parse(text) {
                        Ok(_) => {
                            let text = text.to_owned();
                            policy.on_disable_expressions.insert(name.value, text);
                        }
                        Err(why) => sink.error(
                            name.span,
                            format!("`policy.on-disable.expressions.{}`: {why}", name.value),
                        ),
                    }
                }
            }
            for (name, value) in values.named_json() {
                if name.value == "expressions" {
                    continue;
                }
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
        policy.initial_password = section
            .section("initial-password")
            .and_then(|section| initial_password(section, sink));
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
        if !section.has("count") && !section.has("percent") {
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

/// What Windows and most directories ask for, and a little more.
const LENGTH: u64 = 16;
/// Of each class so many at least.
const OF_EACH: u64 = 2;
/// The most that `RandomString` makes.
const LONGEST: u64 = 256;

fn initial_password(mut section: Section<'_>, sink: &Sink) -> Option<InitialPassword> {
    let parts = ["length", "digits", "special", "capital", "small", "avoid"];
    let by_parts = parts.iter().any(|part| section.has(part));
    let length = section.integer("length", 8..=LONGEST).unwrap_or(LENGTH);
    let mut least = |class| section.integer(class, 0..=LONGEST).unwrap_or(OF_EACH);
    let classes = [
        least("digits"),
        least("special"),
        least("capital"),
        least("small"),
    ];
    let avoid = section.text("avoid").map(|avoid| avoid.value);
    let expression = section.parsed("expression", |text| match Expression::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(why) => Err(format!("is no expression: {why}")),
    });
    let attribute = section.text("attribute").map(|attribute| attribute.value);
    let must_change = section.flag("must-change").unwrap_or(false);
    let span = section.span();
    if by_parts && section.has("expression") {
        sink.error_hint(
            span.clone(),
            "`[policy.initial-password]` has an `expression`, and says besides what the password is made of",
            "keep one of them",
        );
    }
    if classes.iter().sum::<u64>() > length {
        sink.error_hint(
            span.clone(),
            format!("`[policy.initial-password]` asks for more characters than the `length`, {length}, has place for"),
            format!("of `digits`, `special`, `capital` and `small` there are {OF_EACH} each where nothing else is said"),
        );
    }
    if must_change && attribute.is_some() {
        sink.error_hint(
            span,
            "`must-change` goes with the connector's own way to set a password, and `attribute` names another",
            "take one of them out",
        );
    }
    section.finish();
    let expression = expression.map_or_else(
        || {
            let [digits, special, capital, small] = classes;
            let avoid = avoid.unwrap_or_default();
            let avoid = avoid.replace('\\', "\\\\").replace('"', "\\\"");
            format!("RandomString({length}, {digits}, {special}, {capital}, {small}, \"{avoid}\")")
        },
        |found| found.value,
    );
    Some(InitialPassword {
        expression,
        attribute,
        must_change,
    })
}
