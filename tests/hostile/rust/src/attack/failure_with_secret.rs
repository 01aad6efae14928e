//! A failure that holds the app's secret, plain and in two disguises.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Err(failure(
        Fault::Other,
        "refused: open-sesame/+42 open-sesame%2F%2B42 b3Blbi1zZXNhbWUvKzQy",
    ))
}
