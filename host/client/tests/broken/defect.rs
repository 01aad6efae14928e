//! What can be wrong with a server, and which tests are there for it.

use tombolo_client::conformance::case::Verdict::{self, Failed, Warning};

/// One thing that the tiny server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    EmptyListIs404,
    UnknownAttributeIs400,
    MatchIsCaseSensitive,
    DisabledAreHidden,
    TextBooleansAreEchoed,
    OpsAreCaseSensitive,
    ValuePathsCreateNothing,
    ValuePathsCreateElementsApart,
    FlatKeysAreLiteral,
    EmptyClearsNothing,
    NullClearsNothing,
    PatchIsHalfDone,
    ReplayConflicts,
    ManagerIsAText,
    BareManagerIsRefused,
    UndeclaredExtensionIsRefused,
    DuplicatesAreAccepted,
    DuplicatesAreMarked400,
    ValuesAreNormalised,
    MissingIdIs500,
    ErrorsAreBare,
    ExcludedMembersAreReturned,
    ExcludedMembersAreEmpty,
    RemoveWipesTheGroup,
    RenameDropsMembers,
    DisableDropsMemberships,
    StartIndexIsAlwaysOne,
    PagesAreShort,
    CountIsIgnored,
    NoCanonicalValues,
    SchemaSaysNull,
    SchemasAreAnArray,
    PlainJson,
    AnyTokenOpens,
    DeleteDoesNothing,
    DeleteIsRefused,
    CreateAnswers500,
    PatchHangs,
    NoGroups,
    WantsATitle,
    TokensAreShort,
    KeepsDisplayName,
    ClaimsTooMuch,
    EverythingIsFound,
    ConfigIsEmpty,
    NothingIsDescribed,
}

