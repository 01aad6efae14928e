//! Scoping filters: which people and groups an application is for.
//!
//! Entra's rules: the clauses of a filter must all hold; one filter of several is enough; without filters everybody is in
//! scope. Texts and patterns are compared with case. A value that is null or empty fails every clause but `IS NULL`, also
//! the negative ones, and so do several values at once. A pattern matches as .NET's `IsMatch` does: anywhere, unless it
//! says `^` and `$`.
//!
//! ```toml
//! [[scope]]
//! title = "Sales"
//! clauses = [
//!     { attribute = "department", operator = "EQUALS", value = "Sales" },
//!     { attribute = "title", operator = "IS NOT NULL" },
//! ]
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::near_names;
use crate::expression::{Value, compile_pattern};

/// Scoping filters, checked.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    filters: Vec<Filter>,
}

/// Scoping filters as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeTable(pub Vec<FilterTable>);

/// One filter as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterTable {
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What must hold, all of it.
    pub clauses: Vec<ClauseTable>,
}

/// One clause as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseTable {
    /// The attribute.
    pub attribute: String,
    /// The operator, as Entra writes it.
    pub operator: String,
    /// What the attribute is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

#[derive(Clone, Debug)]
struct Filter {
    title: String,
    clauses: Vec<Clause>,
}

#[derive(Clone)]
struct Clause {
    written: ClauseTable,
    test: Test,
}

impl fmt::Debug for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

/// What a clause asks of a text that is there.
#[derive(Clone)]
enum Test {
    Null(bool),
    Boolean(bool),
    Equals(String, bool),
    /// The attribute's value is a part of this text.
    Within(String, bool),
    Includes(String),
    EndsWith(String),
    Matches(Box<regex::Regex>, bool),
    Greater(i64, bool),
}

/// Why a scope is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scoping filter {filter}, clause {clause}: {cause}")]
pub struct ScopeError {
    /// Which filter: its title, or its number from 1.
    pub filter: String,
    /// Which clause, from 1.
    pub clause: usize,
    /// What is wrong.
    pub cause: ScopeCause,
}

/// What is wrong with a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeCause {
    /// A filter without clauses would let everybody in.
    #[error("it has no clauses")]
    Empty,
    /// No such operator.
    #[error("there is no operator `{name}`{}", .near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownOperator {
        /// As written.
        name: String,
        /// One that looks like it.
        near: Option<String>,
    },
    /// Entra has it, and nobody can say here what it needs.
    #[error("the operator `{0}` needs to know groups or certificates, and is not supported")]
    Unsupported(String),
    /// The operator compares, and there is nothing to compare with.
    #[error("the operator `{0}` needs a `value`")]
    NoValue(String),
    /// The operator compares with nothing.
    #[error("the operator `{0}` takes no `value`")]
    Value(String),
    /// Greater than what?
    #[error("the value of `{0}` must be a whole number")]
    NoNumber(String),
    /// The pattern is none.
    #[error("the regular expression is not understood: {0}")]
    Pattern(String),
}

/// The operators, as Entra's documentation writes them.
const OPERATORS: [&str; 15] = [
    "EQUALS",
    "NOT EQUALS",
    "IS TRUE",
    "IS FALSE",
    "IS NULL",
    "IS NOT NULL",
    "PRESENT",
    "REGEX MATCH",
    "NOT REGEX MATCH",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUALS",
    "INCLUDES",
    "ENDS_WITH",
    "&",
    "!&",
];

/// Two are the same that are written in the same way.
impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.table() == other.table()
    }
}

impl Scope {
    /// Everybody.
    pub fn everybody() -> Self {
        Self::default()
    }

    /// Checks what is written.
    pub fn new(table: &ScopeTable) -> Result<Self, ScopeError> {
        let mut filters = Vec::new();
        for (number, filter) in table.0.iter().enumerate() {
            let name = if filter.title.is_empty() {
                (number + 1).to_string()
            } else {
                format!("`{}`", filter.title)
            };
            let fail = |clause, cause| ScopeError {
                filter: name.clone(),
                clause,
                cause,
            };
            if filter.clauses.is_empty() {
                return Err(fail(0, ScopeCause::Empty));
            }
            let mut clauses = Vec::new();
            for (position, written) in filter.clauses.iter().enumerate() {
                clauses.push(Clause {
                    written: written.clone(),
                    test: test(written).map_err(|cause| fail(position + 1, cause))?,
                });
            }
            filters.push(Filter {
                title: filter.title.clone(),
                clauses,
            });
        }
        Ok(Self { filters })
    }

