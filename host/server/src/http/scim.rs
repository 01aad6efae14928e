//! From a SCIM request to the engine, and back.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;
use tombolo_engine::{App, Error as EngineError, Request};
use tombolo_scim::discovery::{AuthenticationScheme, Capabilities};
use tombolo_scim::error::Error as ScimError;
use tombolo_scim::project::Projection;
use tombolo_scim::query::ListQuery;
use tombolo_scim::schema::ResourceType;
use tombolo_scim::{discovery, render};

use super::condition::{self, Demand};
use super::respond;
use super::route::{Place, Route};

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
        match &self.route.place {
            Place::Collection(endpoint) => self.collection(self.kind(endpoint)?).await,
            Place::Resource(endpoint, id) => self.resource(self.kind(endpoint)?, id).await,
            Place::Search(endpoint) => match *self.method {
                Method::POST => {
                    let kinds = match endpoint {
                        Some(endpoint) => vec![self.kind(endpoint)?],
                        None => self.app.catalog().types().iter().collect(),
                    };
                    self.list(&kinds, ListQuery::from_search_body(self.body)?)
                        .await
                }
                _ => Ok(respond::method_not_allowed(self.method, "POST")),
            },
            Place::Schemas(_) | Place::ResourceTypes(_) | Place::ServiceProviderConfig => {
                self.discovery()
            }
            Place::Me => Err(not_implemented(
                "`/Me` is not supported: a token stands for a client, not for a person",
            )),
            Place::Bulk => Err(not_implemented(
                "`/Bulk` is not supported, as `/ServiceProviderConfig` says; send the operations one by one",
            )),
            Place::Unknown => Err(self.nothing_here()),
        }
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
                self.list(&[ty], ListQuery::from_query(&self.route.query)?)
                    .await
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
                        self.if_match()?,
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
                        self.if_match()?,
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
                    .delete(&self.request, ty, id, self.if_match()?)
                    .await?;
                Ok(respond::empty())
            }
            _ => Ok(respond::method_not_allowed(
                self.method,
                "GET, PUT, PATCH, DELETE",
            )),
        }
    }

    /// One type's listing, or those of several in a row as one.
    async fn list(&self, kinds: &[&ResourceType], query: ListQuery) -> Outcome {
        if let [ty] = kinds {
            return Ok(respond::json(
                StatusCode::OK,
                &self.app.list(&self.request, ty, &query).await?,
            ));
        }
        let start = query.start_index;
        let (mut total, mut resources) = (0, Vec::new());
        for ty in kinds {
            let mut part = query.clone();
            part.start_index = start.saturating_sub(total).max(1);
            part.count = query
                .count
                .map(|count| count.saturating_sub(resources.len() as u64));
            let mut listed = self.app.list(&self.request, ty, &part).await?;
            total += listed["totalResults"].as_u64().unwrap_or(0);
            if let Some(Value::Array(found)) = listed.get_mut("Resources").map(Value::take) {
                resources.extend(found.into_iter().filter_map(|resource| match resource {
                    Value::Object(resource) => Some(resource),
                    _ => None,
                }));
            }
        }
        Ok(respond::json(
            StatusCode::OK,
            &render::list(total, start, resources),
        ))
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

    fn if_match(&self) -> Result<Option<u64>, EngineError> {
        match condition::if_match(self.headers) {
            Demand::Any => Ok(None),
            Demand::Version(version) => Ok(Some(version)),
            Demand::Impossible => Err(ScimError::precondition(
                "`If-Match` names no version that this host gave out; read the resource again",
            )
            .into()),
        }
    }

    fn projection(&self) -> Result<Projection, EngineError> {
        let (attributes, excluded) = (
            self.parameter("attributes"),
            self.parameter("excludedAttributes"),
        );
        Ok(Projection::parse(
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

fn not_implemented(detail: &str) -> EngineError {
    ScimError::not_implemented(detail).into()
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
