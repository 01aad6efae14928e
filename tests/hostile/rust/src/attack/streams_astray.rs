//! Connects streams to the metadata service, to targets of other kinds and to names that it was not granted.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::net::connect;
    let mut said = String::new();
    for target in ["stream", "web", "payroll", "127.0.0.1:22", "stream\0"] {
        said.push_str(&tried(target.trim_end_matches('\0'), connect(target)));
    }
    Ok(Answer::Said(said))
}
