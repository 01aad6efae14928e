//! One configured use of a connector, and what `server` calls.
//!
//! An [`App`] is one generation: its connector, mapping and settings never
//! change. A reload makes another one, which shares the locks and the mirror.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio_util::task::TaskTracker;
use tombolo_mapping::{MappingError, Overrides, Shape};
use tombolo_runtime::{CallError, Connector};
use tombolo_scim::Rules;
use tombolo_scim::discovery::{AuthenticationScheme, Bulk, Capabilities, Pagination};
use tombolo_scim::patch::PatchRequest;
use tombolo_scim::project::Projection;
use tombolo_scim::query::ListQuery;
use tombolo_scim::schema::{Catalog, CatalogError, ResourceType};
use tombolo_store::{Commit, CommitError, Store};
use tracing::Instrument;

use crate::audit::{Account, Action, Told, Trail};
use crate::death::{self, Moment};
use crate::error::Error;
use crate::hosts::Hosts;
use crate::import::schedule::Imports;
use crate::keys::Keys;
use crate::kind::Kind;
use crate::policy::Policy;
use crate::request::Request;
use crate::shared::Shared;
use crate::vault::Vault;
use crate::wants::Wants;

/// How old the mirror may be when it answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Every read asks the target.
    Live,
    /// The mirror answers what the target confirmed this recently.
    Bounded(Duration),
    /// The mirror answers; the target is asked for what the mirror lacks.
    Mirror,
}

/// What an app is made of.
pub struct AppConfig {
    /// The name in its URL.
    pub name: String,
    /// Its connector, bound to its settings, targets and limits.
    pub connector: Connector,
    /// Changes to the mapping that the connector suggests, by kind.
    pub overrides: BTreeMap<String, Overrides>,
    /// How old a read may be.
    pub freshness: Freshness,
    /// How it shows its objects.
    pub shape: Shape,
    /// How strictly requests are read, and how much of them.
    pub rules: Rules,
    /// What its owner wants of disables and deletes.
    pub policy: Policy,
    /// What its owner wants of imports.
    pub imports: Imports,
}

impl AppConfig {
    /// Under what the store keeps the app's links, mirror and journal. A record
    /// is in the app's shape: one that was switched has others, and finds its
    /// former ones when it is switched back. No app's name has a `+`.
    pub(crate) fn space(&self) -> String {
        match self.shape {
            Shape::Scim => self.name.clone(),
            Shape::Ecma => format!("{}+ecma", self.name),
        }
    }
}

/// Why an app cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The connector's description is not usable.
    #[error(
        "connector `{connector}` describes its objects wrongly: {message}; its author has to correct that"
    )]
    Description {
        /// Which connector.
        connector: String,
        /// What is wrong.
        message: String,
    },
    /// The app's `[mapping]` does not fit the connector.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// `[mapping.KIND]` names a kind that the connector does not have.
    #[error("`[mapping.{kind}]`: connector `{connector}` has no kind `{kind}`; it has {known}")]
    UnknownKind {
        /// Which connector.
        connector: String,
        /// The name in the file.
        kind: String,
        /// The names that exist.
        known: String,
    },
    /// The app's shape shows nothing of what the connector has.
    #[error(
        "connector `{connector}` has no users, and an ECMA app shows users only; take `[ecma]` out of the app's file"
    )]
    NoUsers {
        /// Which connector.
        connector: String,
    },
    /// What `[policy]` or `[[scope]]` asks for cannot be had.
    #[error("`[{table}]` {message}")]
    Policy {
        /// Which part of the file.
        table: &'static str,
        /// What is wrong, as the rest of the sentence.
        message: String,
    },
    /// Two kinds make the same SCIM resource type.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// A resource, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its SCIM id.
    pub id: String,
    /// Its URL.
    pub location: String,
    /// Its ETag is `W/"version"`.
    pub version: u64,
    /// The resource as the client asked to see it.
    pub body: Value,
}

