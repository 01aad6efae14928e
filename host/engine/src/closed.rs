//! Targets that are not written to for a while: paused by an administrator, or outside their opening hours.
//!
//! A write is then refused before anything is begun, with 503 and `Retry-After`: Entra comes back in its next cycle, and nothing
//! counts as wrong. Reads are answered from the mirror, since the target may be down as well; what the mirror does not have
//! is not asked for. What is under way is finished, and what an earlier life of the host left unfinished is settled.
//!
//! A pause is in the store, so that it holds for every host and survives a restart; a host looks for it once a second.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tombolo_store::Commit;

use crate::app::App;
use crate::audit::{Action, By, Outcome};
use crate::error::Error;
use crate::record::{decode, encode};
use crate::request::Request;

/// How old what is known of a pause may be.
const LOOK: Duration = Duration::from_secs(1);

/// A pause that somebody has ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// Who ordered it.
    pub by: By,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Why a target is not written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// A pause; none: the hours.
    pub pause: Option<Pause>,
    /// When it opens; none: nobody has said.
    pub opens: Option<Timestamp>,
}

/// What this host knows of an app's pause.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<Seen>>);

/// What was there when it was looked for.
#[derive(Clone)]
struct Seen {
    at: Instant,
    pause: Option<Pause>,
}

impl Known {
    fn recent(&self) -> Option<Seen> {
        let known = self.0.lock();
        known.clone().filter(|seen| seen.at.elapsed() < LOOK)
    }

    fn set(&self, pause: Option<Pause>) {
        let at = Instant::now();
        *self.0.lock() = Some(Seen { at, pause });
    }
}

impl App {
    /// Whether the target is not written to, and why.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn closed(&self) -> Result<Option<Closed>, Error> {
        let now = Timestamp::now();
        let pause = match self.shared.pause.recent() {
            Some(seen) => seen.pause,
            None => {
                let pause = match self.store.get(&self.keys.pause()).await? {
                    Some(bytes) => Some(decode("a pause", &bytes)?),
                    None => None,
                };
                self.shared.pause.set(pause.clone());
                pause
            }
        };
        if let Some(pause) = pause.filter(|pause: &Pause| pause.until.is_none_or(|end| now < end)) {
            let opens = pause.until;
            return Ok(Some(Closed {
                pause: Some(pause),
                opens,
            }));
        }
        Ok(match &self.policy.hours {
            Some(hours) if !hours.are_on(now) => Some(Closed {
                pause: None,
                opens: hours.opening(now),
            }),
            _ => None,
        })
    }

    /// Refuses a write while the target is closed.
    pub(crate) async fn must_be_open(&self) -> Result<(), Error> {
        match self.closed().await? {
            None => Ok(()),
            Some(Closed { pause, opens }) => Err(Error::Closed {
                app: self.name.clone(),
                why: match pause {
                    Some(_) => "is paused: `tombolo app resume` ends that",
                    None => "is outside the opening hours that its file has",
                },
                opens,
            }),
        }
    }

    /// Stops every write, at once and on every host, until somebody resumes it or the time has come.
    ///
    /// # Errors
    /// The store fails.
    pub async fn pause(&self, r: &Request, until: Option<Timestamp>) -> Result<(), Error> {
        let pause = Pause {
            at: Timestamp::now(),
            by: r.by.clone(),
            until,
        };
        let commit = Commit::new().put(self.keys.pause(), encode(&pause)?);
        self.order(r, Action::Pause, commit).await?;
        self.shared.pause.set(Some(pause));
        Ok(())
    }

    /// Lets writes through again; the opening hours still hold.
    ///
    /// # Errors
    /// The store fails.
    pub async fn resume(&self, r: &Request) -> Result<(), Error> {
        let commit = Commit::new().delete(self.keys.pause());
        self.order(r, Action::Resume, commit).await?;
        self.shared.pause.set(None);
        Ok(())
    }

    async fn order(&self, r: &Request, action: Action, commit: Commit) -> Result<(), Error> {
        let told = r.operation().told(action);
        let account = told.account(&self.name, "", None, Outcome::Success);
        Ok(self.commit_told(commit, &told, &account).await?)
    }
}
