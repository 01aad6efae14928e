//! Walks a TOML document and collects everything that is wrong with it.
//!
//! Serde stops at the first mistake. An operator who has made four wants to hear of four, each with its line, so the
//! files are read by hand: a [`Section`] is asked for what it may hold and at its end names what it holds besides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Source};
use super::json::{table_to_json, to_json};
use super::value;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the source.
    pub span: Range<usize>,
}

/// Where each key's value stands, for what is found wrong long after parsing.
#[derive(Clone, Debug, Default)]
pub struct Outline(BTreeMap<Vec<String>, Range<usize>>);

impl Outline {
    fn of(table: &DeTable<'_>) -> Self {
        let mut outline = Self::default();
        outline.walk(table, &mut Vec::new());
        outline
    }

    fn walk(&mut self, table: &DeTable<'_>, at: &mut Vec<String>) {
        for (key, value) in table {
            at.push(key.get_ref().to_string());
            // A table's own span may be its whole body: its name is the better mark.
            let span = if matches!(value.get_ref(), DeValue::Table(_)) {
                key.span()
            } else {
                value.span()
            };
            self.0.insert(at.clone(), span);
            if let DeValue::Table(inner) = value.get_ref() {
                self.walk(inner, at);
            }
            at.pop();
        }
    }

    /// The place of this path, or of the nearest thing around it that is there.
    pub fn nearest(&self, path: &[&str]) -> Range<usize> {
        let mut path: Vec<String> = path.iter().map(|s| (*s).to_owned()).collect();
        while !path.is_empty() {
            if let Some(span) = self.0.get(&path) {
                return span.clone();
            }
            path.pop();
        }
        0..0
    }
}

/// Where the findings about one file go.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) source: Arc<Source>,
    found: RefCell<Vec<Diagnostic>>,
}

impl Sink {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            found: RefCell::default(),
        }
    }

    pub(crate) fn push(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    pub(crate) fn error(&self, span: Range<usize>, message: impl Into<String>) {
        self.push(Diagnostic::error(&self.source, span, message));
    }

    pub(crate) fn error_hint(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(Diagnostic::error(&self.source, span, message).hint(hint));
    }

    pub(crate) fn into_found(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }
}

/// Parses as much as can be parsed, hands the root to `read`, and gives back what it made and what was wrong.
pub(crate) fn read_document<T>(
    source: &Arc<Source>,
    read: impl FnOnce(Section<'_>, &Sink, Outline) -> Option<T>,
) -> (Option<T>, Vec<Diagnostic>) {
    let sink = Sink::new(Arc::clone(source));
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    let broken = !errors.is_empty();
    for error in errors {
        sink.error(
            error.span().unwrap_or(0..0),
            format!("not valid TOML: {}", error.message().trim_end_matches('.')),
        );
    }
    let outline = Outline::of(root.get_ref());
    let made = read(Section::root(root.get_ref(), &sink), &sink, outline);
    (if broken { None } else { made }, sink.into_found())
}

/// What stands under a key that the operator chose.
pub(crate) enum Entry<'d> {
    /// A table.
    Table(Section<'d>),
    /// Anything else.
    Value(&'d Spanned<DeValue<'d>>),
}

/// One table of the document, being read.
pub(crate) struct Section<'d> {
    name: String,
    span: Range<usize>,
    table: &'d DeTable<'d>,
    asked: Vec<&'static str>,
    sink: &'d Sink,
}

impl<'d> Section<'d> {
    fn root(table: &'d DeTable<'d>, sink: &'d Sink) -> Self {
        Self {
            name: String::new(),
            span: 0..0,
            table,
            asked: Vec::new(),
            sink,
        }
    }

