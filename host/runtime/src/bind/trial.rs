//! The trial: linking is not enough (a record that gained a field shows only at instantiation), so an instance is
//! made, asked what it is, and timed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{LoadError, consistent, schema};
use crate::app::Reuse;
use crate::capability::Grants;
use crate::component::Component;
use crate::connector::{Connector, Cost, Slots};

/// A fresh call cheaper than this buys perfect isolation for nothing. Rust and C guests need 40 to 100 µs;
/// Go, JavaScript and Python 330 µs and more.
const CHEAP: Duration = Duration::from_micros(150);
/// The best of so many counts: what else the machine does only adds.
const ROUNDS: u32 = 5;
/// Largest `describe` answer.
const DESCRIBE_BYTES: usize = 1 << 20;

pub(super) async fn run(
    component: Arc<Component>,
    slots: Slots,
    grants: Arc<Grants>,
    serial: bool,
    wanted: Reuse,
) -> Result<Connector, LoadError> {
    let trial = Connector::new(
        Arc::clone(&component),
        slots.clone(),
        Arc::clone(&grants),
        serial,
    );
    let (text, _) = trial
        .describe(Reuse::Fresh)
        .await
        .map_err(LoadError::Trial)?;
    if text.len() > DESCRIBE_BYTES {
        return Err(LoadError::Describe(format!(
            "it has {} bytes; {DESCRIBE_BYTES} are allowed",
            text.len()
        )));
    }
    let description: Value = serde_json::from_str(&text)
        .map_err(|error| LoadError::Describe(format!("it is not JSON: {error}")))?;
    schema::DESCRIBE
        .check(&description)
        .and_then(|()| consistent::check(&description, component.abilities()))
        .map_err(LoadError::Describe)?;

    let mut fresh = Duration::MAX;
    for _ in 0..ROUNDS {
        fresh = fresh.min(
            trial
                .describe(Reuse::Fresh)
                .await
                .map_err(LoadError::Trial)?
                .1,
        );
    }
    let mut warm = Duration::MAX;
    for _ in 0..=ROUNDS {
        warm = warm.min(
            trial
                .describe(Reuse::Warm)
                .await
                .map_err(LoadError::Trial)?
                .1,
        );
    }
    let reuse = match wanted {
        Reuse::Auto if fresh < CHEAP => Reuse::Fresh,
        Reuse::Auto => Reuse::Warm,
        chosen => chosen,
    };
    let cost = Cost {
        instantiate: fresh.saturating_sub(warm),
        call: warm,
        reuse,
    };
    Ok(trial.ready(description, cost))
}
