//! `net`: byte streams to named targets. No target of that kind can be granted yet, so every connection is denied.

use wasmtime::component::Resource;

use crate::bindings::tombolo::connector::net::{Host, HostConnection, NetError};
use crate::guest::Guest;

/// A stream to a granted target; none can exist while no such target can be granted.
#[allow(unreachable_pub)] // the bindings name it in what they generate
pub enum Connection {}

impl Host for Guest {
    async fn connect(
        &mut self,
        _target: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, NetError>> {
        Ok(Err(NetError::Denied))
    }
}

impl HostConnection for Guest {
    async fn read(
        &mut self,
        _connection: Resource<Connection>,
        _max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, NetError>> {
        Ok(Err(NetError::Denied))
    }

    async fn write(
        &mut self,
        _connection: Resource<Connection>,
        _bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), NetError>> {
        Ok(Err(NetError::Denied))
    }

    async fn start_tls(
        &mut self,
        _connection: Resource<Connection>,
    ) -> wasmtime::Result<Result<(), NetError>> {
        Ok(Err(NetError::Denied))
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}
