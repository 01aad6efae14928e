//! What is wrong with a mapping, and why a value could not be carried over.

use std::fmt;

use crate::expression::error::Fault;

/// Everything that is wrong with the mapping of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError {
    /// The kind.
    pub kind: String,
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
}

impl MappingError {
    pub(crate) fn unless_empty(kind: &str, problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(Self {
            kind: kind.to_owned(),
            problems,
        })
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "mapping.{}: {problem}", self.kind)?;
        }
        Ok(())
    }
}

impl std::error::Error for MappingError {}

/// One thing that is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Two attributes with one name.
    #[error("the connector describes attribute `{attribute}` twice")]
    DuplicateAttribute {
        /// The name.
        attribute: String,
    },
    /// An attribute's description contradicts itself.
    #[error("the connector's attribute `{attribute}` {what}")]
    Shape {
        /// The attribute.
        attribute: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A new resource type without endpoint or schema.
    #[error(
        "the connector's resource type `{resource}` is new and needs an `endpoint` and a `schema` URN"
    )]
    NoEndpoint {
        /// The resource type.
        resource: String,
    },
    /// The path does not parse.
    #[error("`{path}` is not a SCIM path: {cause}")]
    BadPath {
        /// The path as written.
        path: String,
        /// What the parser says.
        cause: String,
    },
    /// The path parses, but nothing can be mapped to it.
    #[error("`{path}` cannot be mapped: {cause}")]
    Unmappable {
        /// The path.
        path: String,
        /// Why.
        cause: String,
    },
    /// The object has no such attribute.
    #[error("`{path}` is mapped to `{attribute}`, which the connector does not have{}", hint(.near))]
    UnknownAttribute {
        /// The path.
        path: String,
        /// The name that is not there.
        attribute: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// The path is no attribute of the resource type or takes away what is not there.
    #[error("`{path}` is set to false, but nothing maps it{}", hint(.near))]
    NothingToUnmap {
        /// The path.
        path: String,
        /// Paths that look like it.
        near: Vec<String>,
    },
    /// Two attributes for one path.
    #[error(
        "`{path}` and `{other}` overlap: one value cannot come from both `{attribute}` and `{other_attribute}`"
    )]
    Overlap {
        /// One path.
        path: String,
        /// Its attribute.
        attribute: String,
        /// The other path.
        other: String,
        /// The other's attribute.
        other_attribute: String,
    },
    /// Two paths for one attribute.
    #[error(
        "`{path}` and `{other}` are both mapped to `{attribute}`; map one of them, or set the other to false"
    )]
    TwoPaths {
        /// The attribute.
        attribute: String,
        /// One path.
        path: String,
        /// The other path.
        other: String,
    },
    /// A required attribute that nothing feeds.
    #[error(
        "the target requires `{attribute}`, and nothing feeds it: map a SCIM path to it, or give a value under `constants`"
    )]
    NotFed {
        /// The attribute.
        attribute: String,
    },
    /// An expression for an attribute that is not there.
    #[error("`expressions` names `{attribute}`, which the connector does not have{}", hint(.near))]
    UnknownExpressed {
        /// The name that is not there.
        attribute: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// An expression that is none, or does not fit.
    #[error("the expression for `{attribute}`: {cause}")]
    BadExpression {
        /// The attribute.
        attribute: String,
        /// What is wrong, and where in the expression.
        cause: String,
    },
    /// What an expression is to be turned back into does not fit.
    #[error("the inverse of `{attribute}` for `{path}`: {cause}")]
    BadInverse {
        /// The attribute.
        attribute: String,
        /// The SCIM path.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// A constant for an attribute that is not there.
    #[error("`constants` names `{attribute}`, which the connector does not have{}", hint(.near))]
    UnknownConstant {
        /// The name that is not there.
        attribute: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// A constant that the attribute cannot hold.
    #[error("the constant for `{attribute}` does not fit: {cause}")]
    BadConstant {
        /// The attribute.
        attribute: String,
        /// Why.
        cause: String,
    },
}

fn hint(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; did you mean `{}`?", names.join("`, `")),
    }
}

/// The names that look like `wanted`, the most similar first.
pub(crate) fn near_names<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let folded = wanted.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .map(|name| (strsim::jaro_winkler(&folded, &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
        .into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Why a resource could not become an object. Never says the value itself,
/// which may be a secret, except ids of references.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The value does not fit the attribute's type.
    #[error(
        "`{path}` must be {expected}, because the target keeps it as the {data} attribute `{attribute}`"
    )]
    Type {
        /// The SCIM path.
        path: String,
        /// The object's attribute.
        attribute: String,
        /// The attribute's type.
        data: &'static str,
        /// What would fit.
        expected: &'static str,
    },
    /// A reference to a resource that is not there.
    #[error("`{path}` refers to `{id}`, and there is no such {kind}")]
    UnknownReference {
        /// The SCIM path.
        path: String,
        /// The SCIM id.
        id: String,
        /// The kind that was looked for.
        kind: String,
    },
    /// An expression came to no value, or to one that the attribute cannot hold.
    #[error("the target's attribute `{attribute}` is made by an expression, and {cause}")]
    Expression {
        /// The object's attribute.
        attribute: String,
        /// Why.
        cause: ExpressionCause,
    },
    /// A required attribute without a value.
    #[error("`{path}` is required: the target needs a value for its attribute `{attribute}`")]
    Missing {
        /// The SCIM path.
        path: String,
        /// The object's attribute.
        attribute: String,
    },
}

impl ConvertError {
    /// The attribute and the value of which `SelectUniqueValue` has to know whether it is free. Who asks the target puts
    /// the answer into the environment and tries again.
    pub fn unasked(&self) -> Option<(&str, &str)> {
        match self {
            Self::Expression {
                attribute,
                cause: ExpressionCause::Evaluation(error),
            } => match &error.fault {
                Fault::Unasked(value) => Some((attribute, value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Is each of the values taken that `SelectUniqueValue` could choose from?
    pub fn is_none_free(&self) -> bool {
        matches!(self, Self::Expression { cause: ExpressionCause::Evaluation(error), .. } if error.fault == Fault::NoneFree)
    }

    /// The SCIM path that the error is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Type { path, .. }
            | Self::UnknownReference { path, .. }
            | Self::Missing { path, .. } => path,
            Self::Expression { attribute, .. } => attribute,
        }
    }
}

/// Why an expression did not make an attribute's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionCause {
    /// It could not be evaluated.
    #[error("it cannot be evaluated: {0}")]
    Evaluation(#[from] crate::expression::EvaluationError),
    /// It was evaluated to something else.
    #[error("its result is not {expected}, as the attribute's type {data} demands")]
    Type {
        /// What would fit.
        expected: &'static str,
        /// The attribute's type.
        data: &'static str,
    },
    /// Several values for one.
    #[error("its result has several values, and the attribute holds one")]
    Several,
    /// A reference to a resource that is not there.
    #[error("its result refers to `{id}`, and there is no such {kind}")]
    UnknownReference {
        /// The SCIM id.
        id: String,
        /// The kind that was looked for.
        kind: String,
    },
}
