//! Full records into a provisioning job of Entra (`bulkUpload`): packed, paced, staged.
//!
//! 202 means *staged*: Entra has the records and will look at them in its next cycle. What becomes of them is in the
//! provisioning log ([`crate::outcomes`]). A record may be sent twice without harm, because it is always the whole person.
//!
//! ```text
//! for batch in pack(records, Packing::default()) {
//!     let uploaded = job.send(batch).await;
//!     // write down uploaded.staged, tell of uploaded.refused, keep uploaded.left
//!     if let Some(stop) = uploaded.stopped { /* come back at stop.retry_at() */ break }
//! }
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `record` | one person, whole, with an explicit `active` |
//! | `pack` | records into requests |
//! | `stop` | why nothing more is sent, and what to do |
//! | `blame` | which record a 400 is about |

mod blame;
mod pack;
mod record;
mod stop;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Method, StatusCode};

pub use self::pack::{Batch, MOST_OPERATIONS, Packing, pack};
pub use self::record::{Record, USER_URN, Unfit};
pub use self::stop::Stop;
use crate::auth::{Endpoints, TokenError};
use crate::budget::{Budget, NoPermit, Priority};
use crate::clock::after;
use crate::session::Session;
use crate::wire::{Answer, Request, SCIM_JSON, retry_after};

/// After so many bad records and not one good one, it is not the records.
const HOPELESS: usize = 3;

/// A provisioning job that takes records. Cheap to clone.
#[derive(Clone)]
pub struct Job {
    session: Session,
    request: Request,
    budget: Budget,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Uploaded {
    /// Entra has them.
    pub staged: Vec<Staged>,
    /// Entra will not have them as they are.
    pub refused: Vec<Refused>,
    /// Not sent, or not known to have arrived: to be sent again.
    pub left: Vec<Record>,
    /// Why something is left.
    pub stopped: Option<Stop>,
}

/// A record that Entra has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// The source's key.
    pub key: String,
    /// When, by Entra's clock where it says the time: rows of the log are compared with it.
    pub at: Timestamp,
}

/// A record that Entra will not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The source's key.
    pub key: String,
    /// Why, as Entra says it.
    pub why: String,
}

/// What one call came to.
enum Called {
    Staged(Timestamp),
    /// 400 or 413: the records, or one of them.
    Bad(Answer),
    Stop(Stop),
}

impl Job {
    /// The job of this service principal: the *object* id of the enterprise application, and the job's id.
    pub fn new(
        session: Session,
        endpoints: &Endpoints,
        (principal, job): (&str, &str),
        budget: Budget,
    ) -> Self {
        let mut url = endpoints.job(principal, job);
        if let Ok(mut path) = url.path_segments_mut() {
            path.push("bulkUpload");
        }
        let request = Request {
            method: Method::POST,
            url,
            body: None,
            accept: "application/json",
        };
        Self {
            session,
            request,
            budget,
        }
    }

