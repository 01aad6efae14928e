//! When a flow flows, checked against its attribute.

use crate::convert;
use crate::kind::KindAttribute;
use crate::object::ObjectValue;
use crate::overrides::{Apply, Terms};

/// The terms of a flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    /// What a new object gets when there is no value.
    pub(crate) default: Vec<ObjectValue>,
    pub(crate) apply: Apply,
    pub(crate) matching: Option<u32>,
}

impl Rule {
    pub(crate) fn of(terms: &Terms, attribute: &KindAttribute) -> Result<Self, String> {
        let default = match &terms.default {
            None => Vec::new(),
            Some(constant) => convert::constants(constant, attribute)
                .map_err(|cause| format!("its default does not fit: {cause}"))?,
        };
        Ok(Self {
            default,
            apply: terms.apply,
            matching: terms.matching,
        })
    }
}

/// On which occasion an object is made of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is to be created: everything flows, defaults too.
    Create,
    /// What a create made of it, as far as it can still be said: nothing that chance or time went into.
    Created,
    /// It is to be changed: what flows once does not.
    Change,
    /// As it was before a change. What cannot be said of it is taken for another value.
    Before,
}

impl Stage {
    pub(crate) fn flows(self, rule: &Rule) -> bool {
        self.is_new() || rule.apply == Apply::Always
    }

    pub(crate) fn is_new(self) -> bool {
        matches!(self, Self::Create | Self::Created)
    }

    /// Is an expression that fails passed over?
    pub(crate) fn forgives(self) -> bool {
        matches!(self, Self::Created | Self::Before)
    }
}
