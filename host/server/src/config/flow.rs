//! `flows/NAME.toml`: from a source app into a sink.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tombolo_engine::flow::Definition;
use tombolo_engine::flow::definition::{Actions, Leave, Limit, Retry};
use tombolo_engine::flow::form::Form;
use tombolo_engine::flow::schedule::Schedule;
use tombolo_mapping::scope::ScopeTable;
use tombolo_mapping::{Expression, Scope};

use super::app::is_sane_name;
use super::diagnostic::{Diagnostic, Source};
use super::reader::{Located, Outline, Section, Sink, read_document};
use super::sink::{self, SinkFile};

/// How often a flow runs whose file does not say it.
const EVERY: Duration = Duration::from_mins(15);
/// How often everything is read of a source that tells of changes.
const FULL_SCAN: Duration = Duration::from_hours(24);

/// One flow's file.
#[derive(Clone, Debug)]
pub struct FlowFile {
    /// What the engine makes of it.
    pub definition: Definition,
    /// Where the source's name stands.
    pub source_app: Located<String>,
    /// Where it leads to.
    pub sink: SinkFile,
    /// The file, for messages.
    pub source: Arc<Source>,
    /// Where everything stands in it.
    pub outline: Outline,
}

impl FlowFile {
    /// Reads it, and says everything that is wrong with it.
    pub fn read(name: &str, source: &Arc<Source>) -> (Option<Self>, Vec<Diagnostic>) {
        let (file, found) = read_document(source, |mut root, sink, outline| {
            let file = read(name, &mut root, sink, outline, source);
            root.finish();
            file
        });
        let wrong = found
            .iter()
            .any(|found| found.severity == super::Severity::Error);
        (file.filter(|_| !wrong), found)
    }
}

fn read(
    name: &str,
    root: &mut Section<'_>,
    sink: &Sink,
    outline: Outline,
    source: &Arc<Source>,
) -> Option<FlowFile> {
    if !is_sane_name(name) {
        sink.error_hint(
            0..0,
            format!("`{name}` cannot be the name of a flow"),
            "rename the file: small letters, digits and `-`",
        );
    }
    let app = root.required_text(
        "source",
        "name the app that is read, such as `source = \"hr\"`",
    );
    let kind = root
        .text("kind")
        .map_or_else(|| "user".to_owned(), |kind| kind.value);
    let key = root.required_text(
        "key",
        "say what identifies a person for ever, such as `key = \"[employeeNumber]\"`",
    );
    let key = key.and_then(|key| expression(sink, &key, "key"));
    let target = sink::read(root, sink);
    let form = form(root, sink);
    let scope = scope(root, sink);
    let zone = root.parsed("time-zone", |text| {
        TimeZone::get(text)
            .map_err(|_| format!("must be a time zone such as \"Europe/Berlin\", not `{text}`"))
    });
    let zone = zone.map_or(TimeZone::UTC, |zone| zone.value);
    let effective = date(root, sink, "effective");
    let last_day = date(root, sink, "last-day");
    let lead = root.duration("lead");
    if lead.is_some() && effective.is_none() {
        sink.error_hint(
            outline.nearest(&["lead"]),
            "`lead` says how long before a date, and there is no `effective`",
            "say which date: `effective = \"[HireDate]\"`",
        );
    }
    let actions = root.parsed_list("actions", |text| match text {
        "create" => Ok(0),
        "update" => Ok(1),
        "leave" => Ok(2),
        other => Err(format!(
            "must be \"create\", \"update\" or \"leave\", not `{other}`"
        )),
    });
    let actions = actions.map_or(Actions::ALL, |words| Actions {
        create: words.contains(&0),
        update: words.contains(&1),
        leave: words.contains(&2),
    });
    let leavers = [("disable", Leave::Disable), ("delete", Leave::Delete)];
    let leavers = root.choice("leavers", &leavers).unwrap_or_default();
    let members = root.flag("members").unwrap_or(false);
    let references = root.text("references").map(|name| name.value);
    let schedule = schedule(root, sink, &zone);
    let full_scan = root.duration("full-scan").unwrap_or(FULL_SCAN);
    let (limit, retry) = (limit(root), retry(root));
    if let (Some(target), Some(form)) = (&target, &form) {
        fits(target, form, actions, sink, &outline);
    }
    Some(FlowFile {
        definition: Definition {
            name: name.to_owned(),
            source: app.as_ref()?.value.clone(),
            kind,
            scope,
            key: key?,
            form: form?,
            members,
            references,
            effective,
            lead: lead.unwrap_or_default(),
            last_day,
            time_zone: zone,
            actions,
            leavers,
            schedule,
            full_scan,
            limit,
            retry,
        },
        source_app: app?,
        sink: target?,
        source: Arc::clone(source),
        outline,
    })
}

