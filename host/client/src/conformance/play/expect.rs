//! Expectations. One that is not met is kept with the last exchange, and ends the test only where going on is pointless.

use serde_json::{Value, json};

use super::super::attribute::Attribute;
use super::super::case::Stop;
use super::Play;
use crate::http::Reply;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

impl Play<'_> {
    /// Keeps a finding unless it is `good`.
    pub(in crate::conformance) fn expect(&self, good: bool, expected: impl Into<String>) {
        if !good {
            let found = self.last_status();
            self.keep(expected, found);
        }
    }

    /// The same with words of its own for what was found.
    pub(in crate::conformance) fn expect_or(
        &self,
        good: bool,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        if !good {
            self.keep(expected, found);
        }
    }

    /// Ends the test unless it is `good`.
    pub(in crate::conformance) fn require(&self, good: bool, expected: &str) -> Result<(), Stop> {
        if good {
            return Ok(());
        }
        Err(self.stop(expected, &self.last_status()))
    }

    /// Ends the test unless there is something.
    pub(in crate::conformance) fn some<T>(
        &self,
        there: Option<T>,
        expected: &str,
    ) -> Result<T, Stop> {
        there.ok_or_else(|| self.stop(expected, &self.last_status()))
    }

    /// Ends the test unless the answer has one of these statuses.
    pub(in crate::conformance) fn status(&self, reply: &Reply, good: &[u16]) -> Result<(), Stop> {
        let expected: Vec<_> = good.iter().map(u16::to_string).collect();
        self.require(
            good.contains(&reply.status),
            &format!("status {}", expected.join(" or ")),
        )
    }

    /// The attribute has this value in the resource.
    pub(in crate::conformance) fn holds(
        &self,
        resource: &Value,
        attribute: &Attribute,
        value: &Value,
    ) {
        if !attribute.returned {
            return;
        }
        let found = attribute.read(resource);
        self.expect_or(
            found == Some(value),
            format!("`{}` is {value}", attribute.path()),
            found.map_or_else(
                || "it is absent".to_owned(),
                |found| format!("it is {found}"),
            ),
        );
    }

    /// The attribute has no value in the resource.
    pub(in crate::conformance) fn lacks(&self, resource: &Value, attribute: &Attribute) {
        if let Some(found) = attribute.read(resource) {
            self.keep(
                format!("`{}` is absent, null or empty", attribute.path()),
                format!("it is {found}"),
            );
        }
    }

    /// A list response (RFC 7644, section 3.4.2) of so many resources.
    pub(in crate::conformance) fn list(
        &self,
        reply: &Reply,
        expected: usize,
    ) -> Result<Vec<Value>, Stop> {
        self.require(
            reply.status == 200,
            &format!("status 200 and a list of {expected}"),
        )?;
        self.list_shaped(reply);
        let found = reply.resources().len();
        let total = &reply.body["totalResults"];
        self.expect_or(
            *total == json!(expected) && found == expected,
            format!("`totalResults` {expected} and as many `Resources`"),
            format!("`totalResults` {total} and {found} `Resources`"),
        );
        Ok(reply.resources().to_vec())
    }

    /// The frame of a list response.
    pub(in crate::conformance) fn list_shaped(&self, reply: &Reply) {
        self.expect(
            reply.body["schemas"] == json!([LIST]),
            format!("`schemas` is [\"{LIST}\"]"),
        );
        self.expect(
            reply.body["totalResults"].is_u64(),
            "`totalResults` is a number",
        );
    }

    /// The error envelope of RFC 7644, section 3.12.
    pub(in crate::conformance) fn error_shaped(&self, reply: &Reply) {
        self.expect(
            reply.body["schemas"] == json!([ERROR]),
            format!("an error body with `schemas` [\"{ERROR}\"]"),
        );
        let status = reply.status.to_string();
        self.expect(
            reply.body["status"] == json!(status),
            format!("`status` is the text \"{status}\""),
        );
    }

    pub(super) fn keep(&self, expected: impl Into<String>, found: impl Into<String>) {
        let mut log = self.log();
        let finding = log.finding(expected.into(), found.into());
        log.findings.push(finding);
    }

    pub(super) fn stop(&self, expected: &str, found: &str) -> Stop {
        let finding = self.log().finding(expected.to_owned(), found.to_owned());
        Stop::Failed(Box::new(finding))
    }

    pub(super) fn last_status(&self) -> String {
        match self.log().last.as_ref().and_then(|last| last.status) {
            Some(status) => format!("status {status}; see the answer"),
            None => "no answer".to_owned(),
        }
    }
}
