//! The values that expressions work with.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::date_format;

/// No value grows beyond this many bytes, whatever an expression does to it.
pub const MAX_TEXT: usize = 1 << 20;

/// A value. An attribute that is not there is [`Value::Null`].
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// Text.
    Text(String),
    /// True or false; as text `True` and `False`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A point in time; as text `M/d/yyyy h:mm:ss tt`, in UTC.
    Instant(Timestamp),
    /// Bytes; as text base64.
    Binary(Vec<u8>),
    /// Several values.
    Many(Vec<Value>),
}

/// The type only: the value may be a password.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Text(_) => "Text(..)",
            Self::Boolean(_) => "Boolean(..)",
            Self::Integer(_) => "Integer(..)",
            Self::Instant(_) => "Instant(..)",
            Self::Binary(_) => "Binary(..)",
            Self::Many(_) => "Many(..)",
        })
    }
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Absent: null, or a list without values.
    pub fn is_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Many(values) => values.is_empty(),
            _ => false,
        }
    }

    /// Absent, or an empty text.
    pub fn is_null_or_empty(&self) -> bool {
        self.is_null() || matches!(self, Self::Text(text) if text.is_empty())
    }

    /// The values one by one; null has none.
    pub fn each(&self) -> &[Value] {
        match self {
            Self::Null => &[],
            Self::Many(values) => values,
            single => std::slice::from_ref(single),
        }
    }

    /// The one value: a list of one is that one. `Err` when there are several.
    pub(crate) fn single(&self) -> Result<&Value, ()> {
        match self.each() {
            [] => Ok(&Self::Null),
            [one] => Ok(one),
            _ => Err(()),
        }
    }

    /// As text, the way .NET writes it; `None` for null. A list has no text.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null | Self::Many(_) => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Boolean(true) => Some(Cow::Borrowed("True")),
            Self::Boolean(false) => Some(Cow::Borrowed("False")),
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Instant(instant) => Some(Cow::Owned(date_format::general(*instant))),
            Self::Binary(bytes) => Some(Cow::Owned(STANDARD.encode(bytes))),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Self::Many(values)
    }
}
