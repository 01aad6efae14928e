//! `wasi:http` 0.2 for libraries that speak it, through the same client, policy, limits and record as `http`.
//!
//! A request belongs to a target when its host is the target's *name*, without a port (`http://NAME/path`, path below the
//! target's URL; the scheme does not matter), or when scheme, host, port and path lie below the target's *URL*; of
//! several such, the one with the longest prefix. Any other is denied, when it is sent.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use tokio::time::{Instant, timeout_at};
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error as WasiError, RequestOptions, WasiBody, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::error::Error;
use super::site::{Asked, Caller, Site};
use super::{operation, send};
use crate::capability::Targets;
use crate::guest::{CurrentCall, Guest, Meter};

/// Links `wasi:http` for every guest: an import is no evidence of need.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.call,
            table: &mut self.table,
            ctx: &mut self.wasi_http,
        }
    }
}

type Io = Box<dyn Future<Output = Result<(), WasiError>> + Send>;
type Sent = Result<(Response<WasiBody>, Io), WasiError>;

impl WasiHttpHooks for CurrentCall {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _read: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (head, body) = request.into_parts();
        let found = self.grants.targets.at(&head.uri);
        let on = found.as_ref().map_or_else(
            || head.uri.host().unwrap_or_default().to_owned(),
            |found| found.name.clone(),
        );
        // Nothing here can end the call, so a limit that was passed refuses like a missing grant.
        let Ok(record) = self.outbound("wasi:http", operation(&head.method), &on, 0) else {
            return Box::new(async { Err(WasiError::HttpRequestDenied) });
        };
        let patience = options.and_then(|options| options.first_byte_timeout);
        let deadline = patience.map_or(self.deadline, |time| {
            self.deadline.min(Instant::now() + time)
        });
        let limits = &self.grants.limits;
        let (most, max_answer) = (limits.outbound_bytes, limits.host_call_bytes);
        let meter = Arc::clone(&self.meter);
        Box::new(async move {
            let (site, path) = match found {
                Some(found) => (Ok(found.site), found.path),
                None => (Err(Error::NotGranted(on)), String::new()),
            };
            let asked = match &site {
                Ok(_) => timeout_at(deadline, collect(body, &meter, most))
                    .await
                    .unwrap_or(Err(Error::Request("its body was not finished in time")))
                    .map(|body| Asked {
                        method: head.method,
                        path,
                        headers: head.headers,
                        body,
                    }),
                Err(_) => Err(Error::Request("it has no target")),
            };
            let caller = Caller {
                deadline,
                max_answer,
            };
            let answer = send(record, site, asked, caller).await?;
            if !meter.receive(answer.size()) {
                return Err(Error::TooLarge(max_answer).into());
            }
            let body = Full::new(answer.body).map_err(|never| match never {});
            let mut response = Response::new(body.boxed_unsync());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok((response, Box::new(async { Ok(()) }) as Io))
        })
    }
}

/// The guest's body, counted as it comes.
async fn collect(mut body: WasiBody, meter: &Meter, most: usize) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::Request("its body was given up"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if !meter.send(data.len(), most) {
            return Err(Error::TooLarge(most));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The target that a URI belongs to.
struct Found {
    name: String,
    site: Arc<Site>,
    /// As [`Site::send`] takes it.
    path: String,
}

impl Targets {
    fn at(&self, uri: &Uri) -> Option<Found> {
        let found = |name: &String, site: &Arc<Site>, path: String| Found {
            name: name.clone(),
            site: Arc::clone(site),
            path,
        };
        if uri.port().is_none()
            && let Some((name, site)) = uri.host().and_then(|host| self.http.get_key_value(host))
        {
            let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
            return Some(found(name, site, path.to_owned()));
        }
        let claims = self
            .http
            .iter()
            .filter_map(|(name, site)| Some((site.claims(uri)?, name, site)));
        let (_, name, site) = claims.max_by_key(|(prefix, ..)| *prefix)?;
        Some(found(name, site, uri.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::Target;
    use crate::capability::http::tests::target;

    #[test]
    fn a_uri_belongs_to_a_target_by_its_name_or_by_its_url() {
        let targets: BTreeMap<_, _> = [
            ("hr", "https://h.example/api"),
            ("deep", "https://h.example/api/deep"),
            ("port", "http://h.example:8080"),
        ]
        .map(|(name, url)| (name.to_owned(), Target::Http(target(url))))
        .into();
        let targets = Targets::prepare(&targets).expect("targets");
        let at = |uri: &'static str| {
            let found = targets.at(&Uri::from_static(uri));
            found.map(|found| (found.name, found.path))
        };
        let is = |name: &str, path: &str| Some((name.to_owned(), path.to_owned()));
        assert_eq!(at("http://hr/users?x=1"), is("hr", "/users?x=1"));
        assert_eq!(at("https://hr/"), is("hr", "/"));
        for (uri, name) in [
            ("https://h.example/api/users", "hr"),
            ("https://H.example:443/api", "hr"),
            ("https://h.example/api/deep/x", "deep"),
            ("http://h.example:8080/", "port"),
        ] {
            assert_eq!(at(uri).map(|found| found.0), Some(name.to_owned()), "{uri}");
        }
        for uri in [
            "http://hr:80/",
            "http://h.example/api",
            "https://h.example/other",
            "https://h.example:444/api",
            "https://other/api",
            "http://169.254.169.254/latest/meta-data",
            "https://h.example/api/../x",
        ] {
            assert_eq!(at(uri), None, "{uri}");
        }
    }
}
