//! What was acknowledged to clients, what was asked and never answered, and whether what is there agrees with both.
//!
//! Clients create, change and delete users of their own, one request after the other. When their host dies, a request that
//! was under way may have been carried out or not; every other one must be there, once, in SCIM and in the target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::people::USER;
use crate::scim::{Reply, Scim, patch_op};

/// What is known of one user: what was acknowledged, and what was asked and
/// never answered.
#[derive(Clone, Debug, Default)]
pub struct Known {
    id: Option<String>,
    /// Acknowledged: the display name; none if not there.
    display: Option<String>,
    /// Asked without an answer: what may be there instead.
    pending: Pending,
}

/// What an unanswered request would have left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Pending {
    /// Every request was answered.
    #[default]
    Nothing,
    /// A user with this display name.
    Here(String),
    /// No user.
    Gone,
}

impl Pending {
    fn allows(&self, display: Option<&str>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Here(asked) => display == Some(asked),
            Self::Gone => display.is_none(),
        }
    }
}

/// Everybody, by `userName`.
pub type Ledger = Arc<Mutex<BTreeMap<String, Known>>>;

fn note(ledger: &Ledger, name: &str, change: impl FnOnce(&mut Known)) {
    change(
        ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_default(),
    );
}

fn known(ledger: &Ledger, name: &str) -> Known {
    ledger
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned()
        .unwrap_or_default()
}

/// One client: its own users, one request after the other, until the host dies. A write may say for so long that it has to
/// wait.
pub async fn client(
    scim: Scim,
    ledger: Ledger,
    who: usize,
    seed: u64,
    patience: Duration,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    let mut dice = Dice::new(seed);
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        let name = format!("c{who}.{}@example.test", dice.below(12));
        let before = known(&ledger, &name);
        let display = format!("Display {seed} {turn}");
        let asked = match &before.id {
            Some(_) if dice.one_in(4) => None,
            _ => Some(display),
        };
        note(&ledger, &name, |k| {
            k.pending = asked.clone().map_or(Pending::Gone, Pending::Here);
        });
        // No answer: the host is gone, and what was asked may have happened or not.
        let Ok(reply) = ask(
            &scim,
            &name,
            before.id.as_deref(),
            asked.as_deref(),
            patience,
        )
        .await
        else {
            return Ok(());
        };
        ensure!(matches!(reply.status, 200 | 201 | 204), "{name}: {reply:?}");
        note(&ledger, &name, |k| {
            k.pending = Pending::Nothing;
            k.display.clone_from(&asked);
            match (&asked, reply.status) {
                (None, _) => k.id = None,
                (_, 201) => k.id = Some(reply.id()),
                _ => {}
            }
        });
    }
    Ok(())
}

/// Creates, changes or deletes. What is still being settled is asked for again, as the answer says.
async fn ask(
    scim: &Scim,
    name: &str,
    id: Option<&str>,
    display: Option<&str>,
    patience: Duration,
) -> Result<Reply> {
    let deadline = Instant::now() + patience;
    let mut again = false;
    loop {
        let reply = match (id, display) {
            (None, _) => {
                let body = json!({
                    "schemas": [USER], "userName": name, "displayName": display,
                    "name": { "familyName": "Kill", "givenName": "Nine" }, "active": true,
                });
                scim.post("/Users", &body).await?
            }
            (Some(id), None) => scim.delete(&format!("/Users/{id}")).await?,
            (Some(id), Some(display)) => {
                let change = json!([{ "op": "replace", "path": "displayName", "value": display }]);
                scim.patch(&format!("/Users/{id}"), &patch_op(&change))
                    .await?
            }
        };
        if again && id.is_none() && reply.status == 409 {
            // The 503 before said that it was not known how it would end: it was created.
            let found = scim
                .find("match", "Users", &format!("userName eq \"{name}\""))
                .await?;
            if let Some(one) = found.resources().first().cloned() {
                return Ok(Reply {
                    status: 201,
                    body: one,
                    ..found
                });
            }
        }
        if reply.status != 503 || Instant::now() > deadline {
            return Ok(reply);
        }
        again = true;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Everybody that SCIM lists: `userName` to (id, displayName); doubles are an error.
pub async fn listed(scim: &Scim) -> Result<BTreeMap<String, (String, String)>> {
    let mut users = BTreeMap::new();
    let mut start = 1;
    loop {
        let reply = scim
            .get(&format!("/Users?startIndex={start}&count=100"))
            .await?;
        ensure!(reply.status == 200, "{reply:?}");
        for user in reply.resources() {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let name = text(&user["userName"]);
            let old = users.insert(
                name.clone(),
                (text(&user["id"]), text(&user["displayName"])),
            );
            ensure!(old.is_none(), "{name} is listed twice");
        }
        start += reply.resources().len();
        if reply.resources().is_empty()
            || start > usize::try_from(reply.body["totalResults"].as_u64().unwrap_or(0))?
        {
            return Ok(users);
        }
    }
}

/// Settles the ledger with what is there; says what must not be.
pub async fn settle(
    scim: &Scim,
    ledger: &Ledger,
    target: &BTreeMap<String, Vec<String>>,
) -> Result<()> {
    let there = listed(scim).await?;
    let names: BTreeSet<String> = {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger
            .keys()
            .chain(there.keys())
            .chain(target.keys())
            .cloned()
            .collect()
    };
    for name in names {
        let known = known(ledger, &name);
        let seen = there.get(&name);
        let display = seen.map(|(_, display)| display.clone());
        let allowed = display == known.display || known.pending.allows(display.as_deref());
        ensure!(allowed, "{name}: {known:?}, and SCIM says {seen:?}");
        if let (Some(id), Some((seen_id, _))) = (&known.id, seen) {
            ensure!(id == seen_id, "{name} had id {id} and has {seen_id}");
        }
        let in_target = target.get(&name).cloned().unwrap_or_default();
        let expected: Vec<String> = display.clone().into_iter().collect();
        ensure!(
            in_target == expected,
            "{name}: SCIM says {display:?}, the target has {in_target:?}"
        );
        if let Some((id, _)) = seen {
            let reply = scim.get(&format!("/Users/{id}")).await?;
            ensure!(
                reply.status == 200,
                "{name} is listed and GET says {reply:?}"
            );
        }
        note(ledger, &name, |k| {
            k.id = seen.map(|(id, _)| id.clone());
            k.display = display;
            k.pending = Pending::Nothing;
        });
    }
    Ok(())
}
