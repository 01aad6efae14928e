//! Objects that a test starts from. Whatever is made is on the ledger, and taken away after the test.

use serde_json::{Value, json};

use super::super::attribute::Attribute;
use super::super::case::Stop;
use super::super::server::Kind;
use super::{Play, name_of};

/// An object that a test has made.
pub(in crate::conformance) struct Made {
    /// Its id.
    pub(in crate::conformance) id: String,
    /// `userName` or `displayName`.
    pub(in crate::conformance) name: String,
    /// What was posted.
    pub(in crate::conformance) body: Value,
    /// What came back.
    pub(in crate::conformance) answer: Value,
}

impl Play<'_> {
    /// A user as Entra creates one by default, of the attributes that the server has.
    pub(in crate::conformance) fn person(&self) -> Value {
        const USUAL: [&str; 8] = [
            "externalId",
            "userName",
            "displayName",
            "name.givenName",
            "name.familyName",
            "name.formatted",
            "emails[type eq \"work\"].value",
            "title",
        ];
        self.body(self.users(), |attribute| {
            USUAL.contains(&attribute.path().as_str())
        })
    }

    /// A user with everything that the server has.
    pub(in crate::conformance) fn full_person(&self) -> Value {
        self.body(self.users(), |_| true)
    }

    /// An empty group as Entra creates one.
    pub(in crate::conformance) fn team(&self, groups: &Kind) -> Value {
        self.body(groups, |attribute| {
            ["externalId", "displayName"].contains(&attribute.path().as_str())
        })
    }

    fn body(&self, kind: &Kind, wanted: impl Fn(&Attribute) -> bool) -> Value {
        let sampler = self.sampler();
        let mut schemas = vec![kind.schema.to_owned()];
        schemas.extend(kind.extensions.iter().cloned());
        let mut body = json!({ "schemas": schemas, "meta": { "resourceType": kind.name } });
        for attribute in &kind.attributes {
            let path = attribute.path();
            let fixed = kind.name == "User" && sampler.fixed(&path).is_some();
            if path == "active" {
                // Entra creates nobody who is disabled.
                attribute.put(&mut body, json!(true));
            } else if attribute.required || fixed || wanted(attribute) {
                attribute.put(&mut body, sampler.value(attribute, sampler.turn()));
            }
        }
        if kind.name == "User" {
            for (path, value) in sampler.all_fixed() {
                if kind.attribute(path).is_none() {
                    body[path] = value.clone();
                }
            }
        }
        body
    }

    /// A new user.
    pub(in crate::conformance) async fn user(&self) -> Result<Made, Stop> {
        self.made(self.users(), self.person()).await
    }

    /// A new, empty group.
    pub(in crate::conformance) async fn group(&self, groups: &Kind) -> Result<Made, Stop> {
        self.made(groups, self.team(groups)).await
    }

    /// A new object; without one the test ends.
    pub(in crate::conformance) async fn made(
        &self,
        kind: &Kind,
        body: Value,
    ) -> Result<Made, Stop> {
        let reply = self.post(kind, &body).await?;
        self.status(&reply, &[201])?;
        let id = self
            .some(reply.id(), "the new resource has an `id`")?
            .to_owned();
        let name = body[name_of(kind)].as_str().unwrap_or_default().to_owned();
        Ok(Made {
            id,
            name,
            body,
            answer: reply.body,
        })
    }

    /// A value that this attribute has never had.
    pub(in crate::conformance) fn fresh(&self, attribute: &Attribute) -> Value {
        self.sampler().value(attribute, self.sampler().turn())
    }
}
