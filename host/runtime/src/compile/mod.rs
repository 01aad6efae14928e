//! From bytes to machine code: the compiler's turn, the child it runs in, the cache it fills.
//!
//! Compiling is the memory peak (hundreds of megabytes for an interpreter) and the one part of the engine whose
//! appetite is not bounded, so there is one at a time, in a child process with limits.

mod cache;
pub(crate) mod child;
mod confine;
mod precompiled;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use wasmtime::Engine;
use wasmtime::component::Component as Code;

use crate::bind::LoadError;
use crate::component::Digest;
pub(crate) use cache::{Cache, CacheError};

/// Where connectors are compiled.
#[derive(Clone, Debug, Default)]
pub enum CompileWith {
    /// In this process, without limits: for tests and tools that compile what they built themselves.
    #[default]
    InProcess,
    /// In a child: this executable, called with the one argument `__compile`, answers with
    /// [`compile_child_main`](crate::compile_child_main).
    Child(PathBuf),
}

/// What the compiling child may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall-clock time.
    pub wall: Duration,
    /// Processor time, over all its threads; whole seconds.
    pub cpu: Duration,
    /// Address space in bytes.
    pub memory: u64,
}

impl Default for CompileLimits {
    /// The slowest honest component needs 8 s of two cores; the dearest 400 MiB beside code and stacks.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(180),
            cpu: Duration::from_secs(240),
            memory: 3 << 30,
        }
    }
}

/// Compiles, one at a time, and remembers.
pub(crate) struct Compiler {
    with: CompileWith,
    limits: CompileLimits,
    cache: Option<Arc<Cache>>,
    turn: tokio::sync::Mutex<()>,
}

impl Compiler {
    pub(crate) fn new(with: CompileWith, limits: CompileLimits, cache: Option<Cache>) -> Self {
        Self {
            with,
            limits,
            cache: cache.map(Arc::new),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Machine code for validated bytes.
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        digest: Digest,
        bytes: &Arc<[u8]>,
    ) -> Result<Code, LoadError> {
        if let Some(code) = self.cached(engine, digest).await {
            return Ok(code);
        }
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have compiled the same file.
        if let Some(code) = self.cached(engine, digest).await {
            return Ok(code);
        }
        let compiled = match &self.with {
            CompileWith::Child(executable) => child::run(executable, bytes, self.limits).await?,
            CompileWith::InProcess => {
                let (engine, bytes) = (engine.clone(), Arc::clone(bytes));
                blocking(move || engine.precompile_component(&bytes))
                    .await?
                    .map_err(|error| LoadError::Compile(format!("{error:#}")))?
            }
        };
        let compiled = Arc::new(compiled);
        let code = load(engine, &compiled).await?;
        if let Some(cache) = &self.cache {
            let (cache, key) = (Arc::clone(cache), Cache::key(engine, digest));
            if let Err(error) = blocking(move || cache.put(key, &compiled)).await? {
                warn!(%error, "the compiled connector is not kept; it will be compiled again");
            }
        }
        Ok(code)
    }

    async fn cached(&self, engine: &Engine, digest: Digest) -> Option<Code> {
        let cache = Arc::clone(self.cache.as_ref()?);
        let key = Cache::key(engine, digest);
        let compiled = blocking(move || cache.get(key)).await.ok()??;
        match load(engine, &Arc::new(compiled)).await {
            Ok(code) => Some(code),
            Err(error) => {
                warn!(%error, "a cached connector does not load; it is compiled again");
                None
            }
        }
    }
}

async fn load(engine: &Engine, compiled: &Arc<Vec<u8>>) -> Result<Code, LoadError> {
    let (engine, compiled) = (engine.clone(), Arc::clone(compiled));
    blocking(move || precompiled::load(&engine, &compiled))
        .await?
        .map_err(|error| LoadError::Compile(format!("{error:#}")))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadError> {
    // wasmtime has panicked on hostile input before; that must cost a load, not the host.
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| LoadError::Compile(format!("the compiler failed: {error}")))
}
