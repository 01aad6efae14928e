//! Several hosts on one PostgreSQL: their files, and a balancer in front of them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::host::{Directory, Host, Start};
use crate::postgres::{DATABASE, Postgres, USER};

/// Environment variable that holds the password of the store's database.
pub const PASSWORD_VARIABLE: &str = "TEST_STORE_PASSWORD";

/// Puts the store of a configuration directory into this server, over TLS.
pub fn on_postgres(directory: &Directory, postgres: &Postgres) -> Result<()> {
    directory.write("tls/store-ca.pem", std::fs::read(postgres.ca())?)?;
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\n[store]\npath = \"state\"\nengine = \"postgres\"\n\
         url = \"postgresql://{USER}@localhost:{}/{DATABASE}\"\npassword = \"env:{PASSWORD_VARIABLE}\"\n\
         tls = \"require\"\nca = \"tls/store-ca.pem\"\n",
        postgres.port()
    );
    directory.write("tombolo.toml", text)?;
    Ok(())
}

/// How a host is started that has such a store.
pub fn with_store(mut start: Start, password: &str) -> Start {
    let variable = (PASSWORD_VARIABLE.to_owned(), password.to_owned());
    start.environment.push(variable);
    start
}

/// A TCP balancer on loopback: each connection goes to the next host in turn that takes it.
pub struct Balancer {
    address: SocketAddr,
    hosts: Arc<Mutex<Vec<SocketAddr>>>,
    listening: AbortHandle,
}

impl Balancer {
    /// In front of nobody yet.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let hosts: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let upstreams = Arc::clone(&hosts);
        let turn = AtomicUsize::new(0);
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut order = upstreams
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                if !order.is_empty() {
                    let first = turn.fetch_add(1, Ordering::Relaxed) % order.len();
                    order.rotate_left(first);
                }
                connections.spawn(async move {
                    for host in order {
                        if let Ok(mut host) = TcpStream::connect(host).await {
                            // A host that is killed ends it.
                            let _ = copy_bidirectional(&mut client, &mut host).await;
                            return;
                        }
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        };
        Ok(Self {
            address,
            hosts,
            listening: tokio::spawn(accept).abort_handle(),
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The hosts from now on.
    pub fn set(&self, hosts: &[Host]) -> Result<()> {
        let addresses: Result<Vec<SocketAddr>> = hosts
            .iter()
            .map(|host| {
                let address = host.url().strip_prefix("http://").context("plain HTTP")?;
                Ok(address.parse()?)
            })
            .collect();
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner) = addresses?;
        Ok(())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
