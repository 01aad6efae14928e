//! Makes links in the granted directory that lead out of it, and reads through one that is there already.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = tried("link that is there", std::fs::read("/data/way-out"));
    for (directory, _) in wasip2::filesystem::preopens::get_directories() {
        for target in ["/etc/passwd", "../secret"] {
            let name = format!("link-{}", target.len());
            // A link may be made; it must lead nowhere.
            let _ = directory.symlink_at(target, &name);
            said.push_str(&tried("link", std::fs::read(format!("/data/{name}"))));
        }
    }
    Ok(Answer::Said(said))
}