    /// Where the section's name stands.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether the key is there, right or wrong.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    fn raw(&self, key: &str) -> Option<(Range<usize>, &'d Spanned<DeValue<'d>>)> {
        self.table
            .iter()
            .find(|(k, _)| k.get_ref() == key)
            .map(|(k, v)| (k.span(), v))
    }

    fn ask(&mut self, key: &'static str) -> Option<(Range<usize>, &'d Spanned<DeValue<'d>>)> {
        self.asked.push(key);
        self.raw(key)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        self.sink.error(
            value.span(),
            format!(
                "`{}` must be {wanted}, this is {}",
                self.dotted(key),
                kind(value.get_ref())
            ),
        );
    }

    /// A string, if the key is there.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<Located<String>> {
        let (_, value) = self.ask(key)?;
        if let DeValue::String(text) = value.get_ref() {
            Some(Located {
                value: text.to_string(),
                span: value.span(),
            })
        } else {
            self.wrong_type(key, value, "a string");
            None
        }
    }

    /// A string that must be there.
    pub(crate) fn required_text(
        &mut self,
        key: &'static str,
        hint: &str,
    ) -> Option<Located<String>> {
        if self.raw(key).is_none() {
            self.asked.push(key);
            self.sink.error_hint(
                self.span(),
                format!("`{}` is missing", self.dotted(key)),
                hint,
            );
            return None;
        }
        self.text(key)
    }

    /// A string that `parse` understands; its error is the rest of the sentence "`key` …".
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Located<T>> {
        let text = self.text(key)?;
        match parse(&text.value) {
            Ok(value) => Some(Located {
                value,
                span: text.span,
            }),
            Err(why) => {
                self.sink
                    .error(text.span, format!("`{}` {why}", self.dotted(key)));
                None
            }
        }
    }

    /// An array of strings that `parse` understands, each.
    pub(crate) fn parsed_list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (_, value) = self.ask(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, "an array of strings");
            return None;
        };
        let mut list = Vec::new();
        for item in items {
            let DeValue::String(text) = item.get_ref() else {
                self.wrong_type(key, item, "an array of strings");
                continue;
            };
            match parse(text) {
                Ok(value) => list.push(value),
                Err(why) => self
                    .sink
                    .error(item.span(), format!("`{}`: each {why}", self.dotted(key))),
            }
        }
        Some(list)
    }

    /// The same, and where each of them stands.
    pub(crate) fn located_list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<Located<T>>> {
        let spans: Vec<Range<usize>> = match self.raw(key)?.1.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .filter(|item| {
                    item.get_ref()
                        .as_str()
                        .is_some_and(|text| parse(text).is_ok())
                })
                .map(Spanned::span)
                .collect(),
            _ => Vec::new(),
        };
        let values = self.parsed_list(key, parse)?;
        let located = values.into_iter().zip(spans);
        Some(
            located
                .map(|(value, span)| Located { value, span })
                .collect(),
        )
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let (_, value) = self.ask(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            Some(*flag)
        } else {
            self.wrong_type(key, value, "true or false");
            None
        }
    }

    /// An integer in a range.
    pub(crate) fn integer(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let (_, value) = self.ask(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, value, "a whole number");
            return None;
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let message = format!(
                    "`{}` must be between {} and {}",
                    self.dotted(key),
                    range.start(),
                    range.end()
                );
                self.sink.error(value.span(), message);
                None
            }
        }
    }

    /// A duration such as `"30s"`.
    pub(crate) fn duration(&mut self, key: &'static str) -> Option<std::time::Duration> {
        self.parsed(key, value::duration).map(|found| found.value)
    }

    /// A size such as `"64MiB"`.
    pub(crate) fn size(&mut self, key: &'static str) -> Option<u64> {
        self.parsed(key, value::size).map(|found| found.value)
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(key)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let message = format!("`{}` cannot be `{}`", self.dotted(key), text.value);
        self.sink
            .error_hint(text.span, message, suggestion(&text.value, &words));
        None
    }

    /// A table, if it is there.
    pub(crate) fn section(&mut self, key: &'static str) -> Option<Section<'d>> {
        let (at, value) = self.ask(key)?;
        self.enter(key, at, value)
    }

    fn enter(
        &self,
        key: &str,
        at: Range<usize>,
        value: &'d Spanned<DeValue<'d>>,
    ) -> Option<Section<'d>> {
        if let DeValue::Table(table) = value.get_ref() {
            Some(Section {
                name: self.dotted(key),
                span: at,
                table,
                asked: Vec::new(),
                sink: self.sink,
            })
        } else {
            self.wrong_type(key, value, "a table");
            None
        }
    }

    /// The tables of an array.
    pub(crate) fn array_of_sections(
        &mut self,
        key: &'static str,
    ) -> Option<(Range<usize>, Vec<Section<'d>>)> {
        let (_, value) = self.ask(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, "an array of tables");
            return None;
        };
        let sections = items
            .iter()
            .filter_map(|item| self.enter(key, item.span(), item))
            .collect();
        Some((value.span(), sections))
    }

    /// The sub-tables of a table whose keys the operator chose.
    pub(crate) fn named_sections(self) -> Vec<(String, Section<'d>)> {
        let enter = |(key, value): (&'d Spanned<_>, &'d Spanned<_>)| {
            let key: &Spanned<std::borrow::Cow<'_, str>> = key;
            Some((
                key.get_ref().to_string(),
                self.enter(key.get_ref(), key.span(), value)?,
            ))
        };
        self.table.iter().filter_map(enter).collect()
    }

    /// The values of a table whose keys the operator chose.
    pub(crate) fn named_values(
        self,
    ) -> impl Iterator<Item = (Located<String>, &'d Spanned<DeValue<'d>>)> {
        self.table.iter().map(|(k, v)| {
            (
                Located {
                    value: k.get_ref().to_string(),
                    span: k.span(),
                },
                v,
            )
        })
    }

    /// The same, with tables opened.
    pub(crate) fn named_entries(self) -> Vec<(Located<String>, Entry<'d>)> {
        self.table
            .iter()
            .map(|(k, v)| {
                let key = Located {
                    value: k.get_ref().to_string(),
                    span: k.span(),
                };
                let entry = match v.get_ref() {
                    DeValue::Table(table) => Entry::Table(Section {
                        name: self.dotted(&key.value),
                        span: k.span(),
                        table,
                        asked: Vec::new(),
                        sink: self.sink,
                    }),
                    _ => Entry::Value(v),
                };
                (key, entry)
            })
            .collect()
    }

    /// The same, as JSON.
    pub(crate) fn named_json(self) -> impl Iterator<Item = (Located<String>, serde_json::Value)> {
        self.named_values()
            .map(|(key, value)| (key, to_json(value.get_ref())))
    }

    /// A date, or a point in time with its offset.
    pub(crate) fn instant(&mut self, key: &'static str) -> Option<jiff::Timestamp> {
        let (_, value) = self.ask(key)?;
        let found = match value.get_ref() {
            DeValue::Datetime(datetime) => value::instant(&datetime.to_string()),
            DeValue::String(text) => value::instant(text),
            _ => {
                self.wrong_type(key, value, "a date such as 2027-05-01");
                return None;
            }
        };
        found
            .map_err(|why| {
                self.sink
                    .error(value.span(), format!("`{}` {why}", self.dotted(key)));
            })
            .ok()
    }

    /// The whole table as JSON: a connector's settings.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        table_to_json(self.table)
    }

    /// Names every key that nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let name = key.get_ref();
            if !self.asked.contains(&name.as_ref()) {
                let place = if self.name.is_empty() {
                    String::new()
                } else {
                    format!(" in `[{}]`", self.name)
                };
                self.sink.error_hint(
                    key.span(),
                    format!("unknown key `{name}`{place}"),
                    suggestion(name, &self.asked),
                );
            }
        }
    }
}

/// "did you mean", or the list of what may stand there.
pub(crate) fn suggestion(given: &str, known: &[&str]) -> String {
    let lowered = given.to_lowercase().replace('_', "-");
    let near = known
        .iter()
        .map(|word| (likeness(&lowered, &word.to_lowercase()), word))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!(
            "known here: {}",
            known
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// From 0 to 1. In a short word one slip weighs too much for a proportion: two letters swapped are one slip.
fn likeness(a: &str, b: &str) -> f64 {
    let slip = strsim::damerau_levenshtein(a, b) <= 1 && b.len() > 1;
    strsim::jaro_winkler(a, b).max(if slip { 0.95 } else { 0.0 })
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
