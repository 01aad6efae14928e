//! An app's OAuth clients and their secrets: made, printed once, revoked.

use std::path::Path;

use super::auth::{MAX_SECRETS, is_sane_client_id};
use super::edit::{self, AppText, EditError, New, Sort, listed};

/// Makes secrets easy to find by those who look for leaked ones.
pub const PREFIX: &str = "tmbs_";

fn sort(app: &str, client: &str) -> Sort {
    Sort {
        word: "secret",
        most: MAX_SECRETS,
        prefix: PREFIX,
        owner: format!("client `{client}` of app `{app}`"),
        revoke: format!("tombolo client revoke DIR {app} {client} NAME"),
    }
}

/// Adds a secret to a client in an app's file; the client too, if it is not there.
pub fn create(
    path: &Path,
    app: &str,
    client: &str,
    name: Option<&str>,
    expires: Option<&str>,
) -> Result<New, EditError> {
    if !is_sane_client_id(client) {
        return Err(EditError::ClientId(client.to_owned()));
    }
    let mut file = AppText::open(path)?;
    let list = file.credentials(&["auth", "clients", client, "secrets"])?;
    let new = edit::add(list, &sort(app, client), name, expires)?;
    file.save()?;
    Ok(new)
}

/// Takes one secret of a client out of an app's file, or the client with all of them.
pub fn revoke(path: &Path, app: &str, client: &str, name: Option<&str>) -> Result<(), EditError> {
    let mut file = AppText::open(path)?;
    let clients = file.table(&["auth", "clients"])?;
    if clients.get(client).is_none() {
        let names: Vec<String> = clients.iter().map(|(id, _)| id.to_owned()).collect();
        return Err(EditError::Unknown {
            owner: format!("app `{app}`"),
            word: "client",
            name: client.to_owned(),
            names: listed(&names),
        });
    }
    match name {
        Some(name) => {
            let list = file.credentials(&["auth", "clients", client, "secrets"])?;
            edit::remove(list, &sort(app, client), name)?;
        }
        None => {
            clients.remove(client);
        }
    }
    file.save()
}
