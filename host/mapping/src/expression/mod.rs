//! Entra's expression language: `Join(" ", [name.givenName], [name.familyName])`.
//!
//! The grammar and every function are those of Microsoft's "Reference for writing expressions for attribute
//! mappings", with its rules on null, case and dates. An expression is read once, checked as far as can be
//! without values, and then evaluated against whole objects, never against what one request happens to change:
//! Entra's own evaluation of a `Switch` over a partial update empties the target's attribute.
//!
//! What a function needs from outside (the time, randomness, whether a value is free) it asks the
//! [`Environment`] for.
//!
//! * `lexer`, `parser`, [`node`]: text to tree and back
//! * [`function`]: the names and how many arguments each takes
//! * [`value`]: what an expression works with
//! * `evaluate` and the modules beside it: what the functions do

mod compare;
mod date;
mod date_format;
mod diacritics;
pub mod environment;
pub mod error;
mod evaluate;
pub mod function;
mod lexer;
pub mod node;
mod parser;
mod pattern;
mod random;
mod replace;
mod text;
mod total;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use environment::{Environment, Nowhere};
pub use error::{EvaluationError, ParseError};
pub use function::Function;
pub use node::{Call, Node};
pub use value::Value;

pub use date_format::read_any as read_date;
use pattern::Pattern;
pub(crate) use pattern::compile as compile_pattern;

/// Entra's own limit for the text of an expression, in characters.
pub const MAX_LENGTH: usize = 10_000;

/// An expression that has been read and checked.
#[derive(Clone)]
pub struct Expression {
    root: Node,
    /// The regular expressions that stand in it as constants.
    patterns: BTreeMap<String, Pattern>,
}

/// What becomes of an evaluated flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The attribute gets this value; [`Value::Null`] is no value.
    Value(Value),
    /// `IgnoreFlowIfNullOrEmpty`: the attribute is left alone.
    Ignored,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let root = parser::parse(text)?;
        let mut patterns = BTreeMap::new();
        pattern::compile_constants(&root, &mut patterns)?;
        Ok(Self { root, patterns })
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The attributes that it reads, as written between the brackets, each once.
    pub fn attributes(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            if let Node::Attribute(name) = node
                && !found.contains(&name.as_str())
            {
                found.push(name.as_str());
            }
        });
        found
    }

    /// Does it call one of these functions?
    pub fn calls(&self, functions: &[Function]) -> bool {
        let mut found = false;
        self.root.visit(&mut |node| {
            found |= matches!(node, Node::Call(call) if functions.contains(&call.function));
        });
        found
    }

    /// May it come to another value for the same object?
    pub fn is_volatile(&self) -> bool {
        self.calls(&[
            Function::Now,
            Function::Guid,
            Function::RandomString,
            Function::SelectUniqueValue,
        ])
    }

    /// Does it come to a value for every object, as far as its form shows?
    pub fn always_has_value(&self) -> bool {
        total::has_value(&self.root)
    }

    /// `Redact`: the value must not be shown in a log.
    pub fn is_redacted(&self) -> bool {
        self.calls(&[Function::Redact])
    }

    /// Evaluates it for an attribute; `read` knows the values of others.
    pub fn evaluate(
        &self,
        attribute: &str,
        read: &dyn Fn(&str) -> Value,
        environment: &dyn Environment,
    ) -> Result<Outcome, EvaluationError> {
        let evaluator = evaluate::Evaluator::new(attribute, &self.patterns, read, environment);
        evaluator.run(&self.root)
    }
}

impl FromStr for Expression {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// The canonical spelling, which is read as the same expression.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.root)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl Eq for Expression {}
