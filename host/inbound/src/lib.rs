//! Pushing records outwards: into Entra's API-driven provisioning, into Entra's SCIM API, into any SCIM 2.0 server.
//!
//! This room knows HTTP and the shapes that go over it, and what the services at the other end allow and charge. It may
//! not know where records come from, what has changed, where anything is stored, or how it is configured: the caller
//! brings finished records, a clock, and a place for small shared values.
//!
//! | module | idea |
//! |---|---|
//! | [`bulk_upload`] | full records into a provisioning job: packed, paced, staged |
//! | [`outcomes`] | what became of staged records, read from the provisioning log |
//! | [`scim`] | users and groups into any SCIM 2.0 server, or into Entra's SCIM API |
//! | [`budget`] | never more calls than the service allows, over restarts and over hosts |
//! | [`cost`] | what a service that charges by the request has charged |
//! | [`auth`] | who we are: secret, certificate or federated token; national clouds |
//! | [`shared`] | the small values that hosts share |
//! | [`clock`] | what time it is, and waiting |
//! | [`session`] | one signed-in conversation: renewed tokens, patience |
//! | [`wire`] | one request and its answer |

pub mod auth;
pub mod budget;
pub mod bulk_upload;
pub mod clock;
pub mod cost;
pub mod outcomes;
pub mod scim;
pub mod session;
pub mod shared;
pub mod wire;