    /// As it is written.
    pub fn table(&self) -> ScopeTable {
        let table = |filter: &Filter| FilterTable {
            title: filter.title.clone(),
            clauses: filter.clauses.iter().map(|c| c.written.clone()).collect(),
        };
        ScopeTable(self.filters.iter().map(table).collect())
    }

    /// The attributes that it looks at.
    pub fn attributes(&self) -> Vec<&str> {
        let clauses = self.filters.iter().flat_map(|filter| &filter.clauses);
        let mut names: Vec<&str> = clauses.map(|c| c.written.attribute.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Is the object in scope? `read` knows its attributes.
    pub fn includes(&self, read: &dyn Fn(&str) -> Value) -> bool {
        self.filters.is_empty()
            || self.filters.iter().any(|filter| {
                let mut clauses = filter.clauses.iter();
                clauses.all(|clause| clause.test.holds(&read(&clause.written.attribute)))
            })
    }
}

fn test(written: &ClauseTable) -> Result<Test, ScopeCause> {
    let name = &written.operator;
    // `Greater_Than`, `GREATER THAN` and `GREATER_THAN` are all to be seen in Microsoft's pages.
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, ' ' | '_'))
        .collect::<String>()
        .to_uppercase();
    let value = || {
        written
            .value
            .clone()
            .ok_or_else(|| ScopeCause::NoValue(name.clone()))
    };
    let number = || {
        let value = value()?;
        let number = value.trim().parse();
        number.map_err(|_| ScopeCause::NoNumber(name.clone()))
    };
    let pattern = || {
        let pattern = compile_pattern(&value()?).map_err(ScopeCause::Pattern)?;
        Ok(Box::new(pattern))
    };
    let test = match plain.as_str() {
        "EQUALS" => Test::Equals(value()?, true),
        "NOTEQUALS" => Test::Equals(value()?, false),
        "ISTRUE" => Test::Boolean(true),
        "ISFALSE" => Test::Boolean(false),
        "ISNULL" => Test::Null(true),
        "ISNOTNULL" | "PRESENT" => Test::Null(false),
        "REGEXMATCH" => Test::Matches(pattern()?, true),
        "NOTREGEXMATCH" => Test::Matches(pattern()?, false),
        "GREATERTHAN" => Test::Greater(number()?, false),
        "GREATERTHANOREQUALS" => Test::Greater(number()?, true),
        "INCLUDES" => Test::Includes(value()?),
        "ENDSWITH" => Test::EndsWith(value()?),
        "&" => Test::Within(value()?, true),
        "!&" => Test::Within(value()?, false),
        "ISMEMBEROF" | "VALIDCERTMATCH" => return Err(ScopeCause::Unsupported(name.clone())),
        _ => {
            return Err(ScopeCause::UnknownOperator {
                name: name.clone(),
                near: near_names(name, OPERATORS.into_iter()).into_iter().next(),
            });
        }
    };
    let takes_none = matches!(test, Test::Null(_) | Test::Boolean(_));
    if takes_none
        && written
            .value
            .as_ref()
            .is_some_and(|value| !value.is_empty())
    {
        return Err(ScopeCause::Value(name.clone()));
    }
    Ok(test)
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        if let Self::Null(wanted) = self {
            return value.is_null_or_empty() == *wanted;
        }
        let Ok(value) = value.single() else {
            return false;
        };
        let Some(text) = value.to_text().filter(|text| !text.is_empty()) else {
            return false;
        };
        match self {
            Self::Null(_) => false,
            Self::Boolean(true) => text.eq_ignore_ascii_case("true"),
            Self::Boolean(false) => text.eq_ignore_ascii_case("false"),
            Self::Equals(wanted, same) => (text == wanted.as_str()) == *same,
            Self::Within(wanted, within) => wanted.contains(text.as_ref()) == *within,
            Self::Includes(part) => text.contains(part.as_str()),
            Self::EndsWith(end) => text.ends_with(end.as_str()),
            Self::Matches(pattern, wanted) => pattern.is_match(&text) == *wanted,
            Self::Greater(limit, or_equal) => text
                .trim()
                .parse::<i64>()
                .is_ok_and(|number| number > *limit || (*or_equal && number == *limit)),
        }
    }
}
