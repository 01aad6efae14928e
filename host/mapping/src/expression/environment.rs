//! What an expression needs from outside: the time, randomness, what is free in the target.

use jiff::Timestamp;

/// Gives expressions what they cannot know. `None` means that it is not available, and the expression fails.
///
/// Within one request an environment must stay the same: an object is evaluated before and after a change, and what
/// differs is sent to the target. So the time stands still, and every evaluation draws the same randomness.
pub trait Environment {
    /// The time now.
    fn now(&self) -> Option<Timestamp> {
        None
    }

    /// 64 random bits, the same ones whenever they are asked for again by the same attribute and number.
    fn random(&self, attribute: &str, number: u64) -> Option<u64> {
        let _ = (attribute, number);
        None
    }

    /// Whether no object of the target has this value of the attribute; `None` when nobody has asked the target yet.
    fn is_free(&self, attribute: &str, value: &str) -> Option<bool> {
        let _ = (attribute, value);
        None
    }

    /// The tenant's default verified domain.
    fn default_domain(&self) -> Option<&str> {
        None
    }
}

/// An environment that has nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Environment for Nowhere {}
