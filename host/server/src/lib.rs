//! The `tombolo` binary's inside: configuration, HTTP, authentication, the command line.
//!
//! It stands between the world and the engine. For: operators, who write files and type commands; SCIM clients, who send
//! requests. It alone knows HTTP, TOML and the command line. It may not know how a write is carried out, what is behind
//! a connector, or how bytes are kept: it asks the engine, and shows the runtime's own descriptions.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | the operator's files, and everything that is wrong with them at once |
//! | [`registry`] | the apps that are served, and how they change while requests run |
//! | [`flows`] | what is carried from one app into a sink |
//! | [`auth`] | who may call |
//! | [`budget`] | how far each app is from Entra's quarantine |
//! | [`http`] | from connections to answers |
//! | [`control`] | orders of an administrator to the host that runs |
//! | [`store`] | opening the store that the files name |
//! | [`telemetry`] | log lines and metrics |
//! | [`cli`] | the commands |
//! | [`files`] | writing files that nobody ever reads half of |
//! | [`embedded`] | the connector that comes with the binary |

pub mod auth;
pub mod budget;
pub mod cli;
pub mod config;
pub mod control;
pub mod embedded;
pub mod files;
pub mod flows;
pub mod http;
pub mod registry;
pub mod store;
pub mod telemetry;
