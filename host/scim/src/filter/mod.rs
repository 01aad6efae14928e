//! Filters (RFC 7644, section 3.4.2.2): parse, print, evaluate.

mod check;
mod eval;
pub(crate) mod parse;
mod print;

use serde_json::{Map, Number, Value};

pub use self::eval::fold_case;
pub(crate) use self::eval::{compare_numbers, matches_element};
use crate::path::{AttributePath, ParseError};
use crate::schema::ResourceType;
use crate::{Error, Rules};

/// How an attribute and a literal are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal to.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal to.
    Le,
}

/// What an attribute is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `"text"`
    Text(String),
    /// `true`, `false`
    Boolean(bool),
    /// `42`
    Number(Number),
    /// `null`
    Null,
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// Either.
    Or(Box<Filter>, Box<Filter>),
    /// Not.
    Not(Box<Filter>),
    /// `userName eq "ana"`
    Test(AttributePath, CompareOp, Literal),
    /// `title pr`
    Present(AttributePath),
    /// `emails[type eq "work"]`: one element passes. Entra's `emails[type eq "work"].value eq "x"` is read as
    /// `emails[type eq "work" and value eq "x"]`.
    Element(AttributePath, Box<Filter>),
}

impl Filter {
    /// Reads a filter, in Entra's dialect.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with(&Rules::ENTRA, text)
    }

    /// Reads a filter.
    pub fn parse_with(rules: &Rules, text: &str) -> Result<Self, ParseError> {
        parse::filter(rules, text)
    }

    /// Does every comparison make sense for these types? What orders booleans or bytes is refused (RFC 7644, section
    /// 3.4.2.2), and in strict mode what none of the types has.
    pub fn check(&self, types: &[&ResourceType], rules: &Rules) -> Result<(), Error> {
        check::check(self, types, rules)
    }

    /// Does the resource pass?
    ///
    /// `rendered` carries `id`, `meta` and, where they are loaded, `members` and `groups`. An attribute that the type
    /// does not know passes no test and is never an error: Entra's first probe of a new app asks for one called
    /// `PLACEHOLDER` and wants an empty list.
    pub fn matches(&self, ty: &ResourceType, rendered: &Map<String, Value>) -> bool {
        eval::matches(self, ty, rendered)
    }

    /// Does a member of a group pass? The filter's paths are a member's own: `value`, `type`, `display`.
    pub fn matches_member(&self, ty: &ResourceType, member: &Value) -> bool {
        ty.schema
            .attribute("members")
            .is_some_and(|members| matches_element(self, members, member))
    }

    /// Does the filter ask for that top-level attribute?
    pub fn mentions(&self, attribute: &str) -> bool {
        match self {
            Self::And(a, b) | Self::Or(a, b) => a.mentions(attribute) || b.mentions(attribute),
            Self::Not(inner) => inner.mentions(attribute),
            Self::Test(path, ..) | Self::Present(path) | Self::Element(path, _) => {
                path.attribute.eq_ignore_ascii_case(attribute)
            }
        }
    }

    /// The members that the filter asks for, each by its id; none if it asks for any in another way. Whether it passes
    /// depends on no other member.
    pub fn named_members(&self) -> Option<Vec<&str>> {
        let is_members = |path: &AttributePath| path.attribute.eq_ignore_ascii_case("members");
        let is_value = |name: &str| name.eq_ignore_ascii_case("value");
        match self {
            Self::And(a, b) | Self::Or(a, b) => {
                let mut all = a.named_members()?;
                all.extend(b.named_members()?);
                Some(all)
            }
            Self::Not(inner) => inner.named_members(),
            Self::Test(path, op, literal) if is_members(path) => match (op, literal) {
                (CompareOp::Eq, Literal::Text(id)) if path.sub.as_deref().is_none_or(is_value) => {
                    Some(vec![id])
                }
                _ => None,
            },
            Self::Element(path, inner) if is_members(path) => match &**inner {
                Self::Test(sub, CompareOp::Eq, Literal::Text(id)) if is_value(&sub.attribute) => {
                    Some(vec![id])
                }
                _ => None,
            },
            Self::Present(path) if is_members(path) => None,
            Self::Test(..) | Self::Present(_) | Self::Element(..) => Some(Vec::new()),
        }
    }

    /// What every passing element has to equal: the `eq` tests that are not behind an `or` or a `not`.
    /// `None` if there is anything else in the filter, so that it does not describe one element.
    pub(crate) fn equalities(&self) -> Option<Vec<(&AttributePath, &Literal)>> {
        match self {
            Self::Test(path, CompareOp::Eq, literal) => Some(vec![(path, literal)]),
            Self::And(a, b) => {
                let mut all = a.equalities()?;
                all.extend(b.equalities()?);
                Some(all)
            }
            _ => None,
        }
    }
}
