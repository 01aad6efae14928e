//! Attribute paths and value paths (RFC 7644, figure 7), in Entra's spellings too.

mod access;
mod identity;
mod parse;
mod tree;

use std::fmt;

pub(crate) use self::access::{Mode, Selection, resolve};
pub use self::access::{get, remove, set};
pub(crate) use self::tree::container;

pub use self::parse::ParseError;
pub(crate) use self::parse::{Cursor, is_attribute_name};
use crate::Rules;
use crate::filter::Filter;

/// `name.givenName`, `urn:…:User:department`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttributePath {
    /// The schema, if the path names one.
    pub urn: Option<String>,
    /// The attribute.
    pub attribute: String,
    /// The sub-attribute.
    pub sub: Option<String>,
}

impl AttributePath {
    /// A bare attribute.
    pub fn bare(attribute: impl Into<String>) -> Self {
        Self {
            urn: None,
            attribute: attribute.into(),
            sub: None,
        }
    }

    /// Reads a path without a value filter.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(text, &Rules::ENTRA);
        cursor.blanks();
        let path = cursor.attribute_path()?;
        cursor.blanks();
        cursor.end()?;
        Ok(path)
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.attribute)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// `emails[type eq "work"].value`, or any attribute path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The attribute; without its sub-attribute when there is a filter.
    pub attribute: AttributePath,
    /// Which elements.
    pub filter: Option<Filter>,
    /// Which part of the elements.
    pub sub: Option<String>,
}

impl Path {
    /// Reads a PATCH path, in Entra's dialect.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with(&Rules::ENTRA, text)
    }

    /// Reads a PATCH path.
    pub fn parse_with(rules: &Rules, text: &str) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(text, rules);
        cursor.blanks();
        let attribute = cursor.attribute_path()?;
        let (filter, sub) = cursor.element_filter()?;
        cursor.blanks();
        cursor.end()?;
        Ok(Self {
            attribute,
            filter,
            sub,
        })
    }

    /// The sub-attribute, on whichever side of the filter it stands.
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref().or(self.attribute.sub.as_deref())
    }
}

impl From<AttributePath> for Path {
    fn from(attribute: AttributePath) -> Self {
        Self {
            attribute,
            filter: None,
            sub: None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.attribute)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}
