//! For tests, on this machine only: what the service shall do now.

use std::time::Duration;

use serde::Deserialize;

use super::world::{Instead, JobCode, World};

/// What `/control` takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Lets time pass.
    Advance {
        /// So much of it.
        seconds: f64,
    },
    /// Plays a cycle now.
    Cycle,
    /// Restarts the job: while it is idle, what is staged is lost; while it runs, it is finished first.
    Restart {
        /// As if it were running.
        #[serde(default)]
        running: bool,
    },
    /// Pauses the job.
    Pause,
    /// Starts it.
    Start,
    /// Puts it into quarantine.
    Quarantine,
    /// Lets the next records fail.
    FailNext {
        /// How many.
        count: usize,
        /// With which code.
        #[serde(default = "internal")]
        code: String,
    },
    /// Answers the next uploads otherwise.
    AnswerNext {
        /// How many.
        count: usize,
        /// The status.
        status: u16,
        /// With `Retry-After`.
        #[serde(default, rename = "retry-after")]
        retry_after: Option<u64>,
    },
    /// Makes all tokens invalid.
    RevokeTokens,
    /// Takes a permission away.
    Deny {
        /// `SynchronizationData-User.Upload`, …
        permission: String,
    },
    /// Gives it back.
    Grant {
        /// The same.
        permission: String,
    },
}

fn internal() -> String {
    "InternalServerError".to_owned()
}

impl World {
    pub(super) fn control(&mut self, command: &Command) {
        self.catch_up();
        match command {
            Command::Advance { seconds } => {
                let time = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                self.clock.advance(time);
                self.catch_up();
            }
            Command::Cycle => self.cycle(self.clock.now()),
            Command::Restart { running } => {
                if *running {
                    self.cycle(self.clock.now());
                }
                self.counters.purged += self.staged.len() as u64;
                self.staged.clear();
                self.escrow.clear();
                self.job = JobCode::Active;
                self.last_cycle = None;
            }
            Command::Pause => self.job = JobCode::Paused,
            Command::Start => self.job = JobCode::Active,
            Command::Quarantine => self.job = JobCode::Quarantine,
            Command::FailNext { count, code } => {
                self.fail_next
                    .extend(std::iter::repeat_n(code.clone(), *count));
            }
            Command::AnswerNext {
                count,
                status,
                retry_after,
            } => {
                let instead = Instead {
                    status: *status,
                    retry_after: *retry_after,
                };
                self.instead.extend(std::iter::repeat_n(instead, *count));
            }
            Command::RevokeTokens => self.tokens.clear(),
            Command::Deny { permission } => drop(self.denied.insert(permission.clone())),
            Command::Grant { permission } => drop(self.denied.remove(permission)),
        }
    }
}
