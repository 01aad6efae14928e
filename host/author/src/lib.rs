//! What an author of a connector needs of the host's binary before there is a connector: a new project, and its build.
//!
//! A project is a folder with `connector.toml`, the author's code, and copies of the SDK and of the contract, so that it
//! builds on a machine with nothing but this binary and its language's own tool. What the languages' tools leave to be
//! done is done here: bindings for C and Go, a component of their core modules, the manifest in all of them.
//!
//! It knows no engine and runs nothing that it builds.

mod assets;
mod build;
mod c;
mod component;
mod go;
mod javascript;
mod language;
mod new;
mod project;
mod python;
mod rust;
mod tool;
mod world;

pub use build::{BuildError, build};
pub use language::{Language, UnknownLanguage};
pub use new::{NewError, create};
pub use project::{Ability, Capability, FILE, Project, ProjectError};
