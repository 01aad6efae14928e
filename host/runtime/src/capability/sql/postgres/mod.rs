//! PostgreSQL, through `tokio-postgres`: it takes a socket that the host has connected, so the address is a vetted
//! one while TLS verifies the name; it streams rows; and it sends a cancel request.
//!
//! A statement is prepared first, and the server says of which types its parameters are. They are then sent as
//! text, which the server reads as those types: an integer may go to a `text` column and a text to an `int` one,
//! and nothing is rounded on the way. What comes back is binary, see [`decode`].

mod decode;
mod parameter;
mod tls;

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::answer::{Answer, Job};
use super::error::{Error, Stage};
use super::reach::{Protection, Reach, handshake};
use super::session::{Access, Connect, Session};
use crate::app::SqlServer;
use decode::Raw;
use parameter::Parameter;

/// What every session begins with: what it says and hears must not depend on the server's settings.
const SETUP: &str = "SET standard_conforming_strings = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
                     SET client_encoding = 'UTF8'; SET bytea_output = 'hex'";
/// `undefined_parameter type`: nothing in the statement says what a parameter is.
const INDETERMINATE: &str = "42P18";

/// Makes connections to one server.
pub(super) struct Connector {
    reach: Reach,
    config: tokio_postgres::Config,
    password: SecretString,
}

impl Connector {
    pub(super) fn new(reach: Reach, server: &SqlServer) -> Self {
        let mut config = tokio_postgres::Config::new();
        config
            .user(&server.user)
            .dbname(&server.database)
            .application_name("tombolo")
            .ssl_mode(match reach.protection {
                Protection::Off => SslMode::Disable,
                Protection::Prefer(_) => SslMode::Prefer,
                Protection::Require(_) => SslMode::Require,
            });
        Self {
            reach,
            config,
            password: server.password.clone(),
        }
    }

    /// A connected client, and its other half.
    async fn client(&self) -> Result<(Client, Driver), Error> {
        let stream = self.reach.dial().await?;
        let mut config = self.config.clone();
        config.password(self.password.expose_secret());
        match &self.reach.protection {
            Protection::Off => {
                let (client, connection) = config
                    .connect_raw(stream, NoTls)
                    .await
                    .map_err(|e| self.refused(&e))?;
                Ok((client, self.drive(connection)))
            }
            Protection::Prefer(tls) | Protection::Require(tls) => {
                let tls = tls::Connector::new(tls, &self.reach.host)?;
                let (client, connection) = config
                    .connect_raw(stream, tls)
                    .await
                    .map_err(|e| self.refused(&e))?;
                Ok((client, self.drive(connection)))
            }
        }
    }

    /// Lets the other half run.
    fn drive<F>(&self, connection: F) -> Driver
    where
        F: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    {
        let target = self.reach.name.clone();
        Driver(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target, %error, "sql connection ended");
            }
        }))
    }

    /// What the server said may hold addresses: they are for the log.
    fn refused(&self, error: &tokio_postgres::Error) -> Error {
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        self.reach.failed(&format!("{error}: {cause}"));
        if let Some(database) = error.as_db_error() {
            let state = database.code().code().to_owned();
            // 28: invalid authorization, 3D: no such database, 42501: may not connect to it.
            if state.starts_with("28") || state.starts_with("3D") || state == "42501" {
                return Error::Login { state };
            }
            return Error::Connect(format!("the server refuses the connection ({state})"));
        }
        if let Some(error) = handshake(error) {
            return error;
        }
        if error.to_string().contains("server does not support TLS") {
            return Error::NoTls;
        }
        Error::Connect("the server ended the connection".to_owned())
    }
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self) -> Result<Box<dyn Session>, Error> {
        let (client, driver) = self.client().await?;
        client
            .batch_execute(SETUP)
            .await
            .map_err(|error| self.refused(&error))?;
        Ok(Box::new(Connection {
            client,
            _driver: driver,
            reach: self.reach.clone(),
        }))
    }
}

/// The other half of a connection; it ends with this. Left alone it would wait for an answer that may never come, and
/// keep the server's session, its transaction and its locks for as long.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Connection {
    client: Client,
    _driver: Driver,
    reach: Reach,
}

