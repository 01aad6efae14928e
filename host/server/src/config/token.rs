//! An app's bearer tokens: made, printed once, revoked.

use std::path::Path;

use super::auth::MAX_TOKENS;
use super::edit::{self, AppText, EditError, New, Sort};

/// Makes tokens easy to find by those who look for leaked ones.
pub const PREFIX: &str = "tmb_";

fn sort(app: &str) -> Sort {
    Sort {
        word: "token",
        most: MAX_TOKENS,
        prefix: PREFIX,
        owner: format!("app `{app}`"),
        revoke: format!("tombolo token revoke DIR {app} NAME"),
    }
}

/// Adds a token to an app's file.
pub fn create(
    path: &Path,
    app: &str,
    name: Option<&str>,
    expires: Option<&str>,
) -> Result<New, EditError> {
    let mut file = AppText::open(path)?;
    let new = edit::add(
        file.credentials(&["auth", "tokens"])?,
        &sort(app),
        name,
        expires,
    )?;
    file.save()?;
    Ok(new)
}

/// Takes a token out of an app's file.
pub fn revoke(path: &Path, app: &str, name: &str) -> Result<(), EditError> {
    let mut file = AppText::open(path)?;
    edit::remove(file.credentials(&["auth", "tokens"])?, &sort(app), name)?;
    file.save()
}
