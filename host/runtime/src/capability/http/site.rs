//! A target's whole client: what a guest asks is checked, signed, paced, sent, and where the target says so, sent again.
//!
//! What may be repeated here, beside what [`exchange`] repeats below: after 401 with a renewed OAuth token, once;
//! after 429 or 503 with a `Retry-After` that leaves enough time, twice; after a redirect below the target's own URL,
//! five times. In all of these the server said that it did not act.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::auth::{Auth, Credential};
use super::error::Error;
use super::exchange::{Answer, Prepared, exchange};
use super::headers;
use super::oauth::OAuth;
use super::pace::{self, Hold, Pace};
use super::place::Place;
use super::pool::{Endpoint, Pool};
use crate::app::{HttpAuth, HttpTarget};
use crate::capability::tls::{self, Trust};
use crate::egress::Resolver;
use crate::redact::Issued;

/// Redirects that one request follows.
const REDIRECTS: usize = 5;
/// Waits of one request for a target that asked for time.
const WAITS: u32 = 2;

/// A granted HTTP target.
pub(crate) struct Site {
    pool: Pool,
    auth: Auth,
    methods: Option<Vec<Method>>,
    pace: Pace,
    slots: Semaphore,
    timeout: Duration,
}

/// What a guest asks.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query, below the target's URL.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// For whom, and within what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) deadline: Instant,
    pub(crate) max_answer: usize,
}