impl Connection {
    async fn prepare(&self, job: &Job) -> Result<tokio_postgres::Statement, Error> {
        let text = &job.statement.text;
        match self.client.prepare(text).await {
            Err(error)
                if error
                    .code()
                    .is_some_and(|code| code.code() == INDETERMINATE) =>
            {
                let types: Vec<_> = job.parameters.iter().map(parameter::own_type).collect();
                self.client.prepare_typed(text, &types).await
            }
            other => other,
        }
        // Nothing was executed yet, so nothing can have been done.
        .map_err(|error| failed(&error, Stage::Before))
    }

    async fn rows(
        &self,
        statement: &tokio_postgres::Statement,
        job: &Job,
    ) -> Result<Answer, Error> {
        let stage = Stage::sent(job.statement.reads);
        let parameters = job.parameters.iter().map(Parameter);
        let mut answer = Answer::default();
        let columns = statement.columns();
        answer.columns(columns.iter().map(tokio_postgres::Column::name), job)?;
        let rows = self
            .client
            .query_raw(statement, parameters)
            .await
            .map_err(|error| failed(&error, stage))?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows
            .try_next()
            .await
            .map_err(|error| failed(&error, stage))?
        {
            if answer.is_full(job) {
                // Read on and thrown away: a statement that is cut off may not have done all that it says.
                answer.truncated = true;
                continue;
            }
            let mut cells = Vec::with_capacity(columns.len());
            for (index, column) in columns.iter().enumerate() {
                let Raw(raw) = row.try_get(index).map_err(|error| failed(&error, stage))?;
                let cell = decode::cell(column.type_(), raw).map_err(|why| Error::Value {
                    column: column.name().to_owned(),
                    why: why.to_string(),
                })?;
                cells.push(cell);
            }
            answer.push(cells, job)?;
        }
        answer.affected = rows.rows_affected().unwrap_or(0);
        Ok(answer)
    }

    async fn simple(
        &self,
        statement: &str,
        stage: Stage,
    ) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.client
            .simple_query(statement)
            .await
            .map_err(|error| failed(&error, stage))
    }
}

#[async_trait]
impl Session for Connection {
    async fn run(&mut self, job: &Arc<Job>, _deadline: Instant) -> Result<Answer, Error> {
        let statement = self.prepare(job).await?;
        if statement.params().len() != job.parameters.len() {
            return Err(Error::Count {
                placeholders: statement.params().len(),
                given: job.parameters.len(),
            });
        }
        for (position, (cell, kind)) in job.parameters.iter().zip(statement.params()).enumerate() {
            parameter::check(cell, kind).map_err(|why| Error::Parameter {
                position: position + 1,
                why,
            })?;
        }
        self.rows(&statement, job).await
    }

    async fn begin(&mut self, access: Access, _deadline: Instant) -> Result<(), Error> {
        let statement = match access {
            Access::ReadWrite => "BEGIN",
            Access::ReadOnly => "BEGIN READ ONLY",
        };
        self.simple(statement, Stage::Before).await.map(drop)
    }

    async fn commit(&mut self) -> Result<(), Error> {
        // In a transaction that an error has ended, COMMIT succeeds and rolls back. Only a statement that such a
        // transaction refuses tells.
        self.simple("SELECT 1", Stage::Reading).await?;
        self.simple("COMMIT", Stage::Changing).await.map(drop)
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.simple("ROLLBACK", Stage::Reading).await.map(drop)
    }

    async fn cancel(&mut self) {
        let token = self.client.cancel_token();
        let Ok(stream) = self.reach.dial().await else {
            return;
        };
        let sent = match &self.reach.protection {
            Protection::Off => token.cancel_query_raw(stream, NoTls).await,
            Protection::Prefer(tls) | Protection::Require(tls) => {
                match tls::Connector::new(tls, &self.reach.host) {
                    Ok(tls) => token.cancel_query_raw(stream, tls).await,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = sent {
            tracing::debug!(target = self.reach.name, %error, "sql cancel");
        }
    }
}

/// What an error of a session means.
fn failed(error: &tokio_postgres::Error, stage: Stage) -> Error {
    let Some(database) = error.as_db_error() else {
        return stage.into();
    };
    let sqlstate = database.code().code();
    // The server's farewell, in the place of an answer.
    if stage == Stage::Before && sqlstate.starts_with("57P") {
        return Error::Unsent;
    }
    let mut message = database.message().to_owned();
    for (what, more) in [("", database.detail()), ("hint: ", database.hint())] {
        if let Some(more) = more {
            message.push_str("; ");
            message.push_str(what);
            message.push_str(more);
        }
    }
    Error::Database {
        state: sqlstate.to_owned(),
        message,
    }
}
