//! From `[sink]` to a sink: its secrets, its certificates, its addresses.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::OnceCell;
use tombolo_engine::flow::sink::Sink;
use tombolo_engine::flow::{AppSink, Apps};
use tombolo_inbound::auth::{
    Algorithm, Auth, Certificate, Client, Credential as Shows, Endpoints, SecretIn, Tokens,
};
use tombolo_inbound::budget::{Budget, Limits};
use tombolo_inbound::bulk_upload::Job;
use tombolo_inbound::clock::System;
use tombolo_inbound::cost::Meter;
use tombolo_inbound::outcomes::{Outcomes, Patience};
use tombolo_inbound::scim::Server;
use tombolo_inbound::session::Session;
use tombolo_inbound::wire::{Backoff, Options, Wire, check_address};
use tombolo_store::Store;

use super::entra::EntraInbound;
use super::scim::{Reach, ScimSink};
use super::shared::InStore;
use crate::config::Layout;
use crate::config::flow::FlowFile;
use crate::config::secret::{Providers, SecretSource};
use crate::config::sink::{self, Credential, Entra, Objects, SinkFile};

/// After so long without any sign, what was staged is sent again.
const LOST: Duration = Duration::from_hours(24);

/// What sinks are made with.
pub(super) struct Workshop {
    pub(super) layout: Layout,
    pub(super) apps: Arc<dyn Apps>,
    pub(super) store: Arc<dyn Store>,
    pub(super) secrets: Arc<Providers>,
}

/// Where a flow's file leads to: known without a secret.
pub(super) fn identity(file: &SinkFile) -> String {
    let objects = |object: Objects| match object {
        Objects::Users => "users",
        Objects::Groups => "groups",
    };
    match file {
        SinkFile::App { app, object } => format!("app {} {object}", app.value),
        SinkFile::EntraInbound(inbound) => {
            format!("entra-inbound {} {}", inbound.entra.tenant, inbound.job)
        }
        SinkFile::EntraScim { entra, object } => {
            format!("entra-scim {} {}", entra.tenant, objects(*object))
        }
        SinkFile::Scim(scim) => format!("scim {} {}", scim.url.value, objects(scim.object)),
    }
}

impl Workshop {
    /// The sink of a flow's file.
    ///
    /// # Errors
    /// A secret, a certificate or an address cannot be used.
    pub(super) async fn sink(&self, file: &FlowFile) -> Result<Arc<dyn Sink>, String> {
        self.secrets.fetch(file.sink.secrets()).await;
        let identity = identity(&file.sink);
        let shared = Arc::new(InStore(Arc::clone(&self.store)));
        let clock = Arc::new(System);
        match &file.sink {
            SinkFile::App { app, object } => {
                let apps = Arc::clone(&self.apps);
                let name = &file.definition.name;
                Ok(Arc::new(AppSink::new(apps, &app.value, object, name)))
            }
            SinkFile::EntraInbound(inbound) => {
                let (session, endpoints) = self.session(&inbound.entra)?;
                let limits = Limits {
                    day: inbound.day.0,
                    day_reserve: inbound.day.1,
                    burst: inbound.burst.0,
                    burst_reserve: inbound.burst.1,
                    ..Limits::entra()
                };
                let budget = Budget::new(shared, clock, &identity, limits);
                let patience = Patience {
                    lag: inbound.log_delay,
                    lost: LOST,
                };
                let names = (inbound.principal.as_str(), inbound.job.as_str());
                let job = Job::new(session.clone(), &endpoints, names, budget.clone());
                Ok(Arc::new(EntraInbound {
                    log: Outcomes::new(session, &endpoints, names, patience),
                    identity,
                    job,
                    budget,
                    patience,
                    ask_every: inbound.ask_every,
                }))
            }
            SinkFile::EntraScim { entra, object } => {
                let (session, endpoints) = self.session(entra)?;
                let meter = Meter::new(shared, &format!("cost {}", entra.tenant));
                let server = Server::entra(session, &endpoints, meter);
                Ok(Arc::new(ScimSink {
                    identity,
                    object: *object,
                    server: Reach::Known(Box::new(server)),
                }))
            }
            SinkFile::Scim(scim) => {
                let wire = self.wire(scim.ca.as_deref())?;
                let auth = self.auth(scim, &wire)?;
                let url = check_address(&scim.url.value).map_err(|why| why.to_string())?;
                let session = Session::new(wire, auth, clock, Backoff::default());
                Ok(Arc::new(ScimSink {
                    identity,
                    object: scim.object,
                    server: Reach::Asked(Box::new((session, url, OnceCell::new()))),
                }))
            }
        }
    }

    fn secret(&self, source: &SecretSource) -> Result<SecretString, String> {
        let found = self.secrets.resolve(source);
        found.map_err(|why| format!("{why}; {}", why.hint()))
    }

    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let path = self.layout.dir().join(path);
        std::fs::read(&path).map_err(|why| format!("cannot read `{}`: {why}", path.display()))
    }

    fn wire(&self, ca: Option<&Path>) -> Result<Wire, String> {
        let ca = ca.map(|ca| self.file(ca)).transpose()?;
        let options = Options { ca, timeout: None };
        Wire::new(&options).map_err(|why| why.to_string())
    }

    fn auth(&self, scim: &sink::Scim, wire: &Wire) -> Result<Auth, String> {
        if let Some(token) = &scim.token {
            return Ok(Auth::Bearer(self.secret(token)?));
        }
        if let Some((user, password)) = &scim.basic {
            return Ok(Auth::Basic {
                user: user.clone(),
                password: self.secret(password)?,
            });
        }
        let Some((url, id, secret, scope)) = &scim.oauth else {
            return Ok(Auth::None);
        };
        let client = Client {
            endpoint: check_address(url).map_err(|why| why.to_string())?,
            client_id: id.clone(),
            scope: scope.clone(),
            credential: Shows::Secret(self.secret(secret)?, SecretIn::default()),
        };
        Ok(Auth::OAuth(Tokens::new(wire.clone(), client)))
    }

    fn session(&self, entra: &Entra) -> Result<(Session, Endpoints), String> {
        let endpoints = entra
            .cloud
            .endpoints(entra.login.as_deref(), entra.graph.as_deref())
            .map_err(|why| why.to_string())?;
        let credential = match &entra.credential {
            Credential::Secret(secret) => Shows::Secret(self.secret(secret)?, SecretIn::default()),
            Credential::Certificate(certificate, key) => {
                let (pem, key) = (self.file(certificate)?, self.secret(key)?);
                let certificate = Certificate::from_pem(&pem, &key, Algorithm::default());
                Shows::Certificate(certificate.map_err(|why| why.to_string())?)
            }
            Credential::Federated(path) => Shows::Federated(self.layout.dir().join(path)),
        };
        let wire = self.wire(entra.ca.as_deref())?;
        let client = Client {
            endpoint: endpoints.token(&entra.tenant),
            client_id: entra.client_id.clone(),
            scope: endpoints.scope(),
            credential,
        };
        let auth = Auth::OAuth(Tokens::new(wire.clone(), client));
        let session = Session::new(wire, auth, Arc::new(System), Backoff::default());
        Ok((session, endpoints))
    }
}
