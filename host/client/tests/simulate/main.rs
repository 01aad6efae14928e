//! The simulator against a small server on loopback: what a good server shows, and that a bad one is found out.

mod bad;
mod good;
mod server;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::Value;
use server::Server;
use tombolo_client::http::{Credentials, Endpoint, Options};
use tombolo_client::simulate::{
    Dialects, Group, Mapping, Population, Run, Settings, Simulation, Source, State, Tenant, User,
};

fn settings() -> Settings {
    Settings {
        seed: 7,
        dialects: Dialects::Legacy,
        parallel: 4,
        rate: None,
        patience: Duration::from_secs(60),
        interval: SignedDuration::from_mins(40),
        delete_threshold: None,
        allow_deletes: false,
        mapping: Mapping::default(),
    }
}

/// A log that can be looked into.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Vec<u8>>>);

impl Write for Rows {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Rows {
    fn all(&self) -> Vec<Value> {
        let bytes = self.0.lock();
        bytes
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// Error codes in the order of their rows.
    fn codes(&self) -> Vec<String> {
        let rows = self.all();
        let codes = rows.iter().filter_map(|row| {
            row["provisioningStatusInfo"]["errorInformation"]["errorCode"].as_str()
        });
        codes.map(str::to_owned).collect()
    }
}

fn simulation(server: &Server, settings: Settings, token: &str) -> (Simulation, Rows) {
    stoppable(server, settings, token, &Arc::default())
}

fn stoppable(
    server: &Server,
    settings: Settings,
    token: &str,
    stop: &Arc<AtomicBool>,
) -> (Simulation, Rows) {
    let endpoint = Endpoint::new(
        &server.url,
        Credentials::Bearer(token.into()),
        &Options::default(),
    )
    .unwrap();
    let state = State::new(&server.url, Timestamp::UNIX_EPOCH);
    let rows = Rows::default();
    let log: Box<dyn Write + Send> = Box::new(rows.clone());
    (
        Simulation::new(
            endpoint,
            settings,
            state,
            Some(log),
            Box::new(|_| {}),
            Arc::clone(stop),
        ),
        rows,
    )
}

fn tenant(people: usize) -> Tenant {
    let mut tenant = Tenant::default();
    for n in 0..people {
        let mut user = User::new(format!("u{n}"), format!("u{n}@example.test"));
        user.properties
            .insert("displayName".to_owned(), format!("User {n}"));
        user.manager = (n > 0).then(|| "u0".to_owned());
        tenant.users.insert(user.id.clone(), user);
    }
    let group = Group {
        id: "g".to_owned(),
        display_name: "Everybody".to_owned(),
        assigned: true,
        members: tenant.users.keys().cloned().collect(),
    };
    tenant.groups.insert("g".to_owned(), group);
    tenant
}

fn generated(cycles: u64) -> Run {
    let population = Population {
        seed: 7,
        people: 120,
        groups: 30,
        churn: 30,
    };
    Run {
        source: Source::Generated(population),
        cycles,
        verify: true,
        state: None,
        unchanged: false,
    }
}