/// See the module.
pub struct App {
    pub(crate) name: String,
    /// What its keys begin with.
    pub(crate) space: String,
    pub(crate) connector: Connector,
    pub(crate) freshness: Freshness,
    pub(crate) shape: Shape,
    pub(crate) rules: Rules,
    pub(crate) policy: Policy,
    pub(crate) imports: Imports,
    pub(crate) catalog: Catalog,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) keys: Keys,
    pub(crate) shared: Arc<Shared>,
    pub(crate) writes: TaskTracker,
    pub(crate) trail: Arc<Trail>,
    pub(crate) vault: Arc<Vault>,
    /// A task settles intents in the background.
    pub(crate) settling: AtomicBool,
    /// Itself, for what goes on when a request has been answered.
    pub(crate) me: Weak<Self>,
}

impl App {
    pub(crate) fn new(
        config: AppConfig,
        store: Arc<dyn Store>,
        hosts: Arc<Hosts>,
        shared: Arc<Shared>,
        writes: TaskTracker,
        trail: Arc<Trail>,
        vault: Arc<Vault>,
    ) -> Result<Arc<Self>, AppError> {
        let space = config.space();
        let keys = Keys::new(&space);
        let AppConfig {
            name,
            connector,
            mut overrides,
            freshness,
            shape,
            rules,
            policy,
            imports,
        } = config;
        let kinds = kinds(&connector, shape, &mut overrides, &policy)?;
        let catalog = Catalog::new(kinds.iter().map(|kind| kind.ty().clone()).collect())?;
        let app = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            keys,
            name,
            space,
            connector,
            freshness,
            shape,
            rules,
            policy,
            imports,
            catalog,
            kinds,
            store,
            hosts,
            shared,
            writes,
            trail,
            vault,
            settling: AtomicBool::new(false),
        });
        app.settle_in_background();
        app.delete_in_background();
        app.import_in_background();
        app.settle_after_departures();
        app.count_what_others_mark();
        Ok(app)
    }

    /// The app's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The resource types that it serves.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// How strictly requests are read, and how much of them.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The connector behind it.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// What its ServiceProviderConfig promises.
    pub fn capabilities(&self) -> Capabilities {
        let limits = &self.rules.limits;
        let writes = self.connector.abilities().write;
        Capabilities {
            patch: writes,
            bulk: writes.then_some(Bulk {
                max_operations: limits.bulk_operations as u64,
                max_payload_size: limits.body_bytes as u64,
            }),
            filter_max_results: Some(limits.max_page_size),
            change_password: self.connector.abilities().password,
            sort: true,
            etag: true,
            pagination: Pagination {
                cursor: true,
                index: true,
                default_page_size: limits.page_size,
                max_page_size: limits.max_page_size,
            },
            authentication: vec![AuthenticationScheme::bearer()],
        }
    }

    /// The SCIM attributes that no target attribute takes, by kind: the host
    /// keeps them itself.
    pub fn kept_by_host(&self) -> BTreeMap<String, Vec<String>> {
        self.kinds
            .iter()
            .map(|kind| (kind.name.clone(), kind.mapping.host_kept()))
            .collect()
    }

    /// POST: a new resource, answered as `projection` wants to see it.
    ///
    /// # Errors
    /// 409 when the host or the target has one with the same unique value.
    pub async fn create(
        self: &Arc<Self>,
        r: &Request,
        ty: &ResourceType,
        body: &[u8],
        projection: &Projection,
    ) -> Result<Answer, Error> {
        let r = &r.operation();
        let document = tombolo_scim::resource::read_with(&self.rules, ty, body);
        let document = self.readable(&r.told(Action::Create), ty, None, document)?;
        let (id, stored) = {
            let (app, r, name) = (Arc::clone(self), r.clone(), ty.name.clone());
            let told = r.told(Action::Create);
            let write = async move { app.create_inner(&r, &name, document).await };
            self.to_its_end(told, ty, None, write).await?
        };
        self.answer(r, self.kind_of(ty)?, &id, &stored, projection)
            .await
    }

    /// GET by id.
    pub async fn get(
        &self,
        r: &Request,
        ty: &ResourceType,
        id: &str,
        projection: &Projection,
    ) -> Result<Answer, Error> {
        self.read_one(r, self.kind_of(ty)?, id, projection).await
    }

    /// GET of an endpoint, or POST of `.search` there or above: a ListResponse
    /// of these types.
    pub async fn list(
        self: &Arc<Self>,
        r: &Request,
        types: &[&ResourceType],
        query: &ListQuery,
    ) -> Result<Value, Error> {
        let kinds = types
            .iter()
            .map(|ty| self.kind_of(ty))
            .collect::<Result<Vec<_>, _>>()?;
        self.list_kinds(r, &kinds, query).await
    }

    /// PUT: all of the resource.
    pub async fn replace(
        self: &Arc<Self>,
        r: &Request,
        ty: &ResourceType,
        id: &str,
        body: &[u8],
        if_match: Option<u64>,
        projection: &Projection,
    ) -> Result<Answer, Error> {
        let r = &r.operation();
        let document = tombolo_scim::resource::read_with(&self.rules, ty, body);
        let document = self.readable(&r.told(Action::Update), ty, Some(id), document)?;
        let stored = {
            let told = r.told(Action::Update);
            let (app, r, name, of) = (Arc::clone(self), r.clone(), ty.name.clone(), id.to_owned());
            let write = async move { app.replace_inner(&r, &name, &of, document, if_match).await };
            self.to_its_end(told, ty, Some(id), write).await?
        };
        self.answer(r, self.kind_of(ty)?, id, &stored, projection)
            .await
    }

    /// PATCH: part of the resource. A `projection` without members saves the
    /// reading of them: a group's answer need not cost what its size is.
    pub async fn patch(
        self: &Arc<Self>,
        r: &Request,
        ty: &ResourceType,
        id: &str,
        body: &[u8],
        if_match: Option<u64>,
        projection: &Projection,
    ) -> Result<Answer, Error> {
        let r = &r.operation();
        let patch = PatchRequest::parse_with(&self.rules, body);
        let patch = self.readable(&r.told(Action::Update), ty, Some(id), patch)?;
        let stored = {
            let told = r.told(Action::Update);
            let (app, r, name, of) = (Arc::clone(self), r.clone(), ty.name.clone(), id.to_owned());
            let write = async move { app.patch_inner(&r, &name, &of, &patch, if_match).await };
            self.to_its_end(told, ty, Some(id), write).await?
        };
        self.answer(r, self.kind_of(ty)?, id, &stored, projection)
            .await
    }

    /// DELETE.
    pub async fn delete(
        self: &Arc<Self>,
        r: &Request,
        ty: &ResourceType,
        id: &str,
        if_match: Option<u64>,
    ) -> Result<(), Error> {
        let r = r.operation();
        let told = r.told(Action::Delete);
        let (app, name, of) = (Arc::clone(self), ty.name.clone(), id.to_owned());
        let write = async move { app.delete_inner(&r, &name, &of, if_match).await };
        self.to_its_end(told, ty, Some(id), write).await
    }

    /// What a body says; one that says nothing readable is told of too.
    fn readable<T>(
        &self,
        told: &Told,
        ty: &ResourceType,
        id: Option<&str>,
        read: Result<T, tombolo_scim::error::Error>,
    ) -> Result<T, Error> {
        read.map_err(|why| {
            let why = Error::from(why);
            self.trail
                .later(told.ended(&self.name, &ty.name, id, Some(&why)));
            why
        })
    }

    /// A write goes on when its client has gone away: half a write is worse
    /// than an answer that nobody reads. What it has not told of by then is told.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        self: &Arc<Self>,
        told: Told,
        ty: &ResourceType,
        id: Option<&str>,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (app, ty, id) = (Arc::clone(self), ty.name.clone(), id.map(str::to_owned));
        let write = async move {
            let result = write.await;
            if result.is_err() || !told.tale.is_told() {
                let failed = result.as_ref().err();
                app.trail
                    .later(told.ended(&app.name, &ty, id.as_deref(), failed));
            }
            result
        };
        match self.writes.spawn(write.in_current_span()).await {
            Ok(result) => {
                // What could not be written down at the end has to be asked for.
                if let Err(Error::Store(_)) = &result {
                    self.settle_in_background();
                }
                result
            }
            Err(panic) => {
                tracing::error!(app = self.name, %panic, "a write ended in a defect of the host");
                Err(Error::Defect)
            }
        }
    }

    /// The kind of this name of the connector's.
    pub(crate) fn kind_of_name(&self, name: &str) -> Result<&Kind, Error> {
        let kind = self.kinds.iter().find(|kind| kind.name == name);
        kind.ok_or_else(|| Error::NotSupported(format!("app `{}` has no kind `{name}`", self.name)))
    }

    /// The kind behind a resource type.
    pub(crate) fn kind_of(&self, ty: &ResourceType) -> Result<&Kind, Error> {
        self.kind_named(&ty.name)
    }

    /// The kind behind the resource type of this name.
    pub(crate) fn kind_named(&self, ty: &str) -> Result<&Kind, Error> {
        self.kinds
            .iter()
            .find(|kind| kind.ty().name == ty)
            .ok_or_else(|| {
                Error::NotSupported(format!("app `{}` has no resource type `{ty}`", self.name))
            })
    }

    /// Commits, and with it what is told of it.
    pub(crate) async fn commit_told(
        &self,
        commit: Commit,
        told: &Told,
        account: &Account,
    ) -> Result<(), CommitError> {
        let write = death::of_action(told.action);
        let commit = self.trail.commit(commit, account);
        death::during(write, Moment::Committing, commit).await?;
        death::at(write, Moment::Committed);
        told.tale.written();
        Ok(())
    }

    /// A connector's error as the engine's.
    pub(crate) fn target(&self, source: CallError) -> Error {
        Error::Target {
            app: self.name.clone(),
            source,
        }
    }
}

