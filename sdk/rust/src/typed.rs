//! Attributes as an author's own type, through serde.

use crate::{Attribute, Failure, Result, Scalar, Value};
use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Reads attributes into a type: see [`Attributes::to`](crate::Attributes::to).
pub(crate) fn from_attributes<T: DeserializeOwned>(attributes: &[Attribute]) -> Result<T> {
    let present = attributes.iter().filter(|a| !a.values.is_empty());
    T::deserialize(MapDeserializer::new(
        present.map(|a| (a.name.as_str(), Values(&a.values))),
    ))
    .map_err(|e: Error| Failure::invalid(format!("the attributes do not fit: {e}")))
}

/// All values of one attribute: a list where a list is asked for, else the first one.
struct Values<'a>(&'a [Value]);
struct One<'a>(&'a Value);
struct Simple<'a>(&'a Scalar);
struct Simples<'a>(&'a [Scalar]);

macro_rules! first_or_all {
    ($type:ident, $one:ident) => {
        impl<'de> IntoDeserializer<'de, Error> for $type<'de> {
            type Deserializer = Self;
            fn into_deserializer(self) -> Self {
                self
            }
        }

        impl<'de> Deserializer<'de> for $type<'de> {
            type Error = Error;

            fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Error> {
                match self.0 {
                    [] => visitor.visit_unit(),
                    [first, ..] => $one(first).deserialize_any(visitor),
                }
            }

            fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Error> {
                visitor.visit_seq(SeqDeserializer::new(self.0.iter().map($one)))
            }

            fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Error> {
                if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
            }

            fn deserialize_newtype_struct<V: Visitor<'de>>(
                self,
                _: &'static str,
                visitor: V,
            ) -> std::result::Result<V::Value, Error> {
                visitor.visit_newtype_struct(self)
            }

            forward_to_deserialize_any! {
                bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
                tuple tuple_struct map struct enum identifier ignored_any
            }
        }
    };
}

first_or_all!(Values, One);
first_or_all!(Simples, Simple);

macro_rules! one {
    ($type:ident, |$inner:ident, $visitor:ident| $body:expr) => {
        impl<'de> IntoDeserializer<'de, Error> for $type<'de> {
            type Deserializer = Self;
            fn into_deserializer(self) -> Self {
                self
            }
        }

        impl<'de> Deserializer<'de> for $type<'de> {
            type Error = Error;

            fn deserialize_any<V: Visitor<'de>>(self, $visitor: V) -> std::result::Result<V::Value, Error> {
                let $inner = self.0;
                $body
            }

            fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Error> {
                visitor.visit_some(self)
            }

            fn deserialize_newtype_struct<V: Visitor<'de>>(
                self,
                _: &'static str,
                visitor: V,
            ) -> std::result::Result<V::Value, Error> {
                visitor.visit_newtype_struct(self)
            }

            fn deserialize_enum<V: Visitor<'de>>(
                self,
                _: &'static str,
                _: &'static [&'static str],
                visitor: V,
            ) -> std::result::Result<V::Value, Error> {
                self.deserialize_any(visitor)
            }

            forward_to_deserialize_any! {
                bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
                seq tuple tuple_struct map struct identifier ignored_any
            }
        }
    };
}

one!(One, |value, visitor| match value {
    Value::Simple(scalar) => Simple(scalar).deserialize_any(visitor),
    Value::Complex(parts) => {
        visitor.visit_map(MapDeserializer::new(
            parts.iter().map(|p| (p.name.as_str(), Simples(&p.values))),
        ))
    }
});

one!(Simple, |scalar, visitor| match scalar {
    Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) =>
        visitor.visit_borrowed_str(text),
    Scalar::Boolean(value) => visitor.visit_bool(*value),
    Scalar::Integer(value) => visitor.visit_i64(*value),
    Scalar::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Attributes;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Name {
        given: String,
        family: Option<String>,
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Person {
        uid: String,
        mail: Vec<String>,
        #[serde(default)]
        phones: Vec<String>,
        active: Option<bool>,
        room: Option<i64>,
        name: Name,
    }

    #[test]
    fn a_field_takes_the_first_value_and_a_list_all_of_them() {
        let attributes = [
            Attribute::new("uid", "ana"),
            Attribute::all("mail", ["a@x", "b@x"]),
            Attribute::new("active", true),
            Attribute::new("name", Value::complex([("given", "Ana")])),
        ];
        let person: Person = attributes.to().expect("they fit");
        assert_eq!(person.mail, ["a@x", "b@x"]);
        assert_eq!(
            (person.active, person.room, person.phones.len()),
            (Some(true), None, 0)
        );
        assert_eq!(
            person.name,
            Name {
                given: "Ana".to_owned(),
                family: None
            }
        );
    }

    #[test]
    fn a_missing_required_field_is_invalid() {
        let failure = [Attribute::new("mail", "a@x")]
            .to::<Person>()
            .expect_err("uid is missing");
        assert!(failure.is(crate::Fault::Invalid));
    }
}
