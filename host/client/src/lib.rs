//! The other end of a SCIM URL: what Entra ID and its validators do to a server, as a product.
//!
//! Operators and connector authors play it against their own app (`tombolo conformance`, `tombolo simulate`) before
//! Entra does. It speaks HTTP to any SCIM server and may know nothing of how ours works: not the engine, not the
//! runtime, not the store. The room's facts are in Entra's documentation and in the RFCs.
//!
//! | module | idea |
//! |---|---|
//! | [`http`] | one SCIM base URL, signed in to, and its answers |
//! | [`conformance`] | does a server do what Entra and the RFCs expect? |
//! | [`simulate`] | Entra's provisioning service, played against any SCIM URL |
//! | [`stand_in`] | Entra's receiving side, played for whoever pushes identities into it |

pub mod conformance;
pub mod http;
pub mod simulate;
pub mod stand_in;
