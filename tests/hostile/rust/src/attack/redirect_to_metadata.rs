//! Follows a target that redirects to the cloud's metadata service, to this machine, and out of its own prefix.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = String::new();
    for path in ["/to-metadata", "/to-mapped", "/to-neighbour", "/to-file"] {
        // A redirect may be shown; it must not be followed to there.
        said.push_str(&tried(
            "redirect",
            get("web", path)
                .filter(|answer| answer.status == 200)
                .ok_or(()),
        ));
    }
    Ok(Answer::Said(said))
}
