//! A guest's cell as the text of whatever type the server expects in its place.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::bindings::tombolo::connector::sql::Cell;
use crate::capability::sql::value;
use crate::contract::Scalar;

/// A cell on its way to the server.
pub(super) struct Parameter<'a>(pub(super) &'a Cell);

/// The driver logs parameters in their Debug form, and a value belongs into no log.
impl fmt::Debug for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// What a cell is where nothing in the statement says what it should be.
pub(super) fn own_type(cell: &Cell) -> Type {
    match cell {
        Cell::Null | Cell::Is(Scalar::Text(_)) => Type::TEXT,
        Cell::Is(Scalar::Boolean(_)) => Type::BOOL,
        Cell::Is(Scalar::Integer(_)) => Type::INT8,
        Cell::Is(Scalar::Decimal(_)) => Type::NUMERIC,
        Cell::Is(Scalar::Instant(_)) => Type::TIMESTAMPTZ,
        Cell::Is(Scalar::Bytes(_)) => Type::BYTEA,
    }
}

/// Can it be sent? The server answers for the rest.
pub(super) fn check(cell: &Cell, kind: &Type) -> Result<(), String> {
    spell(cell, kind).map(drop)
}

fn spell(cell: &Cell, kind: &Type) -> Result<Option<String>, String> {
    let kind = base(kind);
    let Cell::Is(scalar) = cell else {
        return Ok(None);
    };
    Ok(Some(match scalar {
        Scalar::Text(text) if *kind == Type::BYTEA => hexadecimal(text.as_bytes()),
        Scalar::Text(text) if text.contains('\0') => {
            return Err("PostgreSQL cannot hold U+0000 in a text".to_owned());
        }
        Scalar::Text(text) | Scalar::Decimal(text) => text.clone(),
        Scalar::Boolean(value) if is_number(kind) => u8::from(*value).to_string(),
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Integer(value) => value.to_string(),
        // `timestamp` would ignore a zone, so there must be none to ignore.
        Scalar::Instant(instant) => format!("{}Z", value::utc(instant)?),
        Scalar::Bytes(bytes) if *kind == Type::BYTEA => hexadecimal(bytes),
        Scalar::Bytes(_) => return Err(format!("bytes go to `bytea`, not to `{}`", kind.name())),
    }))
}

fn is_number(kind: &Type) -> bool {
    [
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::NUMERIC,
    ]
    .contains(kind)
}

/// The type below any domains.
fn base(kind: &Type) -> &Type {
    match kind.kind() {
        Kind::Domain(inner) => base(inner),
        _ => kind,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl ToSql for Parameter<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match spell(self.0, kind)? {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.put_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
