//! Mappings of other products, brought over.
//!
//! Entra's synchronization schema (what the portal's *Review your schema* downloads) and the XML of a MIM or ECMA2
//! management agent say how a target's attributes are made of *their* attributes of a person. Here a target's attributes
//! are made of SCIM paths. Between the two stand [`names`]: where Entra puts its attributes by default.
//!
//! Nothing is dropped in silence: each flow has a [`Note`], and what could not be brought over says why.
//!
//! * [`document`]: Entra's schema, as JSON
//! * [`entra`]: from it; [`export`]: to it
//! * [`mim`]: from a management agent's XML

pub mod document;
pub mod entra;
pub mod export;
pub mod mim;
pub mod names;
mod target;
mod xml;

use std::fmt;

use crate::overrides::Overrides;
use crate::scope::Scope;

/// What became of another product's mapping of one kind of object.
#[derive(Clone, Debug)]
pub struct Brought {
    /// For `[mapping.KIND]`.
    pub overrides: Overrides,
    /// Who is in scope there.
    pub scope: Scope,
    /// What became of each flow, in the order of the file.
    pub notes: Vec<Note>,
}

/// What became of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The target's attribute, as the file names it.
    pub attribute: String,
    /// How it went.
    pub fate: Fate,
    /// What was done, or why nothing could be.
    pub text: String,
}

/// How it went with one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does here what it did there.
    Same,
    /// It is there, and somebody has to look at it or do something for it.
    Look,
    /// It could not be brought over.
    Left,
}

impl Fate {
    /// For reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Look => "look at it",
            Self::Left => "left out",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.attribute,
            self.fate.as_str(),
            self.text
        )
    }
}

/// Why a file is not one that can be brought over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BringError {
    /// No schema of Entra's.
    #[error("this is no synchronization schema: {0}")]
    Schema(String),
    /// No management agent.
    #[error("this is no management agent's configuration: {0}")]
    Xml(String),
    /// Nothing for such objects.
    #[error("it maps no `{wanted}`; it maps {known}")]
    NoObject {
        /// What was looked for.
        wanted: String,
        /// What there is.
        known: String,
    },
}

fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() {
        return "nothing".to_owned();
    }
    quoted.join(", ")
}
