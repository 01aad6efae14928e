//! From a component to an app's connector: wanted against granted, settings, trial.

mod consistent;
mod grants;
pub(crate) mod schema;
mod trial;

use std::sync::Arc;

use crate::app::AppSpec;
use crate::call::CallError;
use crate::capability::{Grants, TargetError};
use crate::component::Component;
use crate::component::manifest::Writes;
use crate::connector::{Connector, Slots};
use crate::granted::Granted;
use crate::interference::Interference;
use crate::redact::Redactor;

/// Why a file or an app cannot be used. Each says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is too large.
    #[error("the file has {size} bytes; a connector may have {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The file is made of too much.
    #[error("the file has {found} {what}; a connector may have {limit}")]
    TooMany {
        /// Functions, types, ….
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The file is something else.
    #[error(
        "the file is {what}, not a WebAssembly component; build the connector for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    NotAComponent {
        /// What it is instead.
        what: &'static str,
    },
    /// The file is damaged.
    #[error("the file is not valid WebAssembly: {0}; copy or build it again")]
    Invalid(String),
    /// A component, but of another world.
    #[error(
        "the component does not export `tombolo:connector/{interface}`, which every connector needs"
    )]
    NotAConnector {
        /// The missing interface.
        interface: &'static str,
    },
    /// A connector of another contract version.
    #[error(
        "the connector was built against contract version {found}; this host speaks {spoken}; rebuild it with the SDK of this release"
    )]
    Contract {
        /// What its names say.
        found: String,
        /// What this host speaks.
        spoken: &'static str,
    },
    /// A connector of a newer contract than this host's, which uses what is new in it.
    #[error(
        "the connector was built against contract version {found} and needs what this host, which speaks {spoken}, has not: {reason}; update the host, or build the connector against an older contract"
    )]
    Newer {
        /// What its names say.
        found: String,
        /// What this host speaks.
        spoken: String,
        /// What is missing.
        reason: String,
    },
    /// The manifest section is unusable.
    #[error("the connector's manifest (custom section `tombolo:manifest`) is wrong: {0}")]
    Manifest(String),
    /// The compiler gave up, or was stopped.
    #[error("the connector could not be compiled: {0}")]
    Compile(String),
    /// It imports or exports something of another shape.
    #[error("the connector does not fit this host: {0}; rebuild it with the SDK of this release")]
    Link(String),
    /// The connector wants what the app is not granted.
    #[error(
        "the connector `{connector}` wants what app `{app}` does not grant; add to the app's file:\n\n{lines}"
    )]
    Grants {
        /// The app.
        app: String,
        /// The connector.
        connector: String,
        /// TOML, to be pasted.
        lines: String,
    },
    /// A granted target is described in a way that cannot work.
    #[error("{0}")]
    Target(String),
    /// The settings break the connector's schema.
    #[error(
        "`[settings]` of app `{app}` are not what the connector `{connector}` accepts: {complaints}"
    )]
    Settings {
        /// The app.
        app: String,
        /// The connector.
        connector: String,
        /// Key by key.
        complaints: String,
    },
    /// The trial call failed.
    #[error("the connector failed its trial: {0}")]
    Trial(CallError),
    /// What `describe` answered breaks its schema.
    #[error("what the connector's `describe` answers is wrong: {0}")]
    Describe(String),
}

/// Checks everything and answers a connector that has proved to run.
pub(crate) async fn bind(
    component: &Arc<Component>,
    slots: Slots,
    spec: AppSpec,
    interference: Option<Arc<dyn Interference>>,
) -> Result<Connector, LoadError> {
    let manifest = component.manifest();
    grants::check(component, &spec)?;
    if let Some(schema) = &manifest.settings {
        let schema = schema::Schema::new(schema)
            .map_err(|error| LoadError::Manifest(format!("`settings`: {error}")))?;
        schema
            .check(&spec.settings)
            .map_err(|complaints| LoadError::Settings {
                app: spec.app.clone(),
                connector: manifest.name.clone(),
                complaints,
            })?;
    }
    let (spec, withheld) = grants::effective(component, spec);
    put_together(component, slots, spec, withheld, interference).await
}

/// The lines of an app's file that grant everything a connector asks for.
pub(crate) use grants::all_lines;

/// From what is granted to a connector that has proved to run.
pub(crate) async fn put_together(
    component: &Arc<Component>,
    slots: Slots,
    spec: AppSpec,
    withheld: Vec<String>,
    interference: Option<Arc<dyn Interference>>,
) -> Result<Connector, LoadError> {
    let manifest = component.manifest();
    let granted = Granted::of(&spec, withheld);
    let redactor = Redactor::new(
        spec.secrets
            .values()
            .map(|secret| &secret.value)
            .chain(spec.targets.values().flat_map(crate::app::Target::secrets)),
    );
    let targets = crate::capability::Targets::prepare(&spec.targets).map_err(
        |TargetError { name, reason }| {
            LoadError::Target(format!("target `{name}` of app `{}`: {reason}", spec.app))
        },
    )?;
    let limits = spec.limits.clone();
    let grants = Grants {
        connector: manifest.name.clone(),
        revision: component.digest().short(),
        settings: spec.settings.to_string(),
        secrets: spec.secrets,
        targets,
        directories: spec.directories,
        state: spec.state,
        limits,
        redactor,
        granted,
        interference,
        app: spec.app,
    };
    let serial = manifest.writes == Writes::Serial;
    trial::run(
        Arc::clone(component),
        slots,
        Arc::new(grants),
        serial,
        spec.reuse,
    )
    .await
}
