//! Against Entra's stand-in, over HTTP: what is sent, what is counted there, what is learned from it.

mod outcomes;
mod scim;
mod side;
mod signing_in;
mod standard;
mod upload;
