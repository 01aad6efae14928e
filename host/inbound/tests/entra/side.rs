//! Both sides of a test: a stand-in, and what pushes into it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tombolo_client::stand_in::{Settings, StandIn};
use tombolo_inbound::auth::{Auth, Client, Cloud, Credential, Endpoints, SecretIn, Tokens};
use tombolo_inbound::budget::{Budget, Limits};
use tombolo_inbound::bulk_upload::{Job, Packing, Record, Staged, Uploaded, pack};
use tombolo_inbound::clock::System;
use tombolo_inbound::outcomes::{Outcomes, Patience, Pending, Poll};
use tombolo_inbound::session::Session;
use tombolo_inbound::shared::{Memory, Shared};
use tombolo_inbound::wire::{Authorization, Backoff, Options, Request, Wire};

pub(crate) struct Side {
    pub(crate) entra: StandIn,
    pub(crate) shared: Arc<dyn Shared>,
}

impl Side {
    pub(crate) async fn start(settings: Settings) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        Self {
            entra: StandIn::start(listen, settings).await.unwrap(),
            shared: Arc::new(Memory::default()),
        }
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        let url = self.entra.url();
        Cloud::Global.endpoints(Some(&url), Some(&url)).unwrap()
    }

    pub(crate) fn session_with(&self, credential: Credential) -> Session {
        let wire = Wire::new(&Options::default()).unwrap();
        let endpoints = self.endpoints();
        let client = Client {
            endpoint: endpoints.token(&self.entra.ids().0),
            client_id: self.entra.client().0,
            scope: endpoints.scope(),
            credential,
        };
        let auth = Auth::OAuth(Tokens::new(wire.clone(), client));
        let backoff = Backoff {
            first: Duration::from_millis(20),
            ..Backoff::default()
        };
        Session::new(wire, auth, Arc::new(System), backoff)
    }

    pub(crate) fn session(&self) -> Session {
        self.session_with(Credential::Secret(self.entra.client().1, SecretIn::Body))
    }

    /// A process of its own: nothing but the shared values is common.
    pub(crate) fn job(&self, limits: Limits) -> Job {
        let budget = Budget::new(Arc::clone(&self.shared), Arc::new(System), "budget", limits);
        let (_, principal, job) = self.entra.ids();
        Job::new(
            self.session(),
            &self.endpoints(),
            (&principal, &job),
            budget,
        )
    }

    pub(crate) fn outcomes(&self) -> Outcomes {
        let (_, principal, job) = self.entra.ids();
        let patience = Patience::default();
        Outcomes::new(
            self.session(),
            &self.endpoints(),
            (&principal, &job),
            patience,
        )
    }

    pub(crate) async fn poll(&self, staged: &[Staged]) -> Poll {
        let pending: Vec<_> = staged
            .iter()
            .map(|staged| Pending {
                key: staged.key.clone(),
                staged: staged.at,
            })
            .collect();
        self.outcomes().poll(&pending).await.unwrap()
    }

    /// A request past our own client; its status.
    pub(crate) async fn raw(&self, url: &str, kind: &'static str, body: &Value) -> u16 {
        let wire = Wire::new(&Options::default()).unwrap();
        let endpoints = self.endpoints();
        let client = Client {
            endpoint: endpoints.token(&self.entra.ids().0),
            client_id: self.entra.client().0,
            scope: endpoints.scope(),
            credential: Credential::Secret(self.entra.client().1, SecretIn::Body),
        };
        let token = Tokens::new(wire.clone(), client).token().await.unwrap();
        let request = Request {
            method: "POST".parse().unwrap(),
            url: url.parse().unwrap(),
            body: Some((kind, body.to_string().into_bytes())),
            accept: "application/json",
        };
        let answer = wire.send(&request, &Authorization::Bearer(token)).await;
        answer.unwrap().status.as_u16()
    }

    pub(crate) fn user(&self, key: &str) -> Value {
        let state = self.entra.state();
        let users = state["users"].as_array().unwrap();
        let found = users.iter().find(|user| user["employeeId"] == key);
        found.cloned().unwrap_or_default()
    }
}

pub(crate) fn data(name: &str, extra: &Value) -> Map<String, Value> {
    let mut data = json!({
        "userName": format!("{name}@contoso.com"), "active": true, "displayName": name,
    });
    for (name, value) in extra.as_object().unwrap() {
        data[name] = value.clone();
    }
    data.as_object().unwrap().clone()
}

pub(crate) fn person(key: &str, name: &str) -> Record {
    Record::new(key, data(name, &json!({})), false).unwrap()
}

pub(crate) fn people(count: usize) -> Vec<Record> {
    (0..count)
        .map(|n| person(&format!("{n:05}"), &format!("person{n}")))
        .collect()
}

pub(crate) async fn send(job: &Job, records: Vec<Record>) -> Vec<Staged> {
    let mut staged = Vec::new();
    for batch in pack(records, Packing::default()) {
        staged.extend(whole(job.send(batch).await));
    }
    staged
}

/// Nothing refused, nothing left.
pub(crate) fn whole(uploaded: Uploaded) -> Vec<Staged> {
    assert!(uploaded.stopped.is_none(), "{uploaded:?}");
    assert!(uploaded.refused.is_empty(), "{uploaded:?}");
    uploaded.staged
}

/// A file that is gone with the test.
pub(crate) fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}
