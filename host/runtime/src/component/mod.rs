//! What can be known of a component, and the component made ready to run.

pub(crate) mod inspect;
pub(crate) mod manifest;
pub(crate) mod version;

use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wasmtime::component::InstancePre;

use crate::bindings::exports::tombolo::connector as exports;
use crate::connector::Threads;
use crate::guest::Guest;
use manifest::Manifest;

/// The SHA-256 of a component's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits, for logs.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a connector can do beyond reading: found by looking at its exports, so no flag can lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "one independent ability each"
)]
pub struct Abilities {
    /// `write`: create, update, delete.
    pub write: bool,
    /// `members`: memberships apart from the group.
    pub members: bool,
    /// `password`: set a password.
    pub password: bool,
    /// `delta`: changes since a token.
    pub delta: bool,
}

impl Abilities {
    /// The names of their interfaces; everything can `read`.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (true, "read"),
            (self.write, "write"),
            (self.members, "members"),
            (self.password, "password"),
            (self.delta, "delta"),
        ]
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name))
    }
}

/// What a look at the file tells.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Bytes of the file.
    pub size: usize,
    /// Its digest.
    pub digest: Digest,
    /// The version of `tombolo:connector` it was built against.
    pub contract: String,
    /// Every imported interface. Not what it needs: some tool chains import all of WASI.
    pub imports: Vec<String>,
    /// Every exported interface.
    pub exports: Vec<String>,
    /// How many core modules it is made of.
    pub modules: usize,
    /// The languages and tools it was made with, as its `producers` sections say.
    pub producers: Vec<Producer>,
}

/// A language or tool that had a part in making a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// `Rust`, `rustc`, `wit-component`.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// A loaded, linked file: holds no grant, serves any number of apps.
pub struct Component {
    pub(crate) manifest: Manifest,
    pub(crate) has_manifest: bool,
    pub(crate) inspection: Inspection,
    pub(crate) abilities: Abilities,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) exports: Indices,
    pub(crate) threads: Threads,
}

/// Where in the component each ability's functions are.
pub(crate) struct Indices {
    pub(crate) connector: exports::connector::GuestIndices,
    pub(crate) read: exports::read::GuestIndices,
    pub(crate) write: Option<exports::write::GuestIndices>,
    pub(crate) members: Option<exports::members::GuestIndices>,
    pub(crate) password: Option<exports::password::GuestIndices>,
    pub(crate) delta: Option<exports::delta::GuestIndices>,
}

impl Indices {
    pub(crate) fn new(pre: &InstancePre<Guest>, abilities: Abilities) -> wasmtime::Result<Self> {
        Ok(Self {
            connector: exports::connector::GuestIndices::new(pre)?,
            read: exports::read::GuestIndices::new(pre)?,
            write: abilities
                .write
                .then(|| exports::write::GuestIndices::new(pre))
                .transpose()?,
            members: abilities
                .members
                .then(|| exports::members::GuestIndices::new(pre))
                .transpose()?,
            password: abilities
                .password
                .then(|| exports::password::GuestIndices::new(pre))
                .transpose()?,
            delta: abilities
                .delta
                .then(|| exports::delta::GuestIndices::new(pre))
                .transpose()?,
        })
    }
}

impl Component {
    /// The name its manifest gives, or the name of the file.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> &Digest {
        &self.inspection.digest
    }

    /// What it says of itself, readable without running it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Did the file bring the manifest, or was one made up from its name?
    pub fn has_manifest(&self) -> bool {
        self.has_manifest
    }

    /// What it can do.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// The lines of an app's file that grant everything it asks for; empty when it asks for nothing.
    pub fn grant_lines(&self) -> String {
        crate::bind::all_lines(&self.manifest)
    }

    /// What a look at the file tells.
    pub fn inspect(&self) -> &Inspection {
        &self.inspection
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.manifest.name)
            .field("digest", self.digest())
            .finish_non_exhaustive()
    }
}
