//! Looks for the host's environment, arguments and working directory.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let variables: Vec<_> = std::env::vars().collect();
    let arguments: Vec<_> = std::env::args().collect();
    let home = wasip2::cli::environment::initial_cwd();
    Ok(Answer::Said(format!("{variables:?} {arguments:?} {home:?}")))
}
