//! What is wrong with a file, where, and what to do about it.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

/// A configuration file's text, kept so that a message can show the line it speaks of.
#[derive(Debug)]
pub struct Source {
    /// As the operator knows it: relative to the configuration directory.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The same, fit to be shown: see [`mask`](super::mask).
    shown: String,
}

impl Source {
    /// Names the file by its path inside `dir`.
    pub fn new(dir: &Path, path: &Path, text: String) -> Arc<Self> {
        let name = path.strip_prefix(dir).unwrap_or(path);
        let shown = super::mask::mask(&text);
        Arc::new(Self {
            name: name.display().to_string(),
            text,
            shown,
        })
    }

    /// Line and column, both from 1; the column counts characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        (line, column)
    }
}

/// Whether the configuration can be used in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and should not.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What happened, lower case, no full stop.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Where.
    pub place: Place,
}

/// Where something is wrong.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the text of a file.
    Text(Arc<Source>, Range<usize>),
    /// A file as a whole, or one that is missing.
    File(PathBuf),
}

impl Diagnostic {
    /// An error in a file's text.
    pub fn error(source: &Arc<Source>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            hint: None,
            place: Place::Text(Arc::clone(source), span),
        }
    }

    /// An error about a whole file.
    pub fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            hint: None,
            place: Place::File(path.into()),
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// `file:line:column`, or the file alone.
    pub fn location(&self) -> String {
        match &self.place {
            Place::Text(source, span) => {
                let (line, column) = source.position(span.start);
                format!("{}:{line}:{column}", source.name)
            }
            Place::File(path) => path.display().to_string(),
        }
    }

    /// On one line, for the log and for `/readyz`.
    pub fn line(&self) -> String {
        let mut out = format!("{}: {}", self.location(), self.message);
        if let Some(hint) = &self.hint {
            let _ = write!(out, " (hint: {})", hint.replace('\n', " "));
        }
        out
    }

    /// For people: the message, the line it speaks of, and the hint.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        let theme = if colour {
            miette::GraphicalTheme::unicode()
        } else {
            miette::GraphicalTheme::unicode_nocolor()
        };
        let handler = miette::GraphicalReportHandler::new_themed(theme)
            .with_width(120)
            .without_cause_chain();
        // Only an unwritable buffer can fail, and a String is none.
        let _ = handler.render_report(&mut out, &Shown(self));
        if let Place::File(path) = &self.place {
            let _ = writeln!(out, "   in {}", path.display());
        }
        if let Some(hint) = &self.hint {
            for (n, line) in hint.lines().enumerate() {
                let _ = writeln!(out, "{} {line}", if n == 0 { "  hint:" } else { "       " });
            }
        }
        out
    }

    /// For programs.
    pub fn to_json(&self) -> serde_json::Value {
        let mut out = serde_json::json!({ "severity": self.severity, "message": self.message, "hint": self.hint });
        match &self.place {
            Place::Text(source, span) => {
                let (line, column) = source.position(span.start);
                out["file"] = source.name.clone().into();
                out["line"] = line.into();
                out["column"] = column.into();
            }
            Place::File(path) => out["file"] = path.display().to_string().into(),
        }
        out
    }
}

/// Lends a diagnostic to miette, which draws the line and the mark under it.
#[derive(Debug)]
struct Shown<'a>(&'a Diagnostic);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.0.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        match &self.0.place {
            Place::Text(source, _) => Some(&**source),
            Place::File(_) => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        match &self.0.place {
            Place::Text(source, span) => {
                let end = span.end.min(source.text.len());
                let start = span.start.min(end);
                Some(Box::new(std::iter::once(
                    miette::LabeledSpan::new_primary_with_span(None, (start, end - start)),
                )))
            }
            Place::File(_) => None,
        }
    }
}

impl miette::SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        // Only the lines at fault: their neighbours are none of the reader's business.
        let shown = self.shown.as_str();
        if span.offset() > shown.len() {
            return Err(miette::MietteError::OutOfBounds);
        }
        let end = (span.offset() + span.len()).min(shown.len());
        let from = shown[..span.offset()].rfind('\n').map_or(0, |at| at + 1);
        let to = shown[end..].find('\n').map_or(shown.len(), |at| end + at);
        let (line, column) = self.position(span.offset());
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.name.clone(),
            &shown.as_bytes()[from..to],
            (from, to - from).into(),
            line - 1,
            if from == span.offset() { 0 } else { column - 1 },
            shown[from..to].lines().count(),
        )))
    }
}

/// Everything that was found, in the order of files and lines.
#[derive(Clone, Debug, Default)]
pub struct Report(pub Vec<Diagnostic>);

impl Report {
    /// Whether something forbids to use the configuration.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// How many errors.
    pub fn errors(&self) -> usize {
        self.0
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .count()
    }

    /// How many warnings.
    pub fn warnings(&self) -> usize {
        self.0.len() - self.errors()
    }

    /// By file, then by place in it, each thing once.
    pub fn sort(&mut self) {
        self.0.sort_by_cached_key(|d| match &d.place {
            Place::Text(source, span) => (source.name.clone(), span.start, d.message.clone()),
            Place::File(path) => (path.display().to_string(), 0, d.message.clone()),
        });
        self.0
            .dedup_by(|a, b| a.location() == b.location() && a.message == b.message);
    }

    /// The errors, each on a line, for a place that has room for one text.
    pub fn summary(&self) -> String {
        let lines: Vec<_> = self
            .0
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .map(Diagnostic::line)
            .collect();
        lines.join("; ")
    }
}
