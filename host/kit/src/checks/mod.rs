//! The checks, a file a part of the contract, in the order in which they are played.

mod delta;
mod describe;
mod edits;
mod endurance;
mod faults;
mod filters;
mod hostile;
mod manifest;
mod members;
mod paging;
mod password;
mod read;
mod retries;
mod unique;
mod versions;
mod write;

use crate::case::Case;

/// Every check.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        manifest::CASES,
        describe::CASES,
        write::CASES,
        edits::CASES,
        unique::CASES,
        versions::CASES,
        read::CASES,
        paging::CASES,
        filters::CASES,
        hostile::CASES,
        retries::CASES,
        members::CASES,
        password::CASES,
        delta::CASES,
        endurance::CASES,
        faults::CASES,
    ]
    .into_iter()
    .flatten()
}