/// The kinds that the connector describes and the app shows, with its changes.
fn kinds(
    connector: &Connector,
    shape: Shape,
    overrides: &mut BTreeMap<String, Overrides>,
    policy: &Policy,
) -> Result<Vec<Kind>, AppError> {
    let name = || connector.component().manifest().name.clone();
    let wrong = |message: String| AppError::Description {
        connector: name(),
        message,
    };
    let described = connector
        .description()
        .get("kinds")
        .and_then(Value::as_array)
        .ok_or_else(|| wrong("it has no `kinds`".to_owned()))?;
    let (mut kinds, mut hidden) = (Vec::new(), Vec::new());
    for described in described {
        let kind: tombolo_mapping::Kind =
            serde_json::from_value(described.clone()).map_err(|e| wrong(e.to_string()))?;
        let changes = overrides.remove(&kind.kind).unwrap_or_default();
        let Some(mut mapping) = shape.mapping(&kind, &changes)? else {
            hidden.push(kind.kind);
            continue;
        };
        let ability = connector.abilities().password;
        let wants = Wants::of(shape, &kind, ability, policy, &mut mapping)?;
        let members = kind.member_kinds().into_iter().map(str::to_owned).collect();
        let mut of_app = Kind::new(&kind.kind, mapping, members);
        of_app.on_disable = wants.on_disable;
        of_app.initial = wants.initial;
        of_app.scope = wants.scope;
        kinds.push(of_app);
    }
    if let Some(kind) = overrides.keys().next() {
        let names = kinds.iter().map(|k| &k.name).chain(&hidden);
        let known: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        return Err(AppError::UnknownKind {
            connector: name(),
            kind: kind.clone(),
            known: known.join(", "),
        });
    }
    if kinds.is_empty() && !hidden.is_empty() {
        return Err(AppError::NoUsers { connector: name() });
    }
    Ok(kinds)
}
