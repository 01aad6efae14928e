//! What became of staged records: read from the provisioning log, with its delay, and matched person by person.
//!
//! One call, [`Outcomes::poll`], does it all: the log since the oldest upload, the job's state where something is overdue,
//! and from both: who is done, who failed and why, who is to be sent again because the job was restarted.
//!
//! | module | idea |
//! |---|---|
//! | `row` | a row of the log |
//! | `settle` | rows and records |
//! | `job` | what a job does |
//! | `sentence` | a row in plain words |

mod job;
mod row;
mod sentence;
mod settle;

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

pub use self::job::{Health, JobState};
pub use self::row::{Row, RowError, Status};
pub use self::settle::{Outcome, Patience, Pending};
use crate::auth::Endpoints;
use crate::clock::after;
use crate::session::{Session, Silent};
use crate::wire::{Answer, Request};

/// Rows a page.
const PAGE: &str = "500";
/// Pages that are read at most: far beyond a day's people.
const PAGES: usize = 2_000;

/// The log of a provisioning job. Cheap to clone.
#[derive(Clone)]
pub struct Outcomes {
    session: Session,
    log: Url,
    job_url: Url,
    job: String,
    patience: Patience,
    cycles: Arc<Mutex<job::Cycles>>,
}

/// What a look at the log has shown.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// Records with an outcome.
    pub outcomes: Vec<Outcome>,
    /// Keys of records that will have none, because the job was restarted or they were lost: send them again.
    pub send_again: Vec<String>,
    /// How many still wait.
    pub waiting: usize,
    /// What keeps the job from running, if something does.
    pub hint: Option<String>,
}

/// The log could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// We are not accepted.
    #[error(
        "Entra does not let us read the provisioning log: {0}; check the tenant, the client and its credential"
    )]
    Unauthorized(String),
    /// 403.
    #[error(
        "Entra forbids reading the provisioning log: {0}; grant the application `ProvisioningLog.Read.All` of Microsoft Graph as an *application* permission, with admin consent (and the tenant needs Entra ID P1 or P2)"
    )]
    Forbidden(String),
    /// Not now.
    #[error("the provisioning log cannot be read: {why}; tried again at {until}")]
    Unavailable {
        /// What happened last.
        why: String,
        /// When to come back.
        until: Timestamp,
    },
    /// The answer is none.
    #[error("the provisioning log answered with what is no log: {0}")]
    Unreadable(String),
}

impl From<Silent> for LogError {
    fn from(silent: Silent) -> Self {
        match silent {
            Silent::Unauthorized(why) => Self::Unauthorized(why),
            Silent::Unavailable { why, until } => Self::Unavailable { why, until },
        }
    }
}

impl Outcomes {
    /// The log of this job of this service principal.
    pub fn new(
        session: Session,
        endpoints: &Endpoints,
        (principal, job): (&str, &str),
        patience: Patience,
    ) -> Self {
        Self {
            session,
            log: endpoints.log(),
            job_url: endpoints.job(principal, job),
            job: job.to_owned(),
            patience,
            cycles: Arc::default(),
        }
    }

    /// When looking for the first time makes sense: rows stay invisible for a while.
    pub fn first_look(&self, staged: Timestamp) -> Timestamp {
        after(staged, self.patience.lag)
    }

    /// What has become of these by now.
    pub async fn poll(&self, pending: &[Pending]) -> Result<Poll, LogError> {
        let Some(oldest) = pending.iter().map(|pending| pending.staged).min() else {
            return Ok(Poll::default());
        };
        let (rows, now) = self.rows(oldest).await?;
        let outcomes = settle::outcomes(pending, &rows);
        let overdue = outcomes.len() < pending.len() && after(oldest, self.patience.lag) < now;
        let mut state = if overdue {
            self.state().await?
        } else {
            JobState::UNKNOWN
        };
        state.last = self
            .cycles
            .lock()
            .visible(state.last, now, self.patience.lag);
        let send_again = settle::purged(pending, &outcomes, &state, now, self.patience);
        Ok(Poll {
            waiting: pending.len() - outcomes.len() - send_again.len(),
            hint: state.hint(),
            outcomes,
            send_again,
        })
    }

