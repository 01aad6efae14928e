//! `http` and `wasi:http`: requests to named targets.
//!
//! A guest says method, path, headers and body; where the target is, whom it trusts and as whom it is spoken to are
//! the operator's. Texts that reach a guest name no address. One client a target serves both interfaces.
//!
//! | module | idea |
//! |---|---|
//! | `site` | a target's client: what is checked, signed, paced, and sent again |
//! | `place` | where a target is, and which paths are below it |
//! | `headers` | which header fields cross |
//! | `auth`, `oauth` | credentials that the host keeps |
//! | `pace` | the operator's rate, the target's `Retry-After` |
//! | `pool` | connections to vetted addresses |
//! | `exchange` | one request, one answer, read within limits |
//! | `wasi` | `wasi:http` in front of the same |
//! | `error` | what can go wrong |

mod auth;
mod error;
mod exchange;
mod headers;
mod oauth;
mod pace;
mod place;
mod pool;
mod site;
#[cfg(test)]
mod tests;
mod wasi;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::ExposeSecret as _;

use super::outbound::{Outbound, Outcome};
use crate::bindings::tombolo::connector::http::{
    HeaderValue as Given, Host, HttpError, Request, Response,
};
use crate::guest::Guest;
use crate::interference::Struck;
use error::Error;
use exchange::Answer;
pub(crate) use site::Site;
use site::{Asked, Caller};
pub(crate) use wasi::link;

/// The audit record's word for a method.
fn operation(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "other",
    }
}

/// Sends and records.
async fn send(
    record: Outbound,
    site: Result<Arc<Site>, Error>,
    asked: Result<Asked, Error>,
    caller: Caller,
) -> Result<Answer, Error> {
    let effect = async { site?.send(asked?, caller).await };
    let broken = |struck: Struck| Error::lost(struck == Struck::After);
    let sent = record.fate().around(effect, broken).await;
    match &sent {
        Ok(answer) => {
            let status = answer.status;
            let refused = status.is_client_error() || status.is_server_error();
            let outcome = if refused {
                Outcome::Refused(Some(status.as_str().to_owned()))
            } else {
                Outcome::Done
            };
            record.end(&outcome, answer.size());
        }
        Err(error) => {
            tracing::debug!(%error, "http request failed");
            record.end(&error.outcome(), 0);
        }
    }
    sent
}

impl Answer {
    /// What it weighs in the guest's hands.
    fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(n, v)| n.as_str().len() + v.len()).sum();
        headers + self.body.len()
    }
}

impl Guest {
    /// The granted HTTP target of that name.
    fn site(&self, target: &str) -> Result<Arc<Site>, Error> {
        let site = self.grants.targets.http(target);
        site.ok_or_else(|| Error::NotGranted(target.to_owned()))
    }

    fn asked(
        &self,
        method: Option<Method>,
        request: Request,
    ) -> wasmtime::Result<Result<Asked, Error>> {
        let mut headers = HeaderMap::with_capacity(request.headers.len().min(200));
        for (name, value) in request.headers {
            let value = match value {
                Given::Text(text) => HeaderValue::try_from(text),
                Given::Secret((scheme, handle)) => {
                    let secret = self.table.get(&handle)?.value.expose_secret();
                    let value = if scheme.is_empty() {
                        HeaderValue::try_from(secret)
                    } else {
                        HeaderValue::try_from(format!("{scheme} {secret}"))
                    };
                    value.map(|mut value| {
                        value.set_sensitive(true);
                        value
                    })
                }
            };
            match (HeaderName::try_from(name), value) {
                (Ok(name), Ok(value)) if headers.len() < 200 => headers.append(name, value),
                _ => {
                    return Ok(Err(Error::Request(
                        "a header has a name or a value that HTTP does not allow",
                    )));
                }
            };
        }
        let Some(method) = method else {
            return Ok(Err(Error::Request("its method is none")));
        };
        Ok(Ok(Asked {
            method,
            path: request.path_and_query,
            headers,
            body: request.body.into(),
        }))
    }
}

impl Host for Guest {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, HttpError>> {
        let method = Method::try_from(request.method.as_str()).ok();
        let word = method.as_ref().map_or("other", operation);
        let given: usize = request.headers.iter().map(|(name, _)| name.len()).sum();
        let weight = request.path_and_query.len() + given + request.body.len();
        let record = self.outbound("http", word, &request.target, weight)?;
        let site = self.site(&request.target);
        let asked = self.asked(method, request)?;
        let caller = Caller {
            deadline: self.deadline(),
            max_answer: self.grants.limits.host_call_bytes,
        };
        let answer = match send(record, site, asked, caller).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error.into())),
        };
        self.charge_bytes(answer.size())?;
        let headers = answer.headers.iter();
        Ok(Ok(Response {
            status: answer.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), headers::text(value)))
                .collect(),
            body: answer.body.into(),
        }))
    }
}
