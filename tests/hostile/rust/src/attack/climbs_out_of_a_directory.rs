//! Reads beside, above and beyond the granted directory.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = String::new();
    for path in [
        "/data/../secret",
        "/data/../../../../../../etc/passwd",
        "/data/./.././secret",
        "/data//..//secret",
        "/etc/passwd",
        "../secret",
        "/",
        "/proc/self/environ",
        "/data/\u{2024}\u{2024}/secret",
        "/data/..\\secret",
    ] {
        said.push_str(&tried("read", std::fs::read(path)));
        said.push_str(&tried("list", std::fs::read_dir(path)));
    }
    Ok(Answer::Said(said))
}
