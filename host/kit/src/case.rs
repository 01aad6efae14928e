//! What a check is, and what it can come to.

use std::pin::Pin;

use serde::Serialize;

use crate::play::Play;

/// How much a failure weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The contract demands it: a failure fails the run.
    Mandatory,
    /// Good to have: a failure is a warning.
    Optional,
}

/// What a connector must offer for a check to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// What every connector has.
    Nothing,
    /// The interface `write`.
    Write,
    /// The interfaces `write` and `members`.
    Members,
    /// The interfaces `write` and `password`.
    Password,
    /// The interfaces `write` and `delta`.
    Delta,
    /// The interface `write`, and that faults were asked for.
    Chaos,
}

/// One check.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name in `--only`, reports and scripts: `group/what`.
    pub id: &'static str,
    /// What must be so.
    pub name: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// Who says so.
    pub contract: &'static str,
    /// How to put it right.
    pub mend: &'static str,
    pub(crate) needs: Need,
    pub(crate) run: Run,
}

/// A check's code.
pub(crate) type Run = for<'a> fn(&'a Play<'a>) -> Pin<Box<dyn Future<Output = Played> + Send + 'a>>;

/// How a check's code ends; what it found on the way is with its [`Play`].
pub(crate) type Played<T = ()> = Result<T, Stop>;

/// Why a check goes no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What came makes the rest pointless.
    Failed(Box<Finding>),
    /// It cannot be played here.
    Skipped(String),
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What the connector was asked.
    pub asked: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub came: String,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Not as it must be.
    Failed,
    /// Not as it should be, and optional.
    Warning,
    /// Not played: the connector does not offer it, or has nothing that it could be played with.
    Skipped,
}

/// A table of checks, a line each: what it needs, how much it weighs, and its words.
macro_rules! cases {
    ($($needs:ident $level:ident $id:literal $run:ident $name:literal; $contract:literal; $mend:literal)*) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$(
            $crate::case::Case {
                id: $id,
                name: $name,
                level: $crate::case::Level::$level,
                contract: $contract,
                mend: $mend,
                needs: $crate::case::Need::$needs,
                run: |play| Box::pin($run(play)),
            },
        )*];
    };
}
pub(crate) use cases;
