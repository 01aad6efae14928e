//! `http`: requests to named targets. No target of that kind can be granted yet, so every request is denied.

use crate::bindings::tombolo::connector::http::{Host, HttpError, Request, Response};
use crate::guest::Guest;

impl Host for Guest {
    async fn send(&mut self, _request: Request) -> wasmtime::Result<Result<Response, HttpError>> {
        Ok(Err(HttpError::Denied))
    }
}
