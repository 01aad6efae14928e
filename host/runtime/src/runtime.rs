//! The runtime: one engine, one compiler, one linker.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::info;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::app::{AppSpec, Limits, Reuse};
use crate::bind::{self, LoadError};
use crate::capability;
use crate::compile::{Cache, CacheError, CompileLimits, CompileWith, Compiler};
use crate::component::manifest::Manifest;
use crate::component::{Component, Indices, inspect, version};
use crate::connector::{Connector, Lane, Places, Slots, Threads};
use crate::engine;
use crate::guest::Guest;
use crate::interference::Interference;
use crate::ticker::Ticker;

/// How the runtime compiles and remembers.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory for compiled code; it is made private. None compiles at each start.
    pub cache: Option<PathBuf>,
    /// Where connectors are compiled.
    pub compile_with: CompileWith,
    /// What a compiling child may use.
    pub compile_limits: CompileLimits,
}

/// The runtime cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// wasmtime refuses this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The cache directory cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Loads connectors and binds them to apps. Clones share everything.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    linker: Linker<Guest>,
    compiler: Compiler,
    /// One for each instance the engine can hold, whatever app it belongs to.
    places: Arc<Places>,
    threads: Threads,
}

impl Runtime {
    /// Starts the engine and its ticker.
    pub fn new(options: Options) -> Result<Self, RuntimeError> {
        let start = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let engine::Sized { engine, instances } = engine::runner().map_err(start)?;
        let ticker = Ticker::start(&engine)
            .map_err(|error| RuntimeError::Engine(format!("its ticker thread: {error}")))?;
        let lane = Lane::new()
            .map_err(|error| RuntimeError::Engine(format!("its threads for guests: {error}")))?;
        let mut linker = Linker::new(&engine);
        capability::link(&mut linker).map_err(start)?;
        let cache = options.cache.as_deref().map(Cache::open).transpose()?;
        let compiler = Compiler::new(options.compile_with, options.compile_limits, cache);
        let places = Places::new(instances);
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                linker,
                compiler,
                places,
                threads: Threads { ticker, lane },
            }),
        })
    }

    /// Makes a file ready: validated, hashed, compiled or taken from the cache, linked. `name` is the name of the
    /// file without its ending; a manifest in the file overrides it.
    pub async fn load(&self, name: &str, bytes: Vec<u8>) -> Result<Arc<Component>, LoadError> {
        let shared = &self.shared;
        let (found, bytes) = tokio::task::spawn_blocking(move || looked_at(bytes))
            .await
            .map_err(|error| LoadError::Invalid(format!("the validator failed: {error}")))??;
        let code = shared
            .compiler
            .compile(&shared.engine, found.inspection.digest, &bytes)
            .await?;
        let link = |error: wasmtime::Error| {
            let reason = format!("{error:#}");
            if found.version > version::CURRENT {
                LoadError::Newer {
                    found: found.version.to_string(),
                    spoken: version::CURRENT.to_string(),
                    reason,
                }
            } else {
                LoadError::Link(reason)
            }
        };
        let pre = shared.linker.instantiate_pre(&code).map_err(link)?;
        let exports = Indices::new(&pre, found.abilities).map_err(link)?;
        let has_manifest = found.manifest.is_some();
        let manifest = found
            .manifest
            .unwrap_or_else(|| Manifest::absent(name, &found.inspection.contract));
        info!(connector = %manifest.name, version = %manifest.version, digest = %found.inspection.digest.short(), "connector loaded");
        Ok(Arc::new(Component {
            manifest,
            has_manifest,
            inspection: found.inspection,
            abilities: found.abilities,
            pre,
            exports,
            threads: shared.threads.clone(),
        }))
    }

    /// Gives a component to an app: grants and settings are checked, a trial instance says what it is and costs.
    pub async fn bind(
        &self,
        component: &Arc<Component>,
        spec: AppSpec,
    ) -> Result<Connector, LoadError> {
        let slots = Slots::new(Arc::clone(&self.shared.places), &spec.limits);
        bind::bind(component, slots, spec, None).await
    }

    /// Binds a component that is granted nothing, whatever it wants: to see what it says of itself and what it costs.
    pub async fn try_out(
        &self,
        component: &Arc<Component>,
        settings: serde_json::Value,
    ) -> Result<Connector, LoadError> {
        let limits = Limits::default();
        let slots = Slots::new(Arc::clone(&self.shared.places), &limits);
        let spec = AppSpec {
            app: "trial".to_owned(),
            settings,
            targets: BTreeMap::new(),
            secrets: BTreeMap::new(),
            directories: Vec::new(),
            state: Arc::new(crate::state::Memory::default()),
            limits,
            reuse: Reuse::Auto,
        };
        bind::put_together(component, slots, spec, Vec::new(), None).await
    }

    /// Like [`Self::bind`], with somebody who decides what becomes of each host call: for tests of a connector, never for an app
    /// that serves.
    pub async fn bind_with_interference(
        &self,
        component: &Arc<Component>,
        spec: AppSpec,
        interference: Arc<dyn Interference>,
    ) -> Result<Connector, LoadError> {
        let slots = Slots::new(Arc::clone(&self.shared.places), &spec.limits);
        bind::bind(component, slots, spec, Some(interference)).await
    }

    /// Ticks whenever the circuit of any app opens or closes.
    pub fn circuits(&self) -> watch::Receiver<u64> {
        self.shared.places.circuits()
    }
}

/// What a look at a file tells, and the file as the compiler is to see it.
fn looked_at(bytes: Vec<u8>) -> Result<(inspect::Found, Arc<[u8]>), LoadError> {
    let found = inspect::look(&bytes)?;
    let bytes = version::current(&bytes, found.line)
        .map_err(|error| LoadError::Invalid(error.to_string()))?;
    Ok((found, bytes.into()))
}
