//! The tree of an expression, and its canonical spelling.

use std::fmt;

use super::function::Function;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// An argument that is left out.
    Absent,
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `True` or `False`.
    Boolean(bool),
    /// How `InStr` compares.
    Case(Case),
    /// `[attribute]`
    Attribute(String),
    /// `Function(…)`
    Call(Call),
    /// `a = b`
    Compare(Box<Node>, Operator, Box<Node>),
}

/// A call of a function.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which.
    pub function: Function,
    /// The arguments, those left out included.
    pub arguments: Vec<Node>,
    /// Where it stands, in characters from 1.
    pub at: usize,
}

/// Where it stands is no part of what it is.
impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && self.arguments == other.arguments
    }
}

impl Eq for Call {}

/// How `InStr` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `vbTextCompare`: without case.
    Ignored,
    /// `vbBinaryCompare`: with case.
    Exact,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::AtMost => "<=",
        }
    }
}

impl Case {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignored => "vbTextCompare",
            Self::Exact => "vbBinaryCompare",
        }
    }
}

impl Node {
    /// Looks at the node and everything below it.
    pub fn visit<'n>(&'n self, look: &mut dyn FnMut(&'n Node)) {
        look(self);
        match self {
            Self::Call(call) => call.arguments.iter().for_each(|node| node.visit(look)),
            Self::Compare(a, _, b) => {
                a.visit(look);
                b.visit(look);
            }
            _ => {}
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Text(text) => {
                f.write_str("\"")?;
                for c in text.chars() {
                    if matches!(c, '"' | '\\') {
                        f.write_str("\\")?;
                    }
                    write!(f, "{c}")?;
                }
                f.write_str("\"")
            }
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(true) => f.write_str("True"),
            Self::Boolean(false) => f.write_str("False"),
            Self::Case(case) => f.write_str(case.as_str()),
            Self::Attribute(name) => write!(f, "[{name}]"),
            Self::Call(call) => {
                write!(f, "{}(", call.function.name())?;
                for (index, argument) in call.arguments.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    argument.fmt(f)?;
                }
                f.write_str(")")
            }
            Self::Compare(a, operator, b) => write!(f, "{a} {} {b}", operator.as_str()),
        }
    }
}