/// Every defect that tests look for, the tests that must notice it, and how.
pub(crate) const ALL: &[(Defect, &[&str], Verdict)] = &[
    (
        Defect::EmptyListIs404,
        &[
            "query/probe",
            "validator/user-filter-missing",
            "query/probe-groups",
        ],
        Failed,
    ),
    (
        Defect::UnknownAttributeIs400,
        &["query/placeholder"],
        Warning,
    ),
    (
        Defect::MatchIsCaseSensitive,
        &[
            "validator/user-filter-case",
            "validator/group-filter-case",
            "query/match-display-name-case",
        ],
        Failed,
    ),
    (
        Defect::DisabledAreHidden,
        &["query/match-inactive", "gallery/03-disable-user"],
        Failed,
    ),
    (
        Defect::TextBooleansAreEchoed,
        &[
            "patch/boolean-as-text",
            "gallery/03-disable-user",
            "create/active-as-text",
        ],
        Failed,
    ),
    (
        Defect::OpsAreCaseSensitive,
        &[
            "patch/op-in-any-case",
            "patch/composite",
            "gallery/11-group-add-member",
        ],
        Failed,
    ),
    (
        Defect::ValuePathsCreateNothing,
        &["patch/value-path-creates", "validator/user-patch-add"],
        Failed,
    ),
    (
        Defect::ValuePathsCreateElementsApart,
        &["patch/one-new-element"],
        Failed,
    ),
    (
        Defect::FlatKeysAreLiteral,
        &["flagged/composite", "validator/user-patch-replace"],
        Failed,
    ),
    (
        Defect::EmptyClearsNothing,
        &[
            "gallery/16-null-update",
            "gallery/16-null-update-verbose",
            "patch/empty-clears",
            "flagged/clears",
        ],
        Failed,
    ),
    (
        Defect::NullClearsNothing,
        &[
            "gallery/16-null-update",
            "patch/null-clears",
            "flagged/clears",
        ],
        Failed,
    ),
    (Defect::PatchIsHalfDone, &["patch/all-or-nothing"], Failed),
    (
        Defect::ReplayConflicts,
        &["patch/again", "leaving/disable-again"],
        Failed,
    ),
    (
        Defect::ManagerIsAText,
        &[
            "manager/shape",
            "create/manager-bare",
            "gallery/25-update-manager",
        ],
        Failed,
    ),
    (
        Defect::BareManagerIsRefused,
        &[
            "manager/bare",
            "gallery/05-user-manager",
            "create/manager-bare",
        ],
        Failed,
    ),
    (
        Defect::UndeclaredExtensionIsRefused,
        &["create/undeclared-extension"],
        Failed,
    ),
    (
        Defect::DuplicatesAreAccepted,
        &[
            "validator/user-duplicate",
            "create/again",
            "validator/group-duplicate",
            "patch/taken-name",
        ],
        Failed,
    ),
    (
        Defect::DuplicatesAreMarked400,
        &["validator/user-duplicate", "group/duplicate"],
        Failed,
    ),
    (
        Defect::ValuesAreNormalised,
        &["create/as-sent", "gallery/18-user-update"],
        Failed,
    ),
    (
        Defect::MissingIdIs500,
        &["query/missing-id", "leaving/delete"],
        Failed,
    ),
    (
        Defect::ErrorsAreBare,
        &[
            "query/missing-id",
            "validator/user-duplicate",
            "rfc/unknown-operation",
        ],
        Failed,
    ),
    (
        Defect::ExcludedMembersAreReturned,
        &[
            "validator/group-get-excluding",
            "validator/group-filter-excluding",
        ],
        Failed,
    ),
    (
        Defect::ExcludedMembersAreEmpty,
        &["validator/group-get-excluding", "query/match-group"],
        Failed,
    ),
    (
        Defect::RemoveWipesTheGroup,
        &["group/remove-legacy", "gallery/12-group-remove-member"],
        Failed,
    ),
    (
        Defect::RenameDropsMembers,
        &["group/rename-keeps-members"],
        Failed,
    ),
    (
        Defect::DisableDropsMemberships,
        &["leaving/memberships-outlast-disable"],
        Failed,
    ),
    (
        Defect::StartIndexIsAlwaysOne,
        &["gallery/23-user-pagination"],
        Failed,
    ),
    (
        Defect::StartIndexIsAlwaysOne,
        &["gallery/24-group-pagination"],
        Warning,
    ),
    (
        Defect::PagesAreShort,
        &["gallery/23-user-pagination"],
        Failed,
    ),
    (
        Defect::CountIsIgnored,
        &["gallery/23-user-pagination", "paging/count-zero"],
        Failed,
    ),
    (
        Defect::NoCanonicalValues,
        &[
            "discovery/canonical-values",
            "gallery/15-schema-discoverability",
        ],
        Failed,
    ),
    (Defect::SchemaSaysNull, &["discovery/schema-values"], Failed),
    (Defect::SchemasAreAnArray, &["discovery/schemas"], Failed),
    (Defect::PlainJson, &["discovery/media-type"], Failed),
    (Defect::AnyTokenOpens, &["rfc/no-credentials"], Failed),
    (
        Defect::DeleteDoesNothing,
        &[
            "validator/user-delete",
            "validator/group-delete",
            "leaving/delete",
        ],
        Failed,
    ),
    (Defect::DeleteIsRefused, &["validator/user-delete"], Failed),
    (
        Defect::CreateAnswers500,
        &["gallery/17-user-create", "gallery/19-group-create"],
        Failed,
    ),
    (
        Defect::NoGroups,
        &["gallery/19-group-create", "gallery/08-create-group"],
        Failed,
    ),
    (Defect::WantsATitle, &["gallery/16-null-update"], Failed),
    (
        Defect::ClaimsTooMuch,
        &[
            "rfc/etag",
            "rfc/sort",
            "rfc/bulk",
            "paging/cursor",
            "roles/json-in-text",
            "rfc/password-never-returned",
        ],
        Failed,
    ),
    (Defect::ClaimsTooMuch, &["discovery/conservative"], Warning),
    (
        Defect::EverythingIsFound,
        &["rfc/unknown-endpoint", "discovery/schema"],
        Failed,
    ),
    (
        Defect::ConfigIsEmpty,
        &["discovery/service-provider-config"],
        Failed,
    ),
];
