//! The operator's own statements: SQL with named parameters.
//!
//! A `:name` becomes a placeholder, wherever SQL would read it as SQL: not in texts, quoted names and comments, and
//! not in a cast (`::`). The value is a parameter, so it cannot become text of the statement.

use std::collections::BTreeSet;

use tombolo_sdk::sql::Cell;
use tombolo_sdk::{Failure, Result};

use crate::statement::Sql;

/// A statement with named parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Parameter(String),
}

impl Template {
    /// Reads a statement.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let skipped = quoted(rest);
            if skipped > 0 {
                plain.push_str(&rest[..skipped]);
                rest = &rest[skipped..];
                continue;
            }
            if let Some(after) = rest.strip_prefix("::") {
                plain.push_str("::");
                rest = after;
                continue;
            }
            let name = name_of(rest);
            if name.is_empty() {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Parameter(name.to_owned()));
            rest = &rest[1 + name.len()..];
        }
        parts.push(Part::Text(plain));
        Self { parts }
    }

    /// The parameters that it names.
    pub fn names(&self) -> BTreeSet<&str> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Parameter(name) => Some(name.as_str()),
                Part::Text(_) => None,
            })
            .collect()
    }

    /// The statement with its values.
    pub fn fill(&self, value: &dyn Fn(&str) -> Option<Cell>) -> Result<Sql> {
        let mut sql = Sql::default();
        for part in &self.parts {
            match part {
                Part::Text(text) => sql.push(text),
                Part::Parameter(name) => sql.bind(value(name).ok_or_else(|| {
                    Failure::invalid(format!(
                        "[settings]: a statement has no parameter `:{name}`"
                    ))
                })?),
            };
        }
        Ok(sql)
    }
}

/// The parameter's name at the beginning of the text: `:login`.
fn name_of(text: &str) -> &str {
    let Some(name) = text.strip_prefix(':') else {
        return "";
    };
    let end = name
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(name.len());
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        ""
    } else {
        &name[..end]
    }
}

/// How long the quoted thing or comment at the beginning of the text is; 0: there is none.
fn quoted(text: &str) -> usize {
    let through = |from: usize, end: &str| {
        text.get(from..)
            .and_then(|rest| rest.find(end))
            .map_or(text.len(), |at| from + at + end.len())
    };
    match text.as_bytes() {
        [quote @ (b'\'' | b'"' | b'`'), ..] => through(1, &char::from(*quote).to_string()),
        [b'-', b'-', ..] => through(2, "\n"),
        [b'/', b'*', ..] => through(2, "*/"),
        [b'$', ..] => {
            // PostgreSQL's `$tag$ … $tag$`.
            let tag = text[1..].find('$').map(|at| &text[..at + 2]).filter(|tag| {
                tag[1..tag.len() - 1]
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_')
            });
            tag.map_or(0, |tag| through(tag.len(), tag))
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> (String, usize) {
        let sql = Template::parse(text)
            .fill(&|name| (name != "unknown").then(|| name.into()))
            .expect("filled");
        (sql.text, sql.parameters.len())
    }

    #[test]
    fn names_become_placeholders_only_where_sql_reads_them() {
        assert_eq!(
            filled("CALL f(:a, :b_2::int, ':c', \":d\", `:e`) -- :f\n, :a /* :g */"),
            (
                "CALL f(?, ?::int, ':c', \":d\", `:e`) -- :f\n, ? /* :g */".to_owned(),
                3
            )
        );
        assert_eq!(
            filled("SELECT $x$ :a $x$, x[1:2], '''':a"),
            ("SELECT $x$ :a $x$, x[1:2], ''''?".to_owned(), 1)
        );
        assert_eq!(filled("SELECT 'open :a"), ("SELECT 'open :a".to_owned(), 0));
        assert_eq!(filled("é:a"), ("é?".to_owned(), 1));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let template = Template::parse("SELECT :unknown");
        assert_eq!(template.names(), BTreeSet::from(["unknown"]));
        assert!(template.fill(&|_| None).is_err());
    }
}
