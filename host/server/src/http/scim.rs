//! From a SCIM request to the engine, and back.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;
use tombolo_engine::{App, Error as EngineError, Intended, Request};
use tombolo_scim::discovery::{AuthenticationScheme, Capabilities};
use tombolo_scim::error::{Error as ScimError, ScimType};
use tombolo_scim::project::Projection;
use tombolo_scim::query::ListQuery;
use tombolo_scim::schema::ResourceType;
use tombolo_scim::{discovery, render};

use super::bulk;
use super::condition;
use super::respond;
use super::route::{Place, Route};

/// A write with this header is answered with what it would do, and not done.
const DRY_RUN: &str = "tombolo-dry-run";
/// The schema of that answer.
const PLAN: &str = "urn:tombolo:params:scim:api:messages:1.0:Plan";

/// A request, read as far as HTTP goes.
pub(crate) struct Asked<'a> {
    pub(crate) app: &'a Arc<App>,
    /// The ways to sign in that the app's file allows.
    pub(crate) authentication: &'a [AuthenticationScheme],
    pub(crate) route: &'a Route,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) request: Request,
}

type Outcome = Result<Response<Body>, EngineError>;

impl Asked<'_> {
    /// Does what is asked.
    pub(crate) async fn answer(&self) -> Response<Body> {
        self.dispatch()
            .await
            .unwrap_or_else(|failed| respond::engine_error(&failed))
    }

    async fn dispatch(&self) -> Outcome {
        if !self.method.is_safe() && (self.app.is_dry() || is_dry_run(self.headers)) {
            return self.plan().await;
        }
        match &self.route.place {
            Place::Root => match *self.method {
                Method::GET | Method::HEAD => {
                    let query = ListQuery::from_query_with(self.app.rules(), &self.route.query)?;
                    let all: Vec<_> = self.app.catalog().types().iter().collect();
                    self.list(&all, &query).await
                }
                _ => Ok(respond::method_not_allowed(self.method, "GET")),
            },
            Place::Collection(endpoint) => self.collection(self.kind(endpoint)?).await,
            Place::Resource(endpoint, id) => self.resource(self.kind(endpoint)?, id).await,
            Place::Search(_) => match *self.method {
                Method::POST => self.search().await,
                _ => Ok(respond::method_not_allowed(self.method, "POST")),
            },
            Place::Schemas(_) | Place::ResourceTypes(_) | Place::ServiceProviderConfig => {
                self.discovery()
            }
            // RFC 7644, section 3.11: who does not support the alias answers 501.
            Place::Me => Err(ScimError::not_implemented(
                "`/Me` is not supported: a token stands for a client, not for a person",
            )
            .into()),
            Place::Bulk => match *self.method {
                Method::POST => bulk::answer(self.app, &self.request, self.body).await,
                _ => Ok(respond::method_not_allowed(self.method, "POST")),
            },
            Place::OtherVersion => Err(ScimError::new(
                400,
                Some(ScimType::InvalidVers),
                format!(
                    "this host speaks SCIM 2.0 only; its URL is `{}`",
                    self.request.base_url
                ),
            )
            .into()),
            Place::Unknown => Err(self.nothing_here()),
        }
    }

    /// What a write would do; anything else that is not safe is not looked at.
    async fn plan(&self) -> Outcome {
        let (endpoint, intended, if_match) = match (&self.route.place, self.method) {
            (Place::Collection(endpoint), &Method::POST) => {
                (endpoint, Intended::Create(self.body), None)
            }
            (Place::Resource(endpoint, id), method) => {
                let intended = match *method {
                    Method::PUT => Intended::Replace(id, self.body),
                    Method::PATCH => Intended::Patch(id, self.body),
                    Method::DELETE => Intended::Delete(id),
                    _ => {
                        let allowed = "GET, PUT, PATCH, DELETE";
                        return Ok(respond::method_not_allowed(method, allowed));
                    }
                };
                let if_match = self.if_match(self.kind(endpoint)?, id).await?;
                (endpoint, intended, if_match)
            }
            (Place::Search(_), &Method::POST) => return self.search().await,
            _ => {
                return Err(ScimError::not_implemented(
                    "a dry run looks at one write at a time: POST, PUT, PATCH or DELETE of a resource",
                )
                .into());
            }
        };
        let ty = self.kind(endpoint)?;
        let plan = self.app.plan(&self.request, ty, intended, if_match).await;
        let mut document = serde_json::to_value(plan).unwrap_or_default();
        document["schemas"] = serde_json::json!([PLAN]);
        Ok(respond::json(StatusCode::OK, &document))
    }

    async fn search(&self) -> Outcome {
        let Place::Search(endpoint) = &self.route.place else {
            return Err(self.nothing_here());
        };
        let kinds = match endpoint {
            Some(endpoint) => vec![self.kind(endpoint)?],
            None => self.app.catalog().types().iter().collect(),
        };
        let query = ListQuery::from_search_body_with(self.app.rules(), self.body)?;
        self.list(&kinds, &query).await
    }

    fn kind(&self, endpoint: &str) -> Result<&ResourceType, EngineError> {
        self.app
            .catalog()
            .by_endpoint(endpoint)
            .ok_or_else(|| self.nothing_here())
    }

    fn nothing_here(&self) -> EngineError {
        let endpoints: Vec<_> = self
            .app
            .catalog()
            .types()
            .iter()
            .map(|ty| format!("`/{}`", ty.endpoint))
            .collect();
        ScimError::not_found(format!(
            "there is nothing at this URL; app `{}` has {}, `/Schemas`, `/ResourceTypes` and `/ServiceProviderConfig` under `{}`",
            self.app.name(),
            endpoints.join(", "),
            self.request.base_url,
        ))
        .into()
    }

    async fn collection(&self, ty: &ResourceType) -> Outcome {
        match *self.method {
            Method::GET | Method::HEAD => {
                let query = ListQuery::from_query_with(self.app.rules(), &self.route.query)?;
                self.list(&[ty], &query).await
            }
            Method::POST => {
                let projection = self.projection()?;
                let answer = self
                    .app
                    .create(&self.request, ty, self.body, &projection)
                    .await?;
                Ok(respond::resource(
                    StatusCode::CREATED,
                    &answer,
                    &answer.body,
                ))
            }
            _ => Ok(respond::method_not_allowed(self.method, "GET, POST")),
        }
    }

    async fn resource(&self, ty: &ResourceType, id: &str) -> Outcome {
        match *self.method {
            Method::GET | Method::HEAD => {
                let answer = self
                    .app
                    .get(&self.request, ty, id, &self.projection()?)
                    .await?;
                let demanded = condition::if_match(self.headers).version();
                if demanded.is_some_and(|demanded| demanded != answer.version) {
                    return Err(EngineError::Precondition {
                        current: answer.version,
                    });
                }
                if condition::none_match(self.headers, answer.version) {
                    let mut response = respond::empty();
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                    respond::tag(&mut response, &answer);
                    return Ok(response);
                }
                Ok(respond::resource(StatusCode::OK, &answer, &answer.body))
            }
            Method::PUT => {
                let projection = self.projection()?;
                let answer = self
                    .app
                    .replace(
                        &self.request,
                        ty,
                        id,
                        self.body,
                        self.if_match(ty, id).await?,
                        &projection,
                    )
                    .await?;
                Ok(respond::resource(StatusCode::OK, &answer, &answer.body))
            }
            Method::PATCH => {
                // Entra wants 204 for a group, whose members nobody wants to read back, unless the client says what it
                // wants to see (RFC 7644, section 3.5.2).
                let bare = ty.has_members() && !self.asks_for_attributes();
                let projection = if bare {
                    Projection::parse(None, Some("members"))?
                } else {
                    self.projection()?
                };
                let answer = self
                    .app
                    .patch(
                        &self.request,
                        ty,
                        id,
                        self.body,
                        self.if_match(ty, id).await?,
                        &projection,
                    )
                    .await?;
                if bare {
                    let mut response = respond::empty();
                    respond::tag(&mut response, &answer);
                    return Ok(response);
                }
                Ok(respond::resource(StatusCode::OK, &answer, &answer.body))
            }
            Method::DELETE => {
                self.app
                    .delete(&self.request, ty, id, self.if_match(ty, id).await?)
                    .await?;
                Ok(respond::empty())
            }
            _ => Ok(respond::method_not_allowed(
                self.method,
                "GET, PUT, PATCH, DELETE",
            )),
        }
    }

    async fn list(&self, types: &[&ResourceType], query: &ListQuery) -> Outcome {
        let listed = self.app.list(&self.request, types, query).await?;
        Ok(respond::json(StatusCode::OK, &listed))
    }

    fn discovery(&self) -> Outcome {
        if !matches!(*self.method, Method::GET | Method::HEAD) {
            return Ok(respond::method_not_allowed(self.method, "GET"));
        }
        // RFC 7644, section 4: what the documents say must not depend on a filter.
        if self.parameter("filter").is_some() {
            let detail = "`filter` is not possible on discovery documents; read them whole";
            return Ok(respond::refuse(StatusCode::FORBIDDEN, detail));
        }
        let (catalog, base) = (self.app.catalog(), self.request.base_url.as_str());
        let found = match &self.route.place {
            Place::Schemas(None) => Some(list_of(discovery::schemas(catalog, base))),
            Place::Schemas(Some(urn)) => discovery::schema(catalog, base, urn),
            Place::ResourceTypes(None) => Some(list_of(discovery::resource_types(catalog, base))),
            Place::ResourceTypes(Some(name)) => discovery::resource_type(catalog, base, name),
            _ => {
                let capabilities = Capabilities {
                    authentication: self.authentication.to_vec(),
                    ..self.app.capabilities()
                };
                Some(discovery::service_provider_config(&capabilities, base))
            }
        };
        let found = found.ok_or_else(|| self.nothing_here())?;
        Ok(respond::json(StatusCode::OK, &found))
    }

    /// The version that a write must find.
    ///
    /// `If-None-Match` on a write names the versions that it must not find (RFC 9110, section 13.1.2): the write is then
    /// bound to the one that is there.
    async fn if_match(&self, ty: &ResourceType, id: &str) -> Result<Option<u64>, EngineError> {
        let demand = condition::if_match(self.headers).version();
        if demand.is_some() || !condition::has_none_match(self.headers) {
            return Ok(demand);
        }
        let bare = Projection::parse(Some("id"), None)?;
        let current = self.app.get(&self.request, ty, id, &bare).await?.version;
        if condition::none_match(self.headers, current) {
            return Err(ScimError::precondition(
                "the resource is at a version that `If-None-Match` excludes",
            )
            .into());
        }
        Ok(Some(current))
    }

    fn projection(&self) -> Result<Projection, EngineError> {
        let (attributes, excluded) = (
            self.parameter("attributes"),
            self.parameter("excludedAttributes"),
        );
        Ok(Projection::parse_with(
            self.app.rules(),
            attributes.as_deref(),
            excluded.as_deref(),
        )?)
    }

    fn asks_for_attributes(&self) -> bool {
        self.parameter("attributes").is_some() || self.parameter("excludedAttributes").is_some()
    }

    /// A query parameter, decoded; names have any case.
    fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.route.query.as_bytes())
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.into_owned())
    }
}

/// Whether a request only wants to know what it would do.
fn is_dry_run(headers: &HeaderMap) -> bool {
    headers.get(DRY_RUN).is_some_and(|value| {
        value
            .to_str()
            .is_ok_and(|word| !word.trim().eq_ignore_ascii_case("false"))
    })
}

fn list_of(documents: Vec<Value>) -> Value {
    let documents: Vec<_> = documents
        .into_iter()
        .filter_map(|document| match document {
            Value::Object(document) => Some(document),
            _ => None,
        })
        .collect();
    render::list(documents.len() as u64, 1, documents)
}
