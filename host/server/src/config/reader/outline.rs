//! Where everything stands in a file, for what is found wrong long after parsing.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

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
    pub(super) fn of(table: &DeTable<'_>) -> Self {
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