/// What a sink asks of a flow, whatever its source holds.
fn fits(target: &SinkFile, form: &Form, actions: Actions, sink: &Sink, outline: &Outline) {
    if matches!(target, SinkFile::EntraInbound(_)) && !form.always_says_active() {
        sink.error_hint(
            outline.nearest(&["mapping", "active"]),
            "`mapping.active` may come to nothing, and Entra disables an account whose record has no `active`",
            "give it a fallback: `active = { expression = \"[active]\", default = true }`, or a `Switch` with a default",
        );
    }
    if matches!(target, SinkFile::EntraScim { .. } | SinkFile::Scim(_)) && !actions.create {
        sink.error_hint(
            outline.nearest(&["actions"]),
            "a SCIM server is given whoever is not there, so `actions` must have \"create\"",
            "narrow the flow with `[[scope]]` instead",
        );
    }
}

fn expression(sink: &Sink, text: &Located<String>, name: &str) -> Option<Expression> {
    Expression::parse(&text.value)
        .map_err(|why| {
            sink.error_hint(
                text.span.clone(),
                format!("`{name}` is no expression: {why}"),
                "an attribute of the source stands in brackets, such as \"[employeeNumber]\"",
            );
        })
        .ok()
}

fn date(root: &mut Section<'_>, sink: &Sink, name: &'static str) -> Option<Expression> {
    let text = root.text(name)?;
    expression(sink, &text, name)
}

fn form(root: &mut Section<'_>, sink: &Sink) -> Option<Form> {
    let Some(section) = root.section("mapping") else {
        sink.error_hint(
            0..0,
            "`[mapping]` is missing",
            "say what each SCIM attribute is made of, such as `userName = \"[login]\"`",
        );
        return None;
    };
    let mut spans = BTreeMap::new();
    let mut table = BTreeMap::new();
    for (path, value) in section.named_json() {
        spans.insert(path.value.clone(), path.span);
        table.insert(path.value, value);
    }
    match Form::read(&table) {
        Ok(form) => Some(form),
        Err(wrong) => {
            for wrong in wrong {
                let span = spans.get(&wrong.path).cloned().unwrap_or_default();
                sink.error(span, format!("`mapping.{}` {}", wrong.path, wrong.why));
            }
            None
        }
    }
}

fn scope(root: &mut Section<'_>, sink: &Sink) -> Scope {
    let Some((span, sections)) = root.array_of_sections("scope") else {
        return Scope::everybody();
    };
    let filters: Vec<serde_json::Value> = sections.iter().map(Section::to_json).collect();
    let table = serde_json::from_value::<ScopeTable>(filters.into());
    let scope = match table {
        Ok(table) => Scope::new(&table).map_err(|why| why.to_string()),
        Err(why) => Err(format!("`[[scope]]` is not understood: {why}")),
    };
    scope.unwrap_or_else(|why| {
        sink.error(span, why);
        Scope::everybody()
    })
}

fn schedule(root: &mut Section<'_>, sink: &Sink, zone: &TimeZone) -> Schedule {
    let every = root.duration("every");
    let cron = root.parsed("cron", |text| Schedule::cron(text, zone.clone()));
    let ordered = root.flag("manual").unwrap_or(false);
    if let Some(cron) = &cron
        && (every.is_some() || ordered)
    {
        sink.error(
            cron.span.clone(),
            "`every`, `cron` and `manual` are three ways to say when; say one",
        );
    }
    match (every, cron, ordered) {
        (_, Some(cron), _) => cron.value,
        (_, None, true) => Schedule::Ordered,
        (every, None, false) => Schedule::Every(every.unwrap_or(EVERY)),
    }
}

