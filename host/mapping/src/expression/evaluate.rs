//! Walking the tree, and the functions that choose what is evaluated at all.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::environment::Environment;
use super::error::{EvaluationError, Fault};
use super::function::Function;
use super::node::{Call, Node};
use super::pattern::Pattern;
use super::value::{MAX_TEXT, Value};
use super::{Outcome, compare, date, diacritics, random, replace, text};

/// Why the evaluation ends before it comes to a value.
pub(super) enum Stop {
    /// `IgnoreFlowIfNullOrEmpty`, wherever it stands.
    Ignored,
    /// A function gave up.
    Failed(EvaluationError),
}

pub(super) type Evaluated = Result<Value, Stop>;

pub(super) struct Evaluator<'e> {
    /// The attribute that the expression is for.
    attribute: &'e str,
    pub(super) patterns: &'e BTreeMap<String, Pattern>,
    read: &'e dyn Fn(&str) -> Value,
    environment: &'e dyn Environment,
    /// How often randomness was asked for.
    drawn: Cell<u64>,
}

/// The arguments of one call, evaluated when they are asked for.
pub(super) struct Arguments<'e> {
    pub(super) evaluator: &'e Evaluator<'e>,
    pub(super) call: &'e Call,
}

impl<'e> Evaluator<'e> {
    pub(super) fn new(
        attribute: &'e str,
        patterns: &'e BTreeMap<String, Pattern>,
        read: &'e dyn Fn(&str) -> Value,
        environment: &'e dyn Environment,
    ) -> Self {
        Self {
            attribute,
            patterns,
            read,
            environment,
            drawn: Cell::new(0),
        }
    }

