//! Moves and links files across the border of the granted directory.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let _ = std::fs::write("/data/mine", "mine");
    let mut said = tried("move out", std::fs::rename("/data/mine", "/data/../stolen"));
    said.push_str(&tried("move in", std::fs::rename("/data/../secret", "/data/stolen")));
    said.push_str(&tried("hard link", std::fs::hard_link("/data/../secret", "/data/stolen")));
    said.push_str(&tried("copy", std::fs::copy("/data/../secret", "/data/stolen")));
    said.push_str(&tried("remove", std::fs::remove_file("/data/../secret")));
    Ok(Answer::Said(said))
}
