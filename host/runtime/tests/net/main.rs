//! `net`: bytes go to the granted target, protected as its file says, counted and recorded, and nothing outlives a call.

#[path = "../common/mod.rs"]
mod common;

mod limits;
mod record;
mod service;
mod streams;
mod tls;

use std::time::Duration;

use common::{answer as said, call, guest, runtime, spec};
use tombolo_runtime::{AppSpec, CallError, Connector, NetTarget, NetTls, Reach, Target};

pub(crate) fn target(port: u16) -> NetTarget {
    NetTarget {
        address: format!("localhost:{port}"),
        tls: NetTls::Off,
        server_name: None,
        ca: None,
        pins: Vec::new(),
        identity: None,
        reach: Reach::Private,
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(20),
        connections: 8,
    }
}

pub(crate) async fn bound(app: AppSpec, targets: Vec<(&str, NetTarget)>) -> Connector {
    let runtime = runtime();
    let component = runtime.load("net", guest("net")).await.unwrap();
    let targets = targets
        .into_iter()
        .map(|(name, target)| (name.to_owned(), Target::Net(target)))
        .collect();
    runtime
        .bind(&component, AppSpec { targets, ..app })
        .await
        .unwrap()
}

/// A connector with the target `service`.
pub(crate) async fn with(target: NetTarget) -> Connector {
    bound(spec("app"), vec![("service", target)]).await
}

/// What came of each line of a script.
pub(crate) async fn play(connector: &Connector, script: &str) -> Vec<String> {
    let answer = tried(connector, script).await.unwrap();
    answer.split('\n').map(str::to_owned).collect()
}

pub(crate) async fn tried(connector: &Connector, script: &str) -> Result<String, CallError> {
    let entry = connector.get(&call(), "user", script, &[]).await?;
    Ok(said(&entry).to_owned())
}
