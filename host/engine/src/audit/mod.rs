//! The audit: what was done, by whom, and proof that nobody has changed the story since.
//!
//! One [`Account`] a step of an operation, written in the commit that writes what it tells of: neither is there without
//! the other. What changed nothing (a refusal, a request that asks for what is so already) is told within a second.
//!
//! Accounts are numbered in a stream of this life of this host, so that hosts on one store never wait for each other.
//! Within a second a [`Seal`] is put on those that are new: it holds the SHA-256 of each, and of the seal before it.
//! The first seal of a stream holds the newest of all other streams, so that none of them can be taken out whole. A
//! seal costs no request anything: it is one small commit a second, in the background.
//!
//! | module | idea |
//! |---|---|
//! | `account` | what is told |
//! | `tale` | an operation while it runs |
//! | `trail` | numbers and writes accounts |
//! | `seal` | the chain |
//! | `verify` | whether it holds, and where not |
//! | `retention` | letting go of what is old, with the chain whole |
//! | `find` | reading it |
//! | `summary` | an account as Entra's provisioning log would show it |

mod account;
mod find;
mod keys;
mod retention;
mod seal;
mod summary;
mod tale;
#[cfg(test)]
mod tests;
mod trail;
mod verify;

pub use account::{Account, Action, By, CallMade, Members, Outcome, Problem};
pub use find::Search;
pub use retention::Keep;
pub use summary::summary;
pub use verify::{Break, Verdict};

pub(crate) use account::{Change, label};
pub(crate) use tale::{Tale, Told};
pub(crate) use trail::Trail;
pub(crate) use verify::verify;
