//! `net`: byte streams to named targets, for protocols that the host does not speak.
//!
//! A guest says which target, and what to write; where that is, whether a certificate is wanted and whose it has to be
//! is the operator's. Connections are not pooled: what was said on one is the connector's business, and no later call
//! may find it there. So they live within one call, however long the guest keeps their handles.
//!
//! | module | idea |
//! |---|---|
//! | `endpoint` | from the operator's target to a vetted, protected stream |
//! | `link` | one connection: bytes moved, and its record |
//! | `error` | what came to nothing |

mod endpoint;
mod error;
mod link;

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::tombolo::connector::net::{Host, HostConnection, NetError};
use crate::egress::Unreached;
use crate::guest::Guest;
pub(crate) use endpoint::Endpoint;
use error::Error;
use link::Link;

/// Connections that one call may have open.
const CONNECTIONS: usize = 16;

/// A guest's handle to a connection.
#[allow(unreachable_pub)] // the bindings name it in what they generate
pub struct Connection {
    target: String,
    link: Arc<Link>,
}

/// What one call has connected. A guest that keeps a handle beyond its call keeps nothing.
#[derive(Default)]
pub(crate) struct Connections(Vec<Arc<Link>>);

impl Connections {
    fn add(&mut self, link: &Arc<Link>) {
        self.0.push(Arc::clone(link));
    }

    fn is_full(&mut self) -> bool {
        self.0.retain(|link| link.is_open());
        self.0.len() >= CONNECTIONS
    }

    /// The call is over: what is still open is closed.
    pub(crate) fn end(&mut self) {
        for link in self.0.drain(..) {
            link.abandon();
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.end();
    }
}

impl Host for Guest {
    async fn connect(
        &mut self,
        target: String,
    ) -> wasmtime::Result<Result<Resource<Connection>, NetError>> {
        let record = self.outbound("net", "connect", &target, 0)?;
        let full = self.call.connections.is_full();
        let (endpoint, deadline) = (self.grants.targets.net(&target), self.deadline());
        // A handshake's future is large, and this one travels through every call's.
        let work = Box::pin(async {
            let endpoint = endpoint.ok_or(Error::NotGranted)?;
            if full {
                return Err(Error::Hoard(CONNECTIONS));
            }
            let opened = endpoint.open(deadline).await?;
            Ok((endpoint, opened))
        });
        let reset = |_| Error::from(Unreached::Connect("connection reset".to_owned()));
        match record.fate().around(work, reset).await {
            Ok((endpoint, opened)) => {
                let link = Arc::new(Link::new(endpoint, opened, record));
                self.call.connections.add(&link);
                Ok(Ok(self.table.push(Connection { target, link })?))
            }
            Err(error) => {
                record.end(&error.outcome(), 0);
                Ok(Err(error.into()))
            }
        }
    }
}

impl HostConnection for Guest {
    async fn read(
        &mut self,
        connection: Resource<Connection>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, NetError>> {
        let Connection { target, link } = self.table.get(&connection)?;
        let (link, fate) = (Arc::clone(link), self.call.fate("net", "read", target));
        let work = link.read(fate.shortened(max));
        match fate.around(work, |_| link.sever()).await {
            Ok(bytes) => {
                self.charge_bytes(bytes.len())?;
                Ok(Ok(bytes))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn write(
        &mut self,
        connection: Resource<Connection>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), NetError>> {
        self.call.charge_sent(bytes.len())?;
        let Connection { target, link } = self.table.get(&connection)?;
        let (link, fate) = (Arc::clone(link), self.call.fate("net", "write", target));
        let work = link.write(&bytes);
        let written = fate.around(work, |_| link.sever()).await;
        Ok(written.map_err(NetError::from))
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<Result<(), NetError>> {
        let Connection { target, link } = self.table.get(&connection)?;
        let (link, fate) = (Arc::clone(link), self.call.fate("net", "start-tls", target));
        let work = Box::pin(link.start_tls(self.deadline()));
        let protected = fate.around(work, |_| link.sever()).await;
        Ok(protected.map_err(NetError::from))
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        let Connection { link, .. } = self.table.delete(connection)?;
        link.farewell().await;
        Ok(())
    }
}
