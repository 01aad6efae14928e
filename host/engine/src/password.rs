//! Passwords that go to the connector by their own way, in a call after the one
//! that writes the rest.
//!
//! A password is in no journal and in no mirror, so it cannot be settled: a crash
//! between the two calls leaves an object without it, and the client, which has
//! got no answer, asks again.

use secrecy::SecretString;
use tombolo_mapping::{Shape, ecma};
use tombolo_runtime::CallError;
use tombolo_scim::error::Error as ScimError;
use tombolo_scim::resource::Resource;

use crate::app::App;
use crate::audit::{Action, Change, label};
use crate::error::Error;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::request::Request;

impl App {
    /// Takes the password out of what a client wants, if it goes its own way.
    ///
    /// # Errors
    /// An ECMA app was mapped to send one and there is nowhere to send it to: an
    /// account without it would look like one that has it. SCIM clients send
    /// passwords unasked, and are let go by.
    pub(crate) fn take_password(
        &self,
        kind: &Kind,
        wanted: &mut Resource,
    ) -> Result<Option<SecretString>, Error> {
        let Some(password) = kind.mapping.take_password(wanted) else {
            return Ok(None);
        };
        if self.connector.abilities().password {
            return Ok(Some(password.into()));
        }
        let connector = &self.connector.component().manifest().name;
        if self.shape == Shape::Ecma {
            return Err(Error::Request(ScimError::invalid_value(format!(
                "`{}` cannot be set: the connector `{connector}` sets no passwords; take it out of the attribute mappings",
                ecma::PASSWORD
            ))));
        }
        tracing::debug!(
            app = self.name,
            kind = kind.name,
            connector,
            "a password was passed over: the connector sets none"
        );
        Ok(None)
    }

    /// Sets the password that came with a write, which is done.
    pub(crate) async fn with_password(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
        password: Option<SecretString>,
    ) -> Result<Stored, Error> {
        let Some(password) = password else {
            return Ok(stored);
        };
        let call = r.call();
        let set = self
            .connector
            .set_password(&call, &stored.record.anchor, password, false);
        match self.write(r, "set-password", set).await {
            Ok(()) => {
                // Nothing of it is kept, so there is no commit to go with.
                let told = r.told(Action::Password);
                self.trail.later(told.success(
                    &self.name,
                    &kind.ty().name,
                    id,
                    &stored.record.anchor,
                    label(&stored.record.resource),
                    Change::default(),
                ));
                told.tale.written();
                Ok(stored)
            }
            Err(error) => Err(without_password(kind, id, error)),
        }
    }
}

/// The rest was written: whoever reads the error has to know.
fn without_password(kind: &Kind, id: &str, mut error: Error) -> Error {
    if let Error::Target {
        source: CallError::Failure(failure),
        ..
    } = &mut error
    {
        failure.message = format!(
            "{} `{id}` was written, but its password was not set: {}",
            kind.ty().name,
            failure.message
        );
    }
    error
}
