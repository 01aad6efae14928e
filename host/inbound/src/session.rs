//! One signed-in conversation with a service: a refused token is renewed once, and a service that is busy or away is asked
//! again, later and later.

use std::sync::Arc;

use jiff::Timestamp;
use reqwest::StatusCode;

use crate::auth::{Auth, TokenError};
use crate::clock::{Clock, after};
use crate::wire::{Answer, Authorization, Backoff, Request, Wire, retry_after};

/// Who speaks to whom, and with how much patience. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    pub(crate) wire: Wire,
    pub(crate) auth: Auth,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) backoff: Backoff,
}

/// There is no answer to judge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// 401 with a new token, or no token.
    #[error("we are not accepted: {0}; check the client and its credential")]
    Unauthorized(String),
    /// Busy or away, again and again.
    #[error("{why}; tried again at {until}")]
    Unavailable {
        /// What happened last.
        why: String,
        /// When to come back.
        until: Timestamp,
    },
}

impl Session {
    /// A session.
    pub fn new(wire: Wire, auth: Auth, clock: Arc<dyn Clock>, backoff: Backoff) -> Self {
        Self {
            wire,
            auth,
            clock,
            backoff,
        }
    }

    /// The answer to a request that may be sent twice. Never one of 401, 429 or 5xx.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, Silent> {
        let (mut failures, mut renewed) = (0, false);
        loop {
            let (why, wait) = match self.once(request).await? {
                Err(why) => (why, None),
                Ok((answer, authorization)) => match answer.status {
                    StatusCode::UNAUTHORIZED => {
                        if renewed || !self.auth.refused(&authorization).await {
                            return Err(Silent::Unauthorized(answer.said()));
                        }
                        renewed = true;
                        continue;
                    }
                    // Not implemented will not be implemented soon.
                    StatusCode::NOT_IMPLEMENTED => return Ok(answer),
                    status if busy(status) => {
                        let why = format!("the service answered {status}: {}", answer.said());
                        (why, retry_after(&answer.headers))
                    }
                    _ => return Ok(answer),
                },
            };
            failures += 1;
            let wait = wait.unwrap_or_else(|| self.backoff.wait(failures));
            if failures >= self.backoff.attempts || wait > self.backoff.patience {
                let until = after(self.clock.now(), wait);
                return Err(Silent::Unavailable { why, until });
            }
            self.clock.sleep(wait).await;
        }
    }

    /// The answer and what was carried; inside, what may pass.
    async fn once(
        &self,
        request: &Request,
    ) -> Result<Result<(Answer, Authorization), String>, Silent> {
        let authorization = match self.auth.authorization().await {
            Ok(authorization) => authorization,
            Err(TokenError::Unavailable(why)) => return Ok(Err(why)),
            Err(error) => return Err(Silent::Unauthorized(error.to_string())),
        };
        let answer = self.wire.send(request, &authorization).await;
        Ok(match answer {
            Ok(answer) => Ok((answer, authorization)),
            Err(why) => Err(why.to_string()),
        })
    }
}

fn busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}
