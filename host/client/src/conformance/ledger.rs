//! What a run has made and has to take away again.
//!
//! A create is written down before it is sent: when the answer never comes, or has no id, the object is looked for by
//! its name.

use std::sync::{Mutex, PoisonError};

use reqwest::Method;
use serde::Serialize;

use crate::http::{Endpoint, encode, literal};

/// What could not be taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Where it is: `/Users/…`, or a query that finds it.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Why it is still there.
    pub why: String,
}

/// The list.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Vec<Made>>);

#[derive(Clone, Debug)]
struct Made {
    ticket: usize,
    endpoint: String,
    /// The attribute that finds it, and its value.
    name: (&'static str, String),
    id: Option<String>,
    tried: bool,
}

/// Which line of the list.
#[derive(Clone, Copy)]
pub(super) struct Ticket(usize);

impl Ledger {
    /// A create is about to be sent.
    pub(super) fn begin(&self, endpoint: &str, attribute: &'static str, value: &str) -> Ticket {
        let mut list = self.list();
        let ticket = list.last().map_or(1, |last| last.ticket + 1);
        list.push(Made {
            ticket,
            endpoint: endpoint.to_owned(),
            name: (attribute, value.to_owned()),
            id: None,
            tried: false,
        });
        Ticket(ticket)
    }

    /// It was refused: there is nothing to take away.
    pub(super) fn refused(&self, ticket: Ticket) {
        self.list().retain(|made| made.ticket != ticket.0);
    }

    /// It was done, under this id.
    pub(super) fn done(&self, ticket: Ticket, id: &str) {
        let mut list = self.list();
        if let Some(made) = list.iter_mut().find(|made| made.ticket == ticket.0) {
            made.id = Some(id.to_owned());
        }
    }

    /// Something was deleted by a test.
    pub(super) fn gone(&self, path: &str) {
        self.list()
            .retain(|made| made.path().as_deref() != Some(path));
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes away everything that was not tried before; with `again`, that too. Says what is left.
    pub(super) async fn sweep(&self, endpoint: &Endpoint, again: bool) -> Vec<Leftover> {
        let mut todo: Vec<Made> = self
            .list()
            .iter()
            .filter(|made| again || !made.tried)
            .cloned()
            .collect();
        // Last made, first gone: groups go before their members, reports before managers.
        todo.reverse();
        let mut left = Vec::new();
        for made in todo {
            match made.remove(endpoint).await {
                Ok(()) => self.refused(Ticket(made.ticket)),
                Err(why) => {
                    let mut list = self.list();
                    let line = list.iter_mut().find(|other| other.ticket == made.ticket);
                    if let Some(line) = line {
                        line.tried = true;
                    }
                    left.push(made.left(why));
                }
            }
        }
        left
    }

    /// Everything that is on the list, as it would be reported if nothing more could be done.
    pub(super) fn left(&self, why: &str) -> Vec<Leftover> {
        self.list()
            .iter()
            .map(|made| made.left(why.to_owned()))
            .collect()
    }
}

impl Made {
    fn path(&self) -> Option<String> {
        let id = self.id.as_ref()?;
        Some(format!("{}/{}", self.endpoint, encode_segment(id)))
    }

    fn query(&self) -> String {
        let (attribute, value) = &self.name;
        let filter = encode(&format!("{attribute} eq {}", literal(value)));
        format!("{}?filter={filter}", self.endpoint)
    }

    fn left(&self, why: String) -> Leftover {
        Leftover {
            path: self.path().unwrap_or_else(|| self.query()),
            name: self.name.1.clone(),
            why,
        }
    }

    async fn remove(&self, endpoint: &Endpoint) -> Result<(), String> {
        if let Some(path) = self.path() {
            return delete(endpoint, &path).await;
        }
        let found = endpoint
            .send(Method::GET, &self.query(), None, &[])
            .await
            .map_err(|error| error.to_string())?;
        if found.status != 200 {
            return Err(format!("looking for it was answered {}", found.status));
        }
        for resource in found.resources() {
            // A server whose filters do not work must not lose what is not ours.
            let ours = resource[self.name.0].as_str() == Some(&self.name.1);
            if let (true, Some(id)) = (ours, resource["id"].as_str()) {
                delete(
                    endpoint,
                    &format!("{}/{}", self.endpoint, encode_segment(id)),
                )
                .await?;
            }
        }
        Ok(())
    }
}

async fn delete(endpoint: &Endpoint, path: &str) -> Result<(), String> {
    let reply = endpoint
        .send(Method::DELETE, path, None, &[])
        .await
        .map_err(|error| error.to_string())?;
    match reply.status {
        200 | 202 | 204 | 404 | 410 => Ok(()),
        status => Err(format!("DELETE was answered {status}")),
    }
}

/// An id as a part of a path: percent, not `+`.
pub(super) fn encode_segment(id: &str) -> String {
    encode(id).replace('+', "%20")
}
