//! `[policy]`, `[[scope]]`, `[maintenance]` and `[breaker]` of an app's file.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use tombolo_engine::policy::{Breaker, Deletes, Hours, InitialPassword, Mode, OutOfScope, Policy};
use tombolo_mapping::overrides::Constant;
use tombolo_mapping::scope::{FilterTable, ScopeTable};
use tombolo_mapping::{Expression, Scope};

use super::reader::{Section, Sink};
use super::value;

/// How far back the breaker counts where the file does not say it: as long as Entra's cycle, and a little.
const WINDOW: std::time::Duration = std::time::Duration::from_hours(1);

pub(super) fn read(root: &mut Section<'_>, sink: &Sink) -> Policy {
    let mut policy = Policy {
        scope: scope(root, sink),
        ..Policy::default()
    };
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
        let words = [
            ("disable", OutOfScope::Disable),
            ("leave", OutOfScope::Leave),
        ];
        policy.out_of_scope = section.choice("out-of-scope", &words).unwrap_or_default();
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
            .map(|section| initial_password(section, sink));
        section.finish();
    }
    if let Some(section) = root.section("maintenance") {
        policy.hours = hours(section, sink);
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

/// `[maintenance]`: when the target may be written to.
fn hours(mut section: Section<'_>, sink: &Sink) -> Option<Hours> {
    let zone = section.parsed("time-zone", |name| {
        TimeZone::get(name).map_err(|_| {
            format!("must be the name of a time zone such as \"Europe/Berlin\", not `{name}`")
        })
    });
    let zone = zone.map_or(TimeZone::UTC, |zone| zone.value);
    let read = |line: &str| match Hours::parse([line], zone.clone()) {
        Ok(_) => Ok(line.to_owned()),
        Err(why) => Err(format!(
            "of them is a line such as \"Mon-Fri 06:00-22:00\"; `{line}` {why}"
        )),
    };
    let lines = section.parsed_list("opening-hours", read);
    if lines.is_none() {
        sink.error_hint(
            section.span(),
            "`[maintenance]` has no `opening-hours`",
            "write `opening-hours = [\"Mon-Fri 06:00-22:00\"]`; to stop writes now, `tombolo app pause`",
        );
    }
    section.finish();
    let lines = lines?;
    Hours::parse(lines.iter().map(String::as_str), zone.clone()).ok()
}

/// `[[scope]]`, by resource type.
fn scope(root: &mut Section<'_>, sink: &Sink) -> BTreeMap<String, Scope> {
    let Some((span, sections)) = root.array_of_sections("scope") else {
        return BTreeMap::new();
    };
    let mut tables: BTreeMap<String, ScopeTable> = BTreeMap::new();
    for mut section in sections {
        let ty = section.text("type").map(|ty| ty.value);
        let mut json = section.to_json();
        if let Some(table) = json.as_object_mut() {
            table.remove("type");
        }
        match serde_json::from_value::<FilterTable>(json) {
            Ok(filter) => {
                let ty = ty.unwrap_or_else(|| "User".to_owned());
                tables.entry(ty).or_default().0.push(filter);
            }
            Err(why) => sink.error_hint(
                section.span(),
                format!("`[[scope]]`: {why}"),
                "write `clauses = [{ attribute = \"title\", operator = \"EQUALS\", value = \"Sales\" }]`, and a `title` and the `type` where you like",
            ),
        }
    }
    let mut scopes = BTreeMap::new();
    for (ty, table) in tables {
        match Scope::new(&table) {
            Ok(scope) => {
                scopes.insert(ty, scope);
            }
            Err(why) => sink.error(span.clone(), format!("`[[scope]]`: {why}")),
        }
    }
    scopes
}

/// What Windows and most directories ask for, and a little more.
const LENGTH: u64 = 16;
/// Of each class so many at least.
const OF_EACH: u64 = 2;
/// The most that `RandomString` makes.
const LONGEST: u64 = 256;

fn initial_password(mut section: Section<'_>, sink: &Sink) -> InitialPassword {
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
    InitialPassword {
        expression,
        attribute,
        must_change,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use crate::config::app::AppFile;
    use crate::config::diagnostic::Source;

    fn source(text: String) -> Arc<Source> {
        Source::new(Path::new("."), Path::new("./hr.toml"), text)
    }

    /// What is wrong with an app that has this besides.
    fn wrong(text: &str) -> Vec<String> {
        let text = format!("connector = \"csv\"\n{text}");
        let (_, found) = AppFile::read("hr", &source(text));
        found.into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn each_mistake_is_one_complaint() {
        for (text, words) in [
            (
                "[breaker]\ncount = \"many\"",
                "`breaker.count` must be a whole number",
            ),
            (
                "[breaker]\nwindow = \"1h\"",
                "neither `count` nor `percent`",
            ),
            (
                "[policy.initial-password]\nlength = 8\ndigits = 8",
                "more characters than the `length`, 8,",
            ),
            (
                "[policy.initial-password]\nexpression = 'Nonsense()'",
                "is no expression",
            ),
            (
                "[policy.initial-password]\nlength = 8\nexpression = 'Guid()'",
                "what the password is made of",
            ),
            (
                "[policy.initial-password]\nattribute = \"pw\"\nmust-change = true",
                "`attribute` names another",
            ),
            (
                "[policy.on-disable.expressions]\nuid = 'Join('",
                "policy.on-disable.expressions.uid",
            ),
            (
                "[policy]\nout-of-scope = \"forget\"",
                "`policy.out-of-scope` cannot be `forget`",
            ),
            ("[[scope]]\nclauses = []", "it has no clauses"),
            (
                "[[scope]]\nclauses = [{ attribute = \"title\", operator = \"IS\" }]",
                "no operator `IS`",
            ),
            ("[[scope]]\nfilter = 1", "unknown field `filter`"),
            (
                "[maintenance]\ntime-zone = \"UTC\"",
                "has no `opening-hours`",
            ),
            (
                "[maintenance]\nopening-hours = [\"Mon 6-22\"]",
                "a time `6`",
            ),
            (
                "[maintenance]\nopening-hours = [\"Mon 06:00-22:00\"]\ntime-zone = \"Mars/Base\"",
                "not `Mars/Base`",
            ),
        ] {
            let found = wrong(text);
            let about: Vec<_> = found.iter().filter(|line| line.contains(words)).collect();
            assert_eq!((found.len(), about.len()), (1, 1), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_password_of_parts_is_an_expression_with_what_is_avoided_escaped() {
        let text = "connector = \"csv\"\n[policy.initial-password]\nlength = 20\nspecial = 1\navoid = 'l\"\\'\n";
        let (file, found) = AppFile::read("hr", &source(text.to_owned()));
        assert!(found.is_empty(), "{found:?}");
        let policy = file.and_then(|file| file.policy.initial_password);
        let expression = policy.map(|policy| policy.expression).unwrap_or_default();
        assert_eq!(expression, "RandomString(20, 2, 1, 2, 2, \"l\\\"\\\\\")");
        assert!(tombolo_mapping::Expression::parse(&expression).is_ok());
    }
}
