//! Changes what it was granted to read only.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = tried("write", std::fs::write("/look/file", "changed"));
    said.push_str(&tried("create", std::fs::write("/look/new", "new")));
    said.push_str(&tried("remove", std::fs::remove_file("/look/file")));
    said.push_str(&tried("directory", std::fs::create_dir("/look/folder")));
    said.push_str(&tried("rename", std::fs::rename("/look/file", "/look/other")));
    Ok(Answer::Said(said))
}
