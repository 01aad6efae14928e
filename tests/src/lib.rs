//! The whole product through its binary, against real servers.
//!
//! This library is what the tests under `tests/` (and `cargo xtask demo` and
//! `cargo xtask load`) stand on. It knows the product only from outside: the
//! command line, the operator's files, HTTP. It may lean on no room of the
//! host, so that a test can never be right for the same reason that the code
//! is wrong.
//!
//! - [`build`]: where the binary and the connectors are; builds them once.
//! - [`host`]: a configuration directory and a running `tombolo serve`.
//! - [`scim`]: a SCIM client with a bearer token and a meter.
//! - [`people`]: people and groups, the same for the same seed, with the names
//!   that break directories.
//! - [`entra`]: plays Entra's provisioning cycles in both PATCH dialects.
//! - [`load`]: a steady or a flat-out stream of requests, and what it cost.
//! - [`roster`]: people and teams that any target can hold, and a client that does not give up.
//! - [`redmine`], [`soap`]: a real Redmine, and a SOAP service.
//! - [`slapd`], [`ldif`]: a real OpenLDAP on loopback, and reading it.
//! - [`samba`]: a real Active Directory domain controller, on an address of its own.
//! - [`postgres`], [`mariadb`]: real databases on loopback. [`sql`]: the sql connector's examples on them, and on SQLite.
//! - [`shared`]: hosts whose store is in one PostgreSQL, and a balancer in front of them.
//! - [`apps`]: app files for the connectors that are shipped, and the test guest.
//! - [`token`]: a client of the token endpoint.
//! - [`pki`], [`issuer`]: certificates, and tokens that somebody else signs.
//! - [`fault`]: a wire that resets, delays, swallows and cuts on command.
//! - [`ledger`], [`outside`]: what was acknowledged and what was not answered; a target as its owner sees it.
//! - [`disk`]: disks that fill up and fail.
//! - [`dice`]: randomness that a seed repeats.

pub mod apps;
mod as_user;
pub mod build;
pub mod dice;
pub mod disk;
pub mod entra;
pub mod fault;
pub mod guarded;
pub mod host;
pub mod hostile;
pub mod issuer;
pub mod languages;
pub mod ldif;
pub mod ledger;
pub mod load;
pub mod mariadb;
pub mod oci;
pub mod openbao;
pub mod outside;
pub mod people;
pub mod pki;
pub mod postgres;
pub mod redmine;
pub mod revision;
pub mod roster;
pub mod samba;
pub mod scim;
pub mod server;
pub mod shared;
pub mod slapd;
pub mod soap;
pub mod sql;
pub mod token;
