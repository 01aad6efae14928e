//! `http`: what a guest asks reaches the target, signed by the host, and nothing else reaches anything.

#[path = "../common/mod.rs"]
mod common;

mod auth;
mod faults;
mod record;
mod requests;
mod tls;
mod wasi;
mod web;

use std::time::Duration;

use common::{answer as said, call, guest, runtime, spec};
use tombolo_runtime::{AppSpec, Connector, HttpAuth, HttpTarget, Reach, Target};

pub(crate) fn target(url: &str) -> HttpTarget {
    HttpTarget {
        url: url.to_owned(),
        ca: None,
        pins: Vec::new(),
        identity: None,
        auth: HttpAuth::None,
        methods: None,
        reach: Reach::Private,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(20),
        concurrency: 8,
        rate: None,
    }
}

pub(crate) async fn bound(app: AppSpec, targets: Vec<(&str, HttpTarget)>) -> Connector {
    let runtime = runtime();
    let component = runtime.load("web", guest("web")).await.unwrap();
    let targets = targets
        .into_iter()
        .map(|(name, target)| (name.to_owned(), Target::Http(target)))
        .collect();
    runtime
        .bind(&component, AppSpec { targets, ..app })
        .await
        .unwrap()
}

/// A connector with the target `hr`.
pub(crate) async fn hr(target: HttpTarget) -> Connector {
    bound(spec("app"), vec![("hr", target)]).await
}

pub(crate) async fn told(
    connector: &Connector,
    kind: &str,
    asked: &str,
    headers: &[&str],
) -> String {
    let headers: Vec<String> = headers.iter().map(|h| (*h).to_owned()).collect();
    let entry = connector.get(&call(), kind, asked, &headers).await.unwrap();
    said(&entry).to_owned()
}

pub(crate) async fn send(connector: &Connector, asked: &str) -> String {
    told(connector, "http", asked, &[]).await
}

pub(crate) fn basic() -> HttpAuth {
    HttpAuth::Basic {
        user: "svc".to_owned(),
        password: "pass-word-77".into(),
    }
}