    pub(super) fn run(&self, root: &Node) -> Result<Outcome, EvaluationError> {
        match self.value(root) {
            Ok(value) => Ok(Outcome::Value(value)),
            Err(Stop::Ignored) => Ok(Outcome::Ignored),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    pub(super) fn now(&self) -> Option<Timestamp> {
        self.environment.now()
    }

    pub(super) fn random(&self) -> Option<u64> {
        let number = self.drawn.get();
        self.drawn.set(number.wrapping_add(1));
        self.environment.random(self.attribute, number)
    }

    fn value(&self, node: &Node) -> Evaluated {
        Ok(match node {
            Node::Absent => Value::Null,
            Node::Text(text) => Value::Text(text.clone()),
            Node::Integer(number) => Value::Integer(*number),
            Node::Boolean(value) => Value::Boolean(*value),
            Node::Case(case) => Value::text(case.as_str()),
            Node::Attribute(name) => (self.read)(name),
            Node::Compare(a, operator, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                Value::Boolean(compare::holds(&a, *operator, &b))
            }
            Node::Call(call) => {
                let arguments = Arguments {
                    evaluator: self,
                    call,
                };
                let value = arguments.call()?;
                match &value {
                    Value::Text(text) if text.len() > MAX_TEXT => {
                        return Err(arguments.fail(Fault::TooLong));
                    }
                    _ => value,
                }
            }
        })
    }
}

impl Arguments<'_> {
    pub(super) fn fail(&self, fault: Fault) -> Stop {
        Stop::Failed(EvaluationError {
            function: self.call.function.name(),
            at: self.call.at,
            fault,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.call.arguments.len()
    }

    /// Is the argument there, whatever its value?
    pub(super) fn given(&self, index: usize) -> bool {
        self.call
            .arguments
            .get(index)
            .is_some_and(|node| *node != Node::Absent)
    }

    pub(super) fn node(&self, index: usize) -> &Node {
        self.call.arguments.get(index).unwrap_or(&Node::Absent)
    }

    pub(super) fn value(&self, index: usize) -> Evaluated {
        self.evaluator.value(self.node(index))
    }

    /// One value; a list of one is that one.
    pub(super) fn single(&self, index: usize) -> Evaluated {
        let value = self.value(index)?;
        let single = value.single().cloned();
        single.map_err(|()| {
            self.fail(Fault::Several {
                argument: self.call.function.argument(index),
            })
        })
    }

    /// The argument as text; `None` for null.
    pub(super) fn text(&self, index: usize) -> Result<Option<String>, Stop> {
        Ok(self.single(index)?.to_text().map(Cow::into_owned))
    }

    /// The argument as text; null is the empty one.
    pub(super) fn text_or_empty(&self, index: usize) -> Result<String, Stop> {
        Ok(self.text(index)?.unwrap_or_default())
    }

    /// A whole number; a text of digits is one.
    pub(super) fn integer(&self, index: usize) -> Result<i64, Stop> {
        let value = self.single(index)?;
        as_integer(&value).ok_or_else(|| self.mistyped(index, "a whole number"))
    }

    pub(super) fn mistyped(&self, index: usize, expected: &'static str) -> Stop {
        self.fail(Fault::Type {
            argument: self.call.function.argument(index),
            expected,
        })
    }

    pub(super) fn out_of_range(&self, index: usize, what: &'static str) -> Stop {
        self.fail(Fault::Range {
            argument: self.call.function.argument(index),
            what,
        })
    }

    pub(super) fn unavailable(&self, what: &'static str) -> Stop {
        self.fail(Fault::Unavailable(what))
    }

    fn call(&self) -> Evaluated {
        match self.call.function {
            Function::Append => text::append(self),
            Function::AppRoleAssignmentsComplex | Function::AssertiveAppRoleAssignmentsComplex => {
                text::roles(self)
            }
            Function::BitAnd => Ok(Value::Integer(self.integer(0)? & self.integer(1)?)),
            Function::CBool => self.boolean(0).map(Value::Boolean),
            Function::CDate => date::cdate(self),
            Function::Coalesce => self.coalesce(),
            Function::ConvertToBase64 => text::base64(self),
            Function::ConvertToUTF8Hex => text::hex(self),
            Function::Count => {
                let count = self.value(0)?.each().len();
                Ok(Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
            }
            Function::CStr => Ok(self.text(0)?.map_or(Value::Null, Value::Text)),
            Function::DateAdd => date::add(self),
            Function::DateDiff => date::difference(self),
            Function::DateFromNum => date::from_number(self),
            Function::DefaultDomain => self
                .evaluator
                .environment
                .default_domain()
                .map(Value::text)
                .ok_or_else(|| self.unavailable("the tenant's default domain")),
            Function::FormatDateTime => date::format(self),
            Function::Guid => random::guid(self),
            Function::IgnoreFlowIfNullOrEmpty => {
                let value = self.value(0)?;
                if value.is_null_or_empty() {
                    return Err(Stop::Ignored);
                }
                Ok(value)
            }
            Function::IIF => self.iif(),
            Function::InStr => text::position(self),
            Function::IsNull => Ok(self.value(0)?.is_null().into()),
            Function::IsNullOrEmpty => Ok(self.value(0)?.is_null_or_empty().into()),
            Function::IsPresent => Ok((!self.value(0)?.is_null_or_empty()).into()),
            Function::IsString => Ok(matches!(self.single(0)?, Value::Text(_)).into()),
            Function::Item => self.item(),
            Function::Join => text::join(self),
            Function::Left => text::left(self),
            Function::Len => text::length(self),
            Function::Mid => text::middle(self),
            Function::NormalizeDiacritics => {
                let source = self.text(0)?;
                Ok(source.map_or(Value::Null, |text| diacritics::normalize(&text).into()))
            }
            Function::Not => Ok((!compare::is_true(&self.single(0)?)).into()),
            Function::Now => date::now(self),
            Function::NumFromDate => date::to_number(self),
            Function::PCase => text::proper_case(self),
            Function::RandomString => random::string(self),
            Function::Redact => self.value(0),
            Function::RemoveDuplicates => self.distinct(),
            Function::Replace => replace::replace(self),
            Function::SelectUniqueValue => self.first_free(),
            Function::SingleAppRoleAssignment => text::single_role(self),
            Function::Split => text::split(self),
            Function::StripSpaces => {
                let source = self.text(0)?;
                Ok(source.map_or(Value::Null, |text| text.replace(' ', "").into()))
            }
            Function::Switch => self.switch(),
            Function::ToLower => text::lower(self),
            Function::ToUpper => text::upper(self),
            Function::Trim => {
                let source = self.text(0)?;
                Ok(source.map_or(Value::Null, |text| text.trim().into()))
            }
            Function::Word => text::word(self),
        }
    }

    fn coalesce(&self) -> Evaluated {
        for index in 0..self.count() {
            let value = self.value(index)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        Ok(Value::Null)
    }

    /// Microsoft's own rule: an attribute of the condition that is null or empty fails the condition, whatever it says.
    fn iif(&self) -> Evaluated {
        let mut absent = false;
        self.node(0).visit(&mut |node| {
            if let Node::Attribute(name) = node {
                absent |= (self.evaluator.read)(name).is_null_or_empty();
            }
        });
        let holds = !absent && self.boolean(0)?;
        self.value(if holds { 1 } else { 2 })
    }

    /// Non-zero is true.
    fn boolean(&self, index: usize) -> Result<bool, Stop> {
        let value = self.single(index)?;
        match &value {
            Value::Null => Ok(false),
            Value::Boolean(value) => Ok(*value),
            other => match as_integer(other) {
                Some(number) => Ok(number != 0),
                None => other
                    .to_text()
                    .and_then(|text| text.trim().to_ascii_lowercase().parse().ok())
                    .ok_or_else(|| self.mistyped(index, "true, false or a number")),
            },
        }
    }

    fn item(&self) -> Evaluated {
        let values = self.value(0)?;
        let index = usize::try_from(self.integer(1)?)
            .ok()
            .and_then(|index| index.checked_sub(1))
            .ok_or_else(|| self.out_of_range(1, "counts from 1"))?;
        Ok(values.each().get(index).cloned().unwrap_or(Value::Null))
    }

    fn distinct(&self) -> Evaluated {
        let mut seen = std::collections::HashSet::new();
        let values = self.value(0)?;
        let unique = values.each().iter().filter(|value| {
            let text = value.to_text().map(Cow::into_owned);
            seen.insert(text)
        });
        Ok(Value::Many(unique.cloned().collect()))
    }

    fn first_free(&self) -> Evaluated {
        for index in 0..self.count() {
            let Some(value) = self.text(index)?.filter(|value| !value.is_empty()) else {
                continue;
            };
            let evaluator = self.evaluator;
            match evaluator.environment.is_free(evaluator.attribute, &value) {
                Some(true) => return Ok(Value::Text(value)),
                Some(false) => {}
                None => return Err(self.fail(Fault::Unasked(value))),
            }
        }
        Err(self.fail(Fault::NoneFree))
    }

    /// Case-sensitive; the key `""` is for an absent source, too.
    fn switch(&self) -> Evaluated {
        let source = self.text_or_empty(0)?;
        let mut key = 2;
        while key + 1 < self.count() {
            if self.text_or_empty(key)? == source {
                return self.value(key + 1);
            }
            key += 2;
        }
        self.value(1)
    }
}

/// A whole number, or a text that is one.
pub(super) fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}
