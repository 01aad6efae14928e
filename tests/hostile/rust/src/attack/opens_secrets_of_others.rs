//! Opens secrets that were not granted, by names that may mean something to somebody.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = String::new();
    for name in ["password", "", "../api-key", "API-KEY", "env:HOME", "file:/etc/passwd", "api-key\0"] {
        let found = tombolo::connector::secrets::open(name).ok_or("none");
        said.push_str(&tried("secret", found.map(|_| ())));
    }
    Ok(Answer::Said(said))
}