    /// All rows since then, and what time it is at Entra.
    async fn rows(&self, since: Timestamp) -> Result<(Vec<Row>, Timestamp), LogError> {
        // A second earlier: the log compares with "greater", and our time may be rounded.
        let since = Timestamp::from_second(since.as_second() - 1).unwrap_or(since);
        let filter = format!(
            "jobId eq '{}' and activityDateTime gt {since}",
            self.job.replace('\'', "''")
        );
        let mut url = self.log.clone();
        url.query_pairs_mut()
            .append_pair("$filter", &filter)
            .append_pair("$top", PAGE);
        let (mut rows, mut now) = (Vec::new(), None);
        for _ in 0..PAGES {
            let answer = self.get(&url).await?;
            // The first page's time: what was written later is not in it.
            now = now.or_else(|| answer.date());
            let (page, next) = page(&answer.json(), &self.log)?;
            rows.extend(page);
            let Some(next) = next else {
                return Ok((rows, now.unwrap_or_else(|| self.session.clock.now())));
            };
            url = next;
        }
        Err(LogError::Unreadable(format!(
            "it has more than {PAGES} pages"
        )))
    }

    /// The job's state; unknown where we may not read it, because that takes a permission which the upload does not need.
    pub async fn state(&self) -> Result<JobState, LogError> {
        match self.get(&self.job_url).await {
            Ok(answer) => Ok(job::read(&answer.json())),
            Err(LogError::Forbidden(_) | LogError::Unreadable(_)) => Ok(JobState::UNKNOWN),
            Err(other) => Err(other),
        }
    }

    async fn get(&self, url: &Url) -> Result<Answer, LogError> {
        let request = Request {
            method: Method::GET,
            url: url.clone(),
            body: None,
            accept: "application/json",
        };
        let answer = self.session.ask(&request).await?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::FORBIDDEN => Err(LogError::Forbidden(answer.said())),
            status => Err(LogError::Unreadable(format!("{status}: {}", answer.said()))),
        }
    }
}

/// The rows of a page, and where the next one is: nowhere else than at the log itself, because our token goes there.
fn page(page: &Value, log: &Url) -> Result<(Vec<Row>, Option<Url>), LogError> {
    let rows = page["value"]
        .as_array()
        .ok_or_else(|| LogError::Unreadable("it has no `value`".to_owned()))?;
    let rows = rows.iter().filter_map(row::read).collect();
    let next = match &page["@odata.nextLink"] {
        Value::Null => None,
        next => {
            let next = next.as_str().and_then(|next| Url::parse(next).ok());
            let next = next.filter(|next| next.origin() == log.origin());
            let strange = "its `@odata.nextLink` leads elsewhere".to_owned();
            Some(next.ok_or(LogError::Unreadable(strange))?)
        }
    };
    Ok((rows, next))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_next_page_elsewhere_is_not_followed() {
        let log = Url::parse("https://graph.microsoft.com/v1.0/auditLogs/provisioning").unwrap();
        let with = |next: &str| page(&json!({"value": [], "@odata.nextLink": next}), &log);
        let next = with("https://graph.microsoft.com/v1.0/auditLogs/provisioning?$skiptoken=a");
        assert!(next.unwrap().1.is_some());
        for bad in [
            "https://evil.example/v1.0/auditLogs/provisioning?$skiptoken=a",
            "http://graph.microsoft.com/v1.0/auditLogs/provisioning",
            "https://graph.microsoft.com:444/",
            "/relative",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_json_is_a_page_or_an_error(body in row::tests::any_json()) {
            let log = Url::parse("https://x/").unwrap();
            let _ = page(&body, &log);
        }
    }
}