fn limit(root: &mut Section<'_>) -> Limit {
    let mut limit = Limit::default();
    if let Some(mut section) = root.section("limit") {
        limit.window = section.duration("window").unwrap_or(limit.window);
        limit.count = section.integer("count", 0..=1_000_000_000);
        if let Some(percent) = section.integer("percent", 0..=100) {
            limit.percent = u32::try_from(percent).unwrap_or(limit.percent);
        }
        section.finish();
    }
    limit
}

fn retry(root: &mut Section<'_>) -> Retry {
    let mut retry = Retry::default();
    if let Some(mut section) = root.section("retry") {
        retry.first = section.duration("first").unwrap_or(retry.first);
        retry.most = section.duration("most").unwrap_or(retry.most);
        if let Some(attempts) = section.integer("attempts", 1..=1000) {
            retry.attempts = u32::try_from(attempts).unwrap_or(retry.attempts);
        }
        section.finish();
    }
    retry
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn file(text: &str) -> (Option<FlowFile>, Vec<String>) {
        let source = Source::new(
            Path::new("/d"),
            Path::new("/d/flows/hr.toml"),
            text.to_owned(),
        );
        let (file, found) = FlowFile::read("hr", &source);
        (file, found.iter().map(Diagnostic::line).collect())
    }

    #[test]
    fn a_flow_says_where_from_where_to_and_what() {
        let (file, found) = file(
            "source = \"hr\"\nkey = \"[id]\"\neffective = \"[HireDate]\"\nlead = \"7d\"\ncron = \"0 2 * * *\"\n\
             actions = [\"update\"]\n\
             [sink]\nkind = \"app\"\napp = \"directory\"\n\
             [mapping]\nuserName = \"[login]\"\nactive = { constant = true }\n\
             [[scope]]\nclauses = [{ attribute = \"department\", operator = \"EQUALS\", value = \"Sales\" }]\n",
        );
        assert!(found.is_empty(), "{found:?}");
        let file = file.expect("a flow");
        assert_eq!(file.definition.kind, "user");
        assert!(!file.definition.actions.create && file.definition.actions.update);
        assert_eq!(file.definition.lead, Duration::from_hours(24 * 7));
    }

    #[test]
    fn a_mapping_that_could_leave_out_active_is_refused_for_entra() {
        let flow = |active: &str| {
            file(&format!(
                "source = \"hr\"\nkey = \"[id]\"\n[sink]\nkind = \"entra-inbound\"\ntenant = \"t\"\n\
                 client-id = \"c\"\nclient-secret = \"env:S\"\nservice-principal = \"p\"\njob = \"j\"\n\
                 [mapping]\nuserName = \"[login]\"\n{active}\n"
            ))
        };
        for omitted in [
            "",
            "active = \"[active]\"",
            "active = 'Switch([s], , \"left\", \"False\")'",
        ] {
            let (made, found) = flow(omitted);
            assert!(
                made.is_none() && found[0].contains("disables an account"),
                "{omitted}: {found:?}"
            );
        }
        for given in [
            "active = { constant = true }",
            "active = { expression = \"[active]\", default = true }",
            "active = 'Switch([s], \"True\", \"left\", \"False\")'",
        ] {
            let (made, found) = flow(given);
            assert!(made.is_some() && found.is_empty(), "{given}: {found:?}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_line() {
        let (made, found) = file(
            "source = \"hr\"\nkey = \"[id\"\nlead = \"7d\"\nevery = \"5m\"\ncron = \"0 2 * * *\"\nschedul = 1\n\
             [sink]\nkind = \"ap\"\n[mapping]\nuserName = \"[login\"\nid = \"[x]\"\nname.givenName = \"[first]\"\n",
        );
        assert!(made.is_none());
        for words in [
            "hr.toml:2:7: `key` is no expression",
            "`lead` says how long before a date",
            "say one",
            "unknown key `schedul`",
            "`sink.kind` cannot be `ap`",
            "`mapping.userName` is no expression",
            "`mapping.id` is set by the host",
            "quoted",
        ] {
            assert!(
                found.iter().any(|line| line.contains(words)),
                "no `{words}` in {found:#?}"
            );
        }
    }
}
