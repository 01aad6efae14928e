//! The sandbox: one WebAssembly engine that loads connectors, binds them to apps and calls them.
//!
//! For: the engine room, which asks an app's [`Connector`] to read and write a target,
//! and the server, which loads files and shows what they are and want.
//!
//! May not know: SCIM, HTTP, TOML, the store. It speaks the contract's vocabulary
//! ([`contract`]: entries, attributes, edits, filters) and nothing else.
//!
//! A file becomes a live connector in two steps:
//!
//! 1. [`Runtime::load`]: bytes are validated, hashed, compiled apart (in a child with limits) or taken
//!    from the authenticated cache, and linked: a [`Component`]. It holds no grant and serves any number of apps.
//! 2. [`Runtime::bind`]: what the connector wants is compared with what the operator granted, the settings are
//!    checked, a trial instance says what it is and costs: a [`Connector`].
//!
//! A call takes a slot, runs on a fiber under two clocks and a set of limits, and returns its instance to the
//! pool only when it returned cleanly. A trap poisons an instance, so anything else throws it away.
//!
//! | module | idea |
//! |---|---|
//! | `bindings`, [`contract`] | the WIT package as Rust |
//! | `engine`, `ticker` | wasmtime's settings, the allocator probe; the epoch |
//! | `component` | what can be known of a file without running it: digest, manifest, exports |
//! | `compile` | child process, cache on disk, and the one `unsafe` module |
//! | `app` | what the operator grants an app: targets, secrets, directories, limits |
//! | [`Granted`] | what came of the grants, for people |
//! | `bind` | wanted against granted, settings, trial |
//! | `connector` | calls: slots, clocks, instances, checks of what came back |
//! | `guest` | the state of one instance, and its memory limiter |
//! | `capability` | what a guest can import, one file each |
//! | [`state`] | the trait behind the `state` capability |
//! | `interference` | faults put into host calls on purpose, for the contract kit |
//! | `egress` | which addresses the host connects to |
//! | `redact` | known secrets never leave in a message |
//! | [`stats`] | counters the server turns into metrics |

mod app;
mod bind;
mod bindings;
mod call;
mod capability;
mod compile;
mod component;
mod connector;
pub mod contract;
mod egress;
mod engine;
mod granted;
mod guest;
mod interference;
mod redact;
mod runtime;
pub mod state;
pub mod stats;
mod ticker;

pub use app::{
    AppSpec, Circuit, ClientIdentity, Directory, GrantedSecret, HttpAuth, HttpTarget, LdapTarget,
    Limits, NetTarget, NetTls, OAuthClient, OdbcSource, Rate, Reuse, SqlDriver, SqlServer,
    SqlTarget, SqlTls, SqliteFile, Target, TokenRequest,
};
pub use bind::LoadError;
pub use call::{Call, CallError, Crowded};
pub use compile::{CompileLimits, CompileWith, child::compile_child_main};
pub use component::{
    Abilities, Component, Digest, Inspection, Producer,
    inspect::{Found, allowed_size, look},
    manifest::{Access, Manifest, WantedDirectory, WantedSecret, WantedTarget, Writes},
};
pub use connector::{CircuitState, Connector, Cost};
pub use egress::Reach;
pub use granted::{Granted, GrantedDirectory, GrantedTarget};
pub use interference::{HostCall, Interference, Strike};
pub use runtime::{Options, Runtime, RuntimeError};
pub use state::{StateError, StateItem, StateStore};
