//! Records into requests: leavers first, at most so many a request, at most so large.

use std::collections::HashSet;

use serde_json::json;
use tombolo_scim::bulk::REQUEST_URN;
use uuid::Uuid;

use super::record::Record;
use crate::budget::Priority;

/// What Entra takes in one request.
pub const MOST_OPERATIONS: usize = 50;
/// Around each record: method, path, bulkId, commas and braces.
const AROUND: usize = 128;

/// How much goes into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Operations, at most [`MOST_OPERATIONS`].
    pub operations: usize,
    /// Bytes. Microsoft names no limit; Graph takes 4 MB a request.
    pub bytes: usize,
}

impl Default for Packing {
    fn default() -> Self {
        Self {
            operations: MOST_OPERATIONS,
            bytes: 2 << 20,
        }
    }
}

/// What becomes one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub(super) records: Vec<Record>,
}

impl Batch {
    /// One record alone: the way that passes every queue.
    pub fn of(record: Record) -> Self {
        Self {
            records: vec![record],
        }
    }

    /// What is in it.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// A batch with a leaver may use the leavers' reserve.
    pub fn priority(&self) -> Priority {
        if self.records.iter().any(Record::is_leaver) {
            Priority::Leaver
        } else {
            Priority::Normal
        }
    }
}

/// Batches of records: leavers first, otherwise in the order given (managers before their reports, if the caller likes).
/// A key that comes twice comes in two requests.
pub fn pack(records: Vec<Record>, packing: Packing) -> Vec<Batch> {
    let most = packing.operations.clamp(1, MOST_OPERATIONS);
    let (leavers, others): (Vec<_>, Vec<_>) = records.into_iter().partition(Record::is_leaver);
    let mut batches = Vec::new();
    let mut batch: Vec<Record> = Vec::new();
    let (mut bytes, mut keys) = (0, HashSet::new());
    for record in leavers.into_iter().chain(others) {
        let size = record.size() + AROUND;
        let full = batch.len() >= most || bytes + size > packing.bytes;
        if !batch.is_empty() && (full || keys.contains(record.key())) {
            batches.push(Batch {
                records: std::mem::take(&mut batch),
            });
            bytes = 0;
            keys.clear();
        }
        bytes += size;
        keys.insert(record.key().to_owned());
        batch.push(record);
    }
    if !batch.is_empty() {
        batches.push(Batch { records: batch });
    }
    batches
}

/// A request's body, and the bulkId of each record.
pub(super) fn body(records: &[Record]) -> (Vec<u8>, Vec<String>) {
    let call = Uuid::now_v7().simple();
    let ids: Vec<String> = (0..records.len()).map(|n| format!("{call}-{n}")).collect();
    let operations: Vec<_> = records
        .iter()
        .zip(&ids)
        .map(|(record, id)| {
            json!({"method": "POST", "bulkId": id, "path": "/Users", "data": record.data()})
        })
        .collect();
    let body = json!({
        "schemas": [REQUEST_URN],
        "failOnErrors": null,
        "Operations": operations,
    });
    (body.to_string().into_bytes(), ids)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn record(key: usize, leaver: bool, filler: usize) -> Record {
        let data = json!({"active": !leaver, "displayName": "x".repeat(filler)});
        let data = data.as_object().unwrap().clone();
        Record::new(&key.to_string(), data, leaver).unwrap()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_request_is_too_large(
            people in prop::collection::vec((0..500_usize, any::<bool>(), 0..3_000_usize), 0..300),
            operations in 0..80_usize,
        ) {
            let packing = Packing { operations, bytes: 20_000 };
            let records: Vec<_> = people.iter().map(|(k, l, f)| record(*k, *l, *f)).collect();
            let batches = pack(records.clone(), packing);
            let mut sent: Vec<_> = batches.iter().flat_map(|b| b.records().to_vec()).collect();
            let first_other = sent.iter().position(|r| !r.is_leaver()).unwrap_or(sent.len());
            prop_assert!(sent[first_other..].iter().all(|r| !r.is_leaver()));
            for batch in &batches {
                prop_assert!(batch.records().len() <= operations.clamp(1, 50));
                let keys: HashSet<_> = batch.records().iter().map(Record::key).collect();
                prop_assert_eq!(keys.len(), batch.records().len());
                let (body, ids) = body(batch.records());
                prop_assert!(body.len() <= packing.bytes + 200, "{} bytes", body.len());
                let body: Value = serde_json::from_slice(&body).unwrap();
                prop_assert_eq!(body["Operations"].as_array().unwrap().len(), ids.len());
            }
            let by_key = |a: &Record, b: &Record| (a.key(), a.size()).cmp(&(b.key(), b.size()));
            let mut records = records;
            records.sort_by(by_key);
            sent.sort_by(by_key);
            prop_assert_eq!(records.len(), sent.len());
            prop_assert!(records.iter().zip(&sent).all(|(a, b)| a.key() == b.key()));
        }
    }
}