    /// Sends a batch; where Entra finds a record bad, the others go without it.
    pub async fn send(&self, batch: Batch) -> Uploaded {
        let priority = batch.priority();
        let mut uploaded = Uploaded::default();
        // Taken from the end.
        let mut parts = vec![batch.records];
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let (body, ids) = pack::body(&part);
            match self.call(body, priority).await {
                Called::Staged(at) => {
                    let staged = part.into_iter().map(|record| Staged {
                        key: record.key().to_owned(),
                        at,
                    });
                    uploaded.staged.extend(staged);
                }
                Called::Bad(answer) => {
                    let why = answer.said();
                    let blamed = if part.len() == 1 {
                        vec![0]
                    } else {
                        blame::named(&answer.json(), &ids, &part)
                    };
                    if blamed.is_empty() {
                        let second = part.split_off(part.len() / 2);
                        parts.extend([second, part]);
                        continue;
                    }
                    let mut good = Vec::new();
                    for (at, record) in part.into_iter().enumerate() {
                        if blamed.contains(&at) {
                            let key = record.key().to_owned();
                            let why = why.clone();
                            uploaded.refused.push(Refused { key, why });
                        } else {
                            good.push(record);
                        }
                    }
                    parts.push(good);
                    let others = parts.iter().any(|part| !part.is_empty());
                    if others && uploaded.staged.is_empty() && uploaded.refused.len() >= HOPELESS {
                        uploaded.stopped = Some(Stop::AllBad(why));
                        break;
                    }
                }
                Called::Stop(stop) => {
                    parts.push(part);
                    uploaded.stopped = Some(stop);
                    break;
                }
            }
        }
        uploaded.left = parts.into_iter().rev().flatten().collect();
        uploaded
    }

    /// One request, tried until there is an answer to act on.
    async fn call(&self, body: Vec<u8>, priority: Priority) -> Called {
        let request = Request {
            body: Some((SCIM_JSON, body)),
            ..self.request.clone()
        };
        let (mut failures, mut renewed) = (0, false);
        loop {
            let authorization = match self.session.auth.authorization().await {
                Ok(authorization) => authorization,
                Err(TokenError::Unavailable(why)) => match self.again(&mut failures, None).await {
                    Ok(()) => continue,
                    Err(until) => return Called::Stop(Stop::Unavailable { why, until }),
                },
                Err(error) => return Called::Stop(Stop::Unauthorized(error.to_string())),
            };
            let permit = match self
                .budget
                .take(priority, self.session.backoff.patience)
                .await
            {
                Ok(permit) => permit,
                Err(NoPermit::NotBefore { until, why }) => {
                    return Called::Stop(Stop::Budget { until, why });
                }
                Err(NoPermit::Shared(why)) => return Called::Stop(Stop::Shared(why)),
            };
            let answer = self.session.wire.send(&request, &authorization).await;
            let ended = self.session.clock.now();
            if let Err(why) = self.budget.end(permit).await {
                // It counts as under way until its time-out: too much, not too little.
                tracing::warn!(%why, "the end of a call could not be written down");
            }
            let answer = match answer {
                Ok(answer) => answer,
                Err(why) => match self.again(&mut failures, None).await {
                    Ok(()) => continue,
                    Err(until) => {
                        let why = why.to_string();
                        return Called::Stop(Stop::Unavailable { why, until });
                    }
                },
            };
            let wait = retry_after(&answer.headers);
            match answer.status {
                StatusCode::ACCEPTED => return Called::Staged(answer.date().unwrap_or(ended)),
                StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
                    return Called::Bad(answer);
                }
                StatusCode::UNAUTHORIZED => {
                    if renewed || !self.session.auth.refused(&authorization).await {
                        return Called::Stop(Stop::Unauthorized(answer.said()));
                    }
                    renewed = true;
                }
                StatusCode::FORBIDDEN => return Called::Stop(Stop::Forbidden(answer.said())),
                StatusCode::NOT_FOUND => return Called::Stop(Stop::NoSuchJob(answer.said())),
                StatusCode::TOO_MANY_REQUESTS => {
                    let held = wait.unwrap_or_else(|| self.session.backoff.wait(failures + 1));
                    if let Err(why) = self.budget.hold(held).await {
                        return Called::Stop(Stop::Shared(why));
                    }
                    if let Err(until) = self.again(&mut failures, Some(held)).await {
                        return Called::Stop(Stop::Throttled { until });
                    }
                }
                status if status.is_server_error() => {
                    if let Err(until) = self.again(&mut failures, wait).await {
                        let why = format!("Entra answered {status}: {}", answer.said());
                        return Called::Stop(Stop::Unavailable { why, until });
                    }
                }
                status => {
                    let said = answer.said();
                    return Called::Stop(Stop::Unexpected {
                        status: status.as_u16(),
                        said,
                    });
                }
            }
        }
    }

    /// Waits before the next try; says when to come back if that is too long, or if there were tries enough.
    async fn again(&self, failures: &mut u32, said: Option<Duration>) -> Result<(), Timestamp> {
        *failures += 1;
        let wait = said.unwrap_or_else(|| self.session.backoff.wait(*failures));
        if *failures >= self.session.backoff.attempts || wait > self.session.backoff.patience {
            return Err(after(self.session.clock.now(), wait));
        }
        self.session.clock.sleep(wait).await;
        Ok(())
    }
}
