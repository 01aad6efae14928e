//! A change that the database gave up for another's sake, begun again.
//!
//! Of transactions that wait for each other a database rolls one back, whole. Nothing of it is left, so whoever lost may
//! simply begin again; the client need not hear of it.

use tombolo_sdk::{Failure, Result};

/// How often a change is tried at most. Each time somebody else has come further, so it is not the same again for long.
const ATTEMPTS: usize = 5;

/// Does `change`, which is one transaction, and again where the database has rolled it back for another's sake.
pub fn anew<T>(mut change: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match change() {
            Err(failure) if is_victim(&failure) => {}
            done => return done,
        }
    }
    change()
}

/// `serialization_failure`, which MySQL and MariaDB also say of a deadlock, and PostgreSQL's `deadlock_detected`.
fn is_victim(failure: &Failure) -> bool {
    matches!(failure.target_code.as_deref(), Some("40001" | "40P01"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_victim_begins_again_and_not_for_ever() {
        let deadlock = || Failure::busy("Deadlock found").code("40001");
        let mut tries = 0;
        let done = anew(|| {
            tries += 1;
            if tries < 3 {
                Err(deadlock())
            } else {
                Ok(tries)
            }
        });
        assert_eq!(done.ok(), Some(3));
        let mut tries = 0;
        let lost: Result<()> = anew(|| {
            tries += 1;
            Err(deadlock())
        });
        assert!(lost.is_err());
        assert_eq!(tries, ATTEMPTS);
    }

    #[test]
    fn what_else_went_wrong_is_not_tried_again() {
        let mut tries = 0;
        let lost: Result<()> = anew(|| {
            tries += 1;
            Err(Failure::busy("all connections are in use").code("53300"))
        });
        assert!(lost.is_err());
        assert_eq!(tries, 1);
    }
}
