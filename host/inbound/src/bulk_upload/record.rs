//! A record: one person, whole, as the source knows them now.
//!
//! An update without `active` disables the account, and with "Flow null values" an attribute that is left out is cleared:
//! so nothing but the full record with its explicit `active` can be made here.

use serde_json::{Map, Value, json};

/// The schema that a user has to name.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    key: String,
    data: Map<String, Value>,
    leaver: bool,
    /// As JSON, without what is around it.
    size: usize,
}

/// No record can be made of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no key.
    #[error("a record without a key: the source's stable key goes to `externalId`")]
    NoKey,
    /// `active` is left out.
    #[error(
        "the record of `{0}` has no `active`: Entra would disable the account; map `active` to true or false for everybody"
    )]
    NoActive(String),
    /// `active` is something else.
    #[error("`active` of `{0}` is no boolean")]
    ActiveNotBoolean(String),
    /// A leaver who stays.
    #[error("`{0}` leaves, but `active` is true: the mapping must make it false for leavers")]
    ActiveLeaver(String),
    /// Two keys.
    #[error(
        "the record of `{key}` has another `externalId`, `{external_id}`: both must be the source's key"
    )]
    OtherKey {
        /// The source's key.
        key: String,
        /// What the mapping made.
        external_id: String,
    },
}

impl Record {
    /// A record of the source's key and the full SCIM user. `externalId` and `schemas` are added where they are missing.
    pub fn new(key: &str, mut data: Map<String, Value>, leaver: bool) -> Result<Self, Unfit> {
        if key.trim().is_empty() {
            return Err(Unfit::NoKey);
        }
        match data.get("active") {
            Some(Value::Bool(active)) if *active && leaver => {
                return Err(Unfit::ActiveLeaver(key.to_owned()));
            }
            Some(Value::Bool(_)) => {}
            None | Some(Value::Null) => return Err(Unfit::NoActive(key.to_owned())),
            Some(_) => return Err(Unfit::ActiveNotBoolean(key.to_owned())),
        }
        match data.get("externalId") {
            None => {
                data.insert("externalId".to_owned(), key.into());
            }
            Some(Value::String(external_id)) if external_id == key => {}
            Some(other) => {
                let external_id = other.as_str().map_or(other.to_string(), str::to_owned);
                return Err(Unfit::OtherKey {
                    key: key.to_owned(),
                    external_id,
                });
            }
        }
        if !data.contains_key("schemas") {
            // The core, and every extension that the record has.
            let urns = data.keys().filter(|name| name.starts_with("urn:"));
            let urns: Vec<&str> = std::iter::once(USER_URN)
                .chain(urns.map(String::as_str))
                .collect();
            let urns = json!(urns);
            data.insert("schemas".to_owned(), urns);
        }
        let size = serde_json::to_vec(&data).map_or(usize::MAX, |bytes| bytes.len());
        Ok(Self {
            key: key.to_owned(),
            data,
            leaver,
            size,
        })
    }

    /// The source's key: Entra's `externalId`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The user as it is sent.
    pub fn data(&self) -> &Map<String, Value> {
        &self.data
    }

    /// Whether this person has to lose access.
    pub fn is_leaver(&self) -> bool {
        self.leaver
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(data: &Value, leaver: bool) -> Result<Record, Unfit> {
        Record::new("10042", data.as_object().unwrap().clone(), leaver)
    }

    #[test]
    fn a_record_has_an_explicit_active() {
        assert_eq!(
            record(&json!({"userName": "ana"}), false),
            Err(Unfit::NoActive("10042".to_owned()))
        );
        assert_eq!(
            record(&json!({"active": null}), false),
            Err(Unfit::NoActive("10042".to_owned()))
        );
        assert_eq!(
            record(&json!({"active": "True"}), false),
            Err(Unfit::ActiveNotBoolean("10042".to_owned()))
        );
        assert_eq!(
            record(&json!({"active": true}), true),
            Err(Unfit::ActiveLeaver("10042".to_owned()))
        );
        assert!(record(&json!({"active": false}), true).is_ok());
    }

    #[test]
    fn key_and_schemas_are_added_but_never_two_keys() {
        let made = record(
            &json!({"active": true, "urn:contoso:employee": {"JobCode": "A"}}),
            false,
        );
        let made = made.unwrap();
        assert_eq!(made.data()["externalId"], "10042");
        assert_eq!(
            made.data()["schemas"],
            json!([USER_URN, "urn:contoso:employee"])
        );
        assert!(matches!(
            record(&json!({"active": true, "externalId": "7"}), false),
            Err(Unfit::OtherKey { .. })
        ));
        let empty = json!({"active": true});
        assert_eq!(
            Record::new(" ", empty.as_object().unwrap().clone(), false),
            Err(Unfit::NoKey)
        );
    }
}
