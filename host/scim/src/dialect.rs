//! Which deviations from the RFCs are accepted, in which mode, and why: the one table of decisions.
//!
//! An app is in one of two modes. [`Dialect::Entra`], the default, understands every client that is known, each of its
//! requests by itself: one Entra app speaks both of its PATCH dialects, and on-demand provisioning ignores the flag that
//! chooses between them. [`Dialect::Strict`] is the RFC to the letter, for clients that want to be told of their
//! mistakes. "Row" is a row of the table of what Entra needs; "7644-3.5.2" a section of an RFC.
//!
//! | [`Deviation`] | accepted in Entra's mode | strict mode answers | why |
//! |---|---|---|---|
//! | `OperationCase` | `"op": "Replace"` | 400 `invalidSyntax` | row 2; 7644-3.5.2 names three lower-case words |
//! | `SingleOperation` | `Operations` is one object | 400 `invalidSyntax` | hand-made clients |
//! | `UndeclaredSchemas` | no `schemas`, or not the right ones | 400 `invalidSyntax` | row 10: Entra leaves out custom extensions and adds an ADSCIM URN to groups; 7643-3 |
//! | `LooseUrn` | `…:enterprise:2.0User` | as an unknown attribute | Entra's documented example |
//! | `FlattenedKeys` | keys `name.givenName`, `urn:…:User:department`, `emails[type eq "work"].value` | as an unknown attribute | row 4: Entra's second dialect |
//! | `BareExtensionName` | `manager` without its URN | as an unknown attribute | row 7; 7643-3.3 |
//! | `UnknownAttribute` | dropped, logged | 400 `invalidSyntax`, in a path `invalidPath` | row 10; 7644-3.12 |
//! | `UnknownFilterAttribute` | passes no test: an empty list | 400 `invalidFilter` | row 11: a 400 quarantines Entra's job; 7644-3.4.2.1 demands an empty list only of a query over several types |
//! | `UnknownSortAttribute` | the order of ids | 400 `invalidValue` | 7644-3.4.2.3 |
//! | `LooseValues` | `"False"`, `"42"`, `42` for a text | 400 `invalidValue` | row 3; 7643-2.3 |
//! | `EmptyText` | `""` clears a value that is no text | 400 `invalidValue` | row 8: the gallery's test 16. A text is cleared by `""` in both modes: no target tells the two apart |
//! | `LooseShapes` | `manager: "id"`, one for many, an array of one, JSON inside a string, `displayName` for `display`, members as strings | 400 `invalidValue` | rows 7 and 9; 7643-2.4 |
//! | `ValuePathCreates` | the element is made | 400 `noTarget` | row 5; 7644-3.5.2.3 |
//! | `RemoveOfNothing` | succeeds | 400 `noTarget` when a value path matches nothing | row 25: the same PATCH twice. A member that is not there is no error in either mode |
//! | `RemoveWithValues` | only those values go | 400 `invalidValue` | row 6: by the letter it would empty the group, so nobody's letter is followed; authentik sends it too (goauthentik/authentik#23798) |
//! | `RemoveWithoutPath` | `{"op":"remove","value":{"members":[…]}}` | 400 `noTarget` | 7644-3.5.2.2 |
//! | `ReplaceWithoutValue` | clears | 400 `invalidValue` | clients that have no null; 7644-3.5.2.3 |
//! | `ReadOnlyKeys` | passed over in a pathless PATCH | 400 `mutability` | Okta repeats the `id` in the value after every create of a group (Metatavu/keycloak-scim-server#113); 7644-3.5.2. In POST and PUT both modes pass them over (7644-3.3, 3.5.1) |
//! | `BareWords` | `externalId eq jyoung` | 400 `invalidFilter` | Entra's documented example; 7644, figure 1 |
//! | `ValuePathTest` | `emails[type eq "work"].value eq "x"` | 400 `invalidFilter` | row 12; 7644, figure 1 |
//! | `BothProjections` | `attributes` wins over `excludedAttributes` | 400 `invalidValue` | 7644-3.9 calls them mutually exclusive |
//! | `LargeCount` | the largest page, when paging by cursor | 400 `invalidCount` | 9865-2.1 |
//!
//! The same in both modes, because the RFCs say so: names, URNs and filter operators have any case; null and `[]` clear;
//! one object added to a multi-valued attribute is one more value; what is read-only in a body is passed over, and
//! refused at a PATCH path.

/// How strictly requests are read. See the module's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Whatever a known client means.
    #[default]
    Entra,
    /// The RFC's letter.
    Strict,
}

/// A deviation from the RFCs. See the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the module's table says what each one is")]
pub enum Deviation {
    OperationCase,
    SingleOperation,
    UndeclaredSchemas,
    LooseUrn,
    FlattenedKeys,
    BareExtensionName,
    UnknownAttribute,
    UnknownFilterAttribute,
    UnknownSortAttribute,
    LooseValues,
    EmptyText,
    LooseShapes,
    ValuePathCreates,
    RemoveOfNothing,
    RemoveWithValues,
    RemoveWithoutPath,
    ReplaceWithoutValue,
    ReadOnlyKeys,
    BareWords,
    ValuePathTest,
    BothProjections,
    LargeCount,
}

impl Dialect {
    /// Is this deviation accepted? Asked by name, so that each place says which row of the table it is about.
    pub fn accepts(self, _deviation: Deviation) -> bool {
        self == Self::Entra
    }
}

/// How requests of one app are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How strictly.
    pub dialect: Dialect,
    /// How much of them.
    pub limits: crate::Limits,
}

impl Rules {
    /// Entra's dialect and the usual limits.
    pub const ENTRA: Self = Self {
        dialect: Dialect::Entra,
        limits: crate::Limits::DEFAULT,
    };
    /// The RFC's letter and the usual limits.
    pub const STRICT: Self = Self {
        dialect: Dialect::Strict,
        limits: crate::Limits::DEFAULT,
    };

    /// Is this deviation accepted?
    pub fn accepts(&self, deviation: Deviation) -> bool {
        self.dialect.accepts(deviation)
    }
}
