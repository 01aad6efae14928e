//! What is wrong with an expression, and why one came to no value.

/// Why a text is no expression. `at` counts characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {cause}")]
pub struct ParseError {
    /// Where it is wrong.
    pub at: usize,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with the text of an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// There is nothing.
    #[error("the expression is empty")]
    Empty,
    /// Entra's limit.
    #[error("an expression has at most {} characters", super::MAX_LENGTH)]
    TooLong,
    /// Calls within calls.
    #[error("functions are nested more than {} deep", super::parser::MAX_DEPTH)]
    TooDeep,
    /// A string without its end.
    #[error("this string has no closing quotation mark")]
    OpenString,
    /// An attribute without its end.
    #[error("this `[` has no `]`")]
    OpenAttribute,
    /// `[]`
    #[error("there is no attribute's name between `[` and `]`")]
    NoAttribute,
    /// A number that is none, or is too large.
    #[error("`{0}` is no whole number of 64 bits")]
    Number(String),
    /// A character that means nothing here.
    #[error("`{0}` means nothing here")]
    Character(char),
    /// Something else was expected.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What could stand here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// A function that there is not.
    #[error("there is no function `{name}`{}", .near.as_ref().map(|near| format!("; did you mean `{near}`? Names are case-sensitive")).unwrap_or_default())]
    UnknownFunction {
        /// As written.
        name: String,
        /// One that looks like it.
        near: Option<String>,
    },
    /// A bare word that is no value.
    #[error("`{0}` is no value: write `[{0}]` for an attribute, `\"{0}\"` for a text")]
    Word(String),
    /// The wrong number of arguments.
    #[error("`{function}` takes {expected}, not {found}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// How many it takes.
        expected: String,
        /// How many there are.
        found: usize,
    },
    /// A required argument is left out.
    #[error("argument {number} of `{function}` ({name}) is left out")]
    Absent {
        /// The function.
        function: &'static str,
        /// Which argument, from 1.
        number: usize,
        /// What it is for.
        name: &'static str,
    },
    /// Arguments that do not go together.
    #[error("`{function}` {what}")]
    Misuse {
        /// The function.
        function: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// A regular expression that is none.
    #[error("the regular expression is not understood: {0}")]
    Pattern(String),
}

/// Why an expression came to no value. Says what was expected, never a value: one may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{function}` at character {at}: {fault}")]
pub struct EvaluationError {
    /// The function that gave up.
    pub function: &'static str,
    /// Where it stands in the canonical or original text, from 1.
    pub at: usize,
    /// Why.
    pub fault: Fault,
}

/// Why a function gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The argument is of another type.
    #[error("{argument} is not {expected}")]
    Type {
        /// Which argument.
        argument: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Several values where one is wanted.
    #[error("{argument} has several values; choose one with Item, or put them together with Join")]
    Several {
        /// Which argument.
        argument: &'static str,
    },
    /// An argument out of its range.
    #[error("{argument} {what}")]
    Range {
        /// Which argument.
        argument: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A date format or style that is none.
    #[error("{0}")]
    Format(String),
    /// A regular expression that is none.
    #[error("the regular expression is not understood: {0}")]
    Pattern(String),
    /// A pattern without the group.
    #[error("the regular expression has no group `{0}`")]
    Group(String),
    /// The result would be too long.
    #[error("the result would be longer than {} bytes", super::value::MAX_TEXT)]
    TooLong,
    /// `SelectUniqueValue`: none is left.
    #[error("each of the values is taken already")]
    NoneFree,
    /// `SelectUniqueValue`: whether this one is free has to be found out first.
    #[error("nobody has said yet whether a value is free")]
    Unasked(String),
    /// The environment does not have it.
    #[error("{0} is not available here")]
    Unavailable(&'static str),
    /// Several roles where one is wanted.
    #[error("the person has several roles, and this function is for people with one")]
    SeveralRoles,
}
