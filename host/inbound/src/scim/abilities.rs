//! What a server can, by its `/ServiceProviderConfig` (RFC 7643, section 5).

use reqwest::StatusCode;
use serde_json::Value;

use super::entry::Stop;
use super::member;
use crate::wire::Answer;

/// What a server can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Otherwise PUT.
    pub patch: bool,
    /// If it has `/Bulk`, how much a request may hold.
    pub bulk: Option<BulkLimits>,
}

/// How much a bulk request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkLimits {
    /// Operations.
    pub operations: usize,
    /// Bytes.
    pub bytes: usize,
}

impl Default for Abilities {
    /// A server that does not say: PATCH, which nearly all have, and no bulk.
    fn default() -> Self {
        Self {
            patch: true,
            bulk: None,
        }
    }
}

/// A server without the page is one that does not say.
pub(super) fn read(answer: &Answer) -> Result<Abilities, Stop> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => return Ok(Abilities::default()),
        status => {
            let what = format!(
                "`/ServiceProviderConfig` answered {status}: {}",
                answer.said()
            );
            return Err(Stop::NotScim(what));
        }
    }
    let config = answer.json();
    if !config.is_object() {
        let what = "`/ServiceProviderConfig` is no JSON object".to_owned();
        return Err(Stop::NotScim(what));
    }
    Ok(of(&config))
}

fn of(config: &Value) -> Abilities {
    let supports = |name| {
        let supported = member(member(config, name), "supported");
        // Some say it in words.
        supported.as_bool().unwrap_or(supported == "true")
    };
    let bulk = member(config, "bulk");
    let number = |name| {
        let number = member(bulk, name).as_u64()?;
        usize::try_from(number).ok()
    };
    let limits = BulkLimits {
        operations: number("maxOperations").unwrap_or(0).min(1_000),
        bytes: number("maxPayloadSize").unwrap_or(1 << 20).min(8 << 20),
    };
    let useful = supports("bulk") && limits.operations > 1 && limits.bytes > 4_096;
    Abilities {
        patch: supports("patch"),
        bulk: useful.then_some(limits),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_is_taken_at_its_word() {
        let config = json!({
            "patch": {"supported": true},
            "bulk": {"supported": true, "maxOperations": 100, "maxPayloadSize": 1_048_576},
        });
        let abilities = of(&config);
        assert!(abilities.patch);
        assert_eq!(abilities.bulk.unwrap().operations, 100);
        assert_eq!(
            of(&json!({"bulk": {"supported": true, "maxOperations": 1}})).bulk,
            None
        );
        assert!(!of(&json!({})).patch);
    }

    proptest! {
        #[test]
        fn any_body_is_an_answer(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let answer = Answer {
                status: StatusCode::OK,
                headers: reqwest::header::HeaderMap::new(),
                body,
            };
            let _ = read(&answer);
        }
    }
}
