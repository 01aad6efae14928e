//! The one unsafe step: taking bytes for machine code.

#![allow(unsafe_code)]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads what `Engine::precompile_component` wrote.
///
/// wasmtime checks that version and settings fit this engine and nothing else: bytes that someone else made up
/// would run as they are, outside the sandbox.
pub(super) fn load(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` needs bytes that this version of wasmtime produced, unmodified. There are three
    // sources, all within this folder (the function is visible nowhere else): `precompile_component` in this
    // process; the pipe of the child that this process started from its own executable and that does nothing
    // but the same call; and the cache, which hands out only bytes whose HMAC under this machine's private key
    // it has just verified over the very buffer that is passed here, and which it wrote from the first two.
    unsafe { Component::deserialize(engine, compiled) }
}
