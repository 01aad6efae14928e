//! The reader that paths and filters share: a text, a position, and what may stand there.

use crate::Rules;
use crate::filter::{Filter, parse};
use crate::path::AttributePath;

/// Why a path or a filter cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {position} of `{excerpt}`")]
pub struct ParseError {
    /// What was expected.
    pub message: String,
    /// Where, counted in characters from 1.
    pub position: usize,
    /// The text, shortened.
    pub excerpt: String,
}

/// As much of a faulty text as an error repeats.
const EXCERPT: usize = 120;

pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// How deep in parentheses and brackets we are.
    pub(crate) depth: usize,
    /// How many tests were read.
    pub(crate) terms: usize,
    /// What is accepted, and how much of it.
    pub(crate) rules: Rules,
}

/// What may stand in an attribute's name. RFC 7643 allows letters, digits, `-`, `_` and `$`; letters of any script
/// cost nothing, and the names come from connectors.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '$')
}

/// Could a path name an attribute of that name?
pub(crate) fn is_attribute_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_name_char)
}

/// What ends an attribute path.
fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '[' | ']' | '(' | ')' | '"')
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, rules: &Rules) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            terms: 0,
            rules: *rules,
        }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes this character if it is next.
    pub(crate) fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Skips blanks; were there any?
    pub(crate) fn blanks(&mut self) -> bool {
        let start = self.at;
        self.at = self.text.len() - self.rest().trim_start().len();
        self.at > start
    }

    pub(crate) fn fail<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        let mut excerpt: String = self.text.chars().take(EXCERPT).collect();
        if excerpt.len() < self.text.len() {
            excerpt.push('…');
        }
        Err(ParseError {
            message: message.into(),
            position: self.text[..self.at].chars().count() + 1,
            excerpt,
        })
    }

    pub(crate) fn end(&self) -> Result<(), ParseError> {
        if self.rest().is_empty() {
            Ok(())
        } else {
            self.fail("nothing more was expected")
        }
    }

    /// The characters up to the next delimiter.
    pub(crate) fn word(&self) -> &'a str {
        let rest = self.rest();
        rest.find(is_delimiter).map_or(rest, |end| &rest[..end])
    }

    /// `attribute`, `attribute.sub`, `urn:…:attribute.sub`; the URN ends at the last colon, since it may hold dots.
    pub(crate) fn attribute_path(&mut self) -> Result<AttributePath, ParseError> {
        let word = self.word();
        let (urn, local) = match word.rsplit_once(':') {
            Some((urn, local)) => (Some(urn), local),
            None => (None, word),
        };
        let (attribute, sub) = match local.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (local, None),
        };
        let named = is_attribute_name(attribute) && sub.is_none_or(is_attribute_name);
        if !named || urn == Some("") {
            return self.fail("an attribute's name was expected");
        }
        self.advance(word.len());
        Ok(AttributePath {
            urn: urn.map(str::to_owned),
            attribute: attribute.to_owned(),
            sub: sub.map(str::to_owned),
        })
    }

    /// `[filter]` and `.sub`, where an attribute path has ended.
    pub(crate) fn element_filter(
        &mut self,
    ) -> Result<(Option<Filter>, Option<String>), ParseError> {
        if !self.take('[') {
            return Ok((None, None));
        }
        let filter = parse::element(self)?;
        self.blanks();
        if !self.take(']') {
            return self.fail("`]` was expected");
        }
        if !self.take('.') {
            return Ok((Some(filter), None));
        }
        let word = self.word();
        if !is_attribute_name(word) {
            return self.fail("a sub-attribute's name was expected");
        }
        self.advance(word.len());
        Ok((Some(filter), Some(word.to_owned())))
    }
}
