//! Which record a 400 is about, where the answer tells. Graph has no fixed shape for it, so its words are searched for what
//! only one record has: our `bulkId`, or an index into `Operations`.

use serde_json::Value;

use super::record::Record;

/// The places of the records that the answer names; none if it names none, or all.
pub(super) fn named(answer: &Value, bulk_ids: &[String], records: &[Record]) -> Vec<usize> {
    let mut texts = Vec::new();
    collect(answer, 0, &mut texts);
    let named: Vec<usize> = (0..records.len())
        .filter(|at| {
            let index = format!("operations[{at}]");
            texts.iter().any(|text| {
                names(text, &bulk_ids[*at]) || text.to_ascii_lowercase().contains(&index)
            })
        })
        .collect();
    if named.len() == records.len() {
        return Vec::new();
    }
    named
}

/// Not as the beginning of a longer id: `…-1` is not in `…-12`.
fn names(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let next = text[at + id.len()..].chars().next();
        !next.is_some_and(|c| c.is_ascii_digit())
    })
}

fn collect<'a>(value: &'a Value, depth: usize, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) if depth < 16 => {
            for item in items {
                collect(item, depth + 1, texts);
            }
        }
        Value::Object(members) if depth < 16 => {
            for item in members.values() {
                collect(item, depth + 1, texts);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn batch(count: usize) -> (Vec<String>, Vec<Record>) {
        let data = json!({"active": true});
        let data = data.as_object().unwrap();
        (
            (0..count).map(|n| format!("abc-{n}")).collect(),
            (0..count)
                .map(|n| Record::new(&n.to_string(), data.clone(), false).unwrap())
                .collect(),
        )
    }

    #[test]
    fn a_bulk_id_or_an_index_names_a_record() {
        let (ids, records) = batch(20);
        let by_id = json!({"error": {"details": [{"target": "abc-1", "message": "bad"}]}});
        assert_eq!(named(&by_id, &ids, &records), [1]);
        let by_index = json!({"error": {"message": "Operations[12].data.name is no object"}});
        assert_eq!(named(&by_index, &ids, &records), [12]);
        let nobody = json!({"error": {"message": "Invalid Data Format"}});
        assert_eq!(named(&nobody, &ids, &records), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn any_text_is_searched_without_harm(text in ".{0,200}", count in 0..60_usize) {
            let (ids, records) = batch(count);
            prop_assert!(named(&json!([text]), &ids, &records).len() <= count);
        }
    }
}
