//! Many entries in one request (RFC 7644, section 3.7). It saves round trips and decides nothing: whatever does not succeed
//! here is done again alone, where it is judged.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value, json};
use tombolo_scim::bulk::REQUEST_URN;

use super::abilities::BulkLimits;
use super::difference::{blind, patch, whole};
use super::entry::{Applied, Done, Entry, Wanted};
use super::one::core_urn;
use super::{Server, Trouble, member};

/// An entry and what it comes to in a bulk request.
struct Work {
    entry: Entry,
    operation: Value,
    size: usize,
}

impl Server {
    /// Does what can be done in bulk; what is left is returned, in order.
    pub(super) async fn in_bulk(
        &self,
        entries: Vec<Entry>,
        limits: BulkLimits,
        applied: &mut Applied,
    ) -> Vec<Entry> {
        let mut alone = Vec::new();
        let mut batch: Vec<Work> = Vec::new();
        let mut bytes = 0;
        let mut entries = entries.into_iter();
        while let Some(entry) = entries.next() {
            let operation = match self.operation(&entry).await {
                Ok(Some(operation)) => operation,
                Ok(None) | Err(Trouble::Refused(_)) => {
                    alone.push(entry);
                    continue;
                }
                Err(Trouble::Stop(stop)) => {
                    applied.stopped = Some(stop);
                    alone.extend(batch.drain(..).map(|work| work.entry));
                    alone.push(entry);
                    alone.extend(entries);
                    return alone;
                }
            };
            let size = operation.to_string().len() + 64;
            if !batch.is_empty()
                && (batch.len() >= limits.operations || bytes + size > limits.bytes - 256)
            {
                alone.extend(self.flush(std::mem::take(&mut batch), applied).await);
                bytes = 0;
                if applied.stopped.is_some() {
                    alone.push(entry);
                    alone.extend(entries);
                    return alone;
                }
            }
            bytes += size;
            batch.push(Work {
                entry,
                operation,
                size,
            });
        }
        alone.extend(self.flush(batch, applied).await);
        alone
    }

    /// What an entry comes to; nothing where more than one request is needed.
    async fn operation(&self, entry: &Entry) -> Result<Option<Value>, Trouble> {
        let endpoint = self.endpoint(entry.kind);
        let at = |id: &str| {
            let segment =
                percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
            format!("/{endpoint}/{segment}")
        };
        match (&entry.wanted, &entry.id) {
            (Wanted::Absent, Some(id)) => Ok(Some(json!({"method": "DELETE", "path": at(id)}))),
            (Wanted::Absent, None) => Ok(None),
            (
                Wanted::Present {
                    resource,
                    members: None,
                },
                Some(id),
            ) if self.abilities().patch => {
                let data = patch(&blind(resource));
                Ok(Some(
                    json!({"method": "PATCH", "path": at(id), "data": data}),
                ))
            }
            (
                Wanted::Present {
                    resource,
                    members: None,
                },
                None,
            ) => {
                let found = self.find(entry.kind, &entry.key, Some(resource)).await?;
                if found.is_some() {
                    // To be compared, alone.
                    return Ok(None);
                }
                let data = whole(&entry.key, resource, core_urn(entry.kind));
                Ok(Some(
                    json!({"method": "POST", "path": format!("/{endpoint}"), "data": data}),
                ))
            }
            (Wanted::Present { .. }, _) => Ok(None),
        }
    }

    /// Sends a batch; returns what did not succeed.
    async fn flush(&self, batch: Vec<Work>, applied: &mut Applied) -> Vec<Entry> {
        if batch.len() < 2 {
            return batch.into_iter().map(|work| work.entry).collect();
        }
        let operations: Vec<Value> = batch
            .iter()
            .enumerate()
            .map(|(at, work)| {
                let mut operation = work.operation.clone();
                operation["bulkId"] = bulk_id(at).into();
                operation
            })
            .collect();
        let body = json!({"schemas": [REQUEST_URN], "Operations": operations});
        let size: usize = batch.iter().map(|work| work.size).sum();
        tracing::debug!(operations = batch.len(), size, "bulk request");
        let answer = match self.send(Method::POST, &["Bulk"], Some(&body)).await {
            Ok(answer) => answer,
            Err(stop) => {
                applied.stopped = Some(stop);
                return batch.into_iter().map(|work| work.entry).collect();
            }
        };
        let answers = if answer.status.is_success() {
            read(&answer.json())
        } else {
            HashMap::new()
        };
        let mut again = Vec::new();
        for (at, work) in batch.into_iter().enumerate() {
            let done = answers.get(&bulk_id(at)).and_then(|told| done(&work, told));
            match done {
                Some(done) => applied.done.push((work.entry.key, done)),
                None => again.push(work.entry),
            }
        }
        again
    }
}

fn bulk_id(at: usize) -> String {
    format!("op{at}")
}

/// What an operation's answer says.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    /// The resource's id, from its location or its body.
    id: Option<String>,
}

fn read(answer: &Value) -> HashMap<String, Told> {
    let operations = member(answer, "Operations").as_array();
    let told = operations.into_iter().flatten().filter_map(|operation| {
        let bulk_id = member(operation, "bulkId").as_str()?;
        // A string by the RFC, a number by some.
        let status = match member(operation, "status") {
            Value::String(text) => text.parse().ok()?,
            Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
            Value::Object(old) => old.get("code")?.as_str()?.parse().ok()?,
            _ => return None,
        };
        let body = member(member(operation, "response"), "id").as_str();
        let location = member(operation, "location").as_str();
        let last = location.and_then(|location| {
            let last = location.trim_end_matches('/').rsplit('/').next()?;
            let last = percent_encoding::percent_decode_str(last).decode_utf8();
            last.ok().map(std::borrow::Cow::into_owned)
        });
        let id = body.map(str::to_owned).or(last).filter(|id| !id.is_empty());
        Some((bulk_id.to_owned(), Told { status, id }))
    });
    told.collect()
}

/// What was done, if that is sure.
fn done(work: &Work, told: &Told) -> Option<Done> {
    let succeeded = (200..300).contains(&told.status);
    match (&work.entry.wanted, &work.entry.id) {
        (Wanted::Absent, _) => (succeeded || told.status == 404).then_some(Done::Deleted),
        (Wanted::Present { .. }, Some(id)) => succeeded.then(|| Done::Updated { id: id.clone() }),
        (Wanted::Present { .. }, None) if succeeded => {
            told.id.as_ref().map(|id| Done::Created { id: id.clone() })
        }
        (Wanted::Present { .. }, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_comes_from_the_location_or_the_body() {
        let answer = json!({"Operations": [
            {"bulkId": "op0", "status": "201", "location": "https://x/Users/a%2Fb"},
            {"bulkId": "op1", "status": 201, "response": {"id": "7"}},
            {"bulkId": "op2", "status": {"code": "409"}},
            {"status": "200"},
        ]});
        let told = read(&answer);
        assert_eq!(told["op0"].id.as_deref(), Some("a/b"));
        assert_eq!(told["op1"].id.as_deref(), Some("7"));
        assert_eq!(told["op2"].status, 409);
        assert_eq!(told.len(), 3);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_harm(
            id in ".{0,9}", status in ".{0,5}", location in ".{0,20}",
        ) {
            let one = json!({"bulkId": id, "status": status, "location": location});
            let _ = read(&json!({"Operations": [one, status, null]}));
            let _ = read(&json!([id]));
        }
    }
}