impl Site {
    pub(crate) fn new(
        name: &str,
        target: &HttpTarget,
        resolver: &Arc<dyn Resolver>,
    ) -> Result<Self, String> {
        let place = Place::new(&target.url).map_err(|why| format!("url: {why}"))?;
        let trust = Trust {
            ca: target.ca.as_deref(),
            pins: &target.pins,
            identity: target.identity.as_ref(),
        };
        if !place.is_secure() && (!target.pins.is_empty() || target.identity.is_some()) {
            return Err("url: pins and client certificates need https://".to_owned());
        }
        let endpoint = |place: Place, trust: Trust<'_>| -> Result<Endpoint, String> {
            let secure = place.is_secure();
            Ok(Endpoint {
                target: name.to_owned(),
                tls: secure.then(|| config(trust)).transpose()?,
                place,
                reach: target.reach,
                connect_timeout: target.connect_timeout,
                resolver: Arc::clone(resolver),
            })
        };
        let auth = match &target.auth {
            HttpAuth::OAuth(client) => {
                let at = Place::new(&client.token_url)
                    .map_err(|why| format!("auth.token-url: {why}"))?;
                let trust = Trust {
                    ca: client.ca.as_deref().or(trust.ca),
                    ..Trust::default()
                };
                Auth::oauth(OAuth::new(Pool::new(endpoint(at, trust)?, 1), client))
            }
            other => Auth::fixed(other)?,
        };
        let methods = target.methods.as_ref().map(|methods| {
            let method = |text: &String| {
                Method::try_from(text.as_str())
                    .map_err(|_| format!("methods: `{text}` is no method"))
            };
            methods.iter().map(method).collect::<Result<Vec<_>, _>>()
        });
        let concurrency = target.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            pool: Pool::new(endpoint(place, trust)?, concurrency),
            auth: auth.with_certificate(target.identity.is_some()),
            methods: methods.transpose()?,
            pace: Pace::new(target.rate),
            slots: Semaphore::new(concurrency),
            timeout: target.timeout,
        })
    }

    /// The access tokens that it was given, if it asks for some.
    pub(crate) fn issued(&self) -> Option<&Issued> {
        self.auth.issued()
    }

    fn place(&self) -> &Place {
        &self.pool.endpoint.place
    }

    /// How much of this URI's path is this target's prefix; none if it is not below this target's URL.
    pub(super) fn claims(&self, uri: &Uri) -> Option<usize> {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let below = self.place().is_at(uri) && self.place().inside(path).is_ok();
        below.then(|| self.place().prefix().len())
    }

    /// Sends a request and reads the answer. Dropping the future drops the request.
    pub(crate) async fn send(&self, asked: Asked, caller: Caller) -> Result<Answer, Error> {
        self.allowed(&asked.method)?;
        let mut request = Prepared {
            path: self.place().below(&asked.path)?,
            headers: headers::outgoing(&asked.headers, &self.auth)?,
            method: asked.method,
            body: asked.body,
        };
        let (mut redirects, mut waits, mut renewed) = (0, 0, false);
        loop {
            if let Some(hold) = self.pace.turn(caller.deadline).await? {
                return Ok(held(hold));
            }
            let (answer, signed) = self.once(&request, caller).await?;
            if answer.status == StatusCode::UNAUTHORIZED
                && !renewed
                && self.auth.refused(signed.as_ref()).await
            {
                renewed = true;
                continue;
            }
            let now = Instant::now();
            if let Some(hold) = self.pace.heard(answer.status, &answer.headers, now)
                && waits < WAITS
                && pace::fits(hold.until, now, caller.deadline)
            {
                waits += 1;
                continue;
            }
            if let Some(path) = self.redirected(&request, &answer)? {
                redirects += 1;
                if redirects > REDIRECTS {
                    return Err(Error::Redirects(REDIRECTS));
                }
                request.path = path;
                continue;
            }
            let opens = self.auth.opens_sessions();
            let headers = headers::incoming(&answer.headers, self.place(), &request.path, opens);
            return Ok(Answer { headers, ..answer });
        }
    }

    fn allowed(&self, method: &Method) -> Result<(), Error> {
        // Neither is a request to a resource, and both have been used to see what a proxy adds.
        let never = matches!(*method, Method::CONNECT | Method::TRACE);
        let listed = self.methods.as_ref().is_none_or(|m| m.contains(method));
        if never || !listed {
            return Err(Error::Method(method.to_string()));
        }
        Ok(())
    }

    /// One request, signed, and its answer.
    async fn once(
        &self,
        request: &Prepared,
        caller: Caller,
    ) -> Result<(Answer, Option<Credential>), Error> {
        let _slot = timeout_at(caller.deadline, self.slots.acquire())
            .await
            .map_err(|_| Error::Busy("all of its `concurrency` is in use"))?;
        let began = Instant::now();
        let limit = caller.deadline.min(began + self.timeout);
        timeout_at(limit, async {
            let credential = self.auth.credential(limit).await?;
            let mut signed = request.clone();
            if let Some(credential) = &credential {
                signed
                    .headers
                    .insert(credential.name.clone(), credential.value.clone());
            }
            let answer = exchange(&self.pool, &signed, limit, caller.max_answer).await?;
            Ok((answer, credential))
        })
        .await
        .unwrap_or_else(|_| Err(Error::TimedOut(limit - began)))
    }

    /// Where the answer sends this request, if anywhere. Outside of the target's URL is an error.
    fn redirected(
        &self,
        request: &Prepared,
        answer: &Answer,
    ) -> Result<Option<PathAndQuery>, Error> {
        let follows = match answer.status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
                request.method.is_safe()
            }
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => false,
        };
        let Some(location) = answer.headers.get(LOCATION).filter(|_| follows) else {
            return Ok(None);
        };
        let location = location.to_str().map_err(|_| Error::Redirect)?;
        let below = self.place().follow(&request.path, location);
        below.ok_or(Error::Redirect).map(Some)
    }
}

fn config(trust: Trust<'_>) -> Result<Arc<rustls::ClientConfig>, String> {
    let mut config = tls::client_config(trust)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What the target last said, said again for it.
fn held(hold: Hold) -> Answer {
    let left = hold.until.saturating_duration_since(Instant::now());
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Answer {
        status: hold.status,
        headers: [(RETRY_AFTER, HeaderValue::from(seconds))]
            .into_iter()
            .collect(),
        body: Bytes::new(),
    }
}
