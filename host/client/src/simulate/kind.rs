//! The requests that the service sends, by what they are for.

use reqwest::Method;

/// The requests that the service sends, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // The names say it; `name` has the words.
pub enum Kind {
    Probe,
    MatchUser,
    CreateUser,
    GetUser,
    PatchUser,
    DisableUser,
    RestoreUser,
    DeleteUser,
    ReferenceCheck,
    SetManager,
    ClearManager,
    MatchGroup,
    CreateGroup,
    GetGroup,
    PatchGroup,
    AddMembers,
    RemoveMembers,
    DeleteGroup,
    VerifyUsers,
    VerifyUser,
    VerifyGroup,
    VerifyGone,
}

impl Kind {
    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::MatchUser => "match user",
            Self::CreateUser => "create user",
            Self::GetUser => "get user",
            Self::PatchUser => "update user",
            Self::DisableUser => "disable user",
            Self::RestoreUser => "restore user",
            Self::DeleteUser => "delete user",
            Self::ReferenceCheck => "check reference",
            Self::SetManager => "set manager",
            Self::ClearManager => "clear manager",
            Self::MatchGroup => "match group",
            Self::CreateGroup => "create group",
            Self::GetGroup => "get group",
            Self::PatchGroup => "update group",
            Self::AddMembers => "add members",
            Self::RemoveMembers => "remove members",
            Self::DeleteGroup => "delete group",
            Self::VerifyUsers => "verify: list users",
            Self::VerifyUser => "verify: get user",
            Self::VerifyGroup => "verify: get group",
            Self::VerifyGone => "verify: deleted",
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::CreateUser | Self::CreateGroup => Method::POST,
            Self::PatchUser
            | Self::DisableUser
            | Self::RestoreUser
            | Self::SetManager
            | Self::ClearManager
            | Self::PatchGroup
            | Self::AddMembers
            | Self::RemoveMembers => Method::PATCH,
            Self::DeleteUser | Self::DeleteGroup => Method::DELETE,
            _ => Method::GET,
        }
    }

    pub(super) fn is_query(self) -> bool {
        matches!(
            self,
            Self::Probe
                | Self::MatchUser
                | Self::MatchGroup
                | Self::ReferenceCheck
                | Self::VerifyUsers
        )
    }

    pub(super) fn is_about_a_group(self) -> bool {
        matches!(
            self,
            Self::MatchGroup
                | Self::GetGroup
                | Self::CreateGroup
                | Self::PatchGroup
                | Self::AddMembers
                | Self::RemoveMembers
        )
    }

    pub(super) fn is_about_a_reference(self) -> bool {
        matches!(
            self,
            Self::ReferenceCheck
                | Self::SetManager
                | Self::ClearManager
                | Self::AddMembers
                | Self::RemoveMembers
        )
    }

    /// The statuses that it may be answered with.
    pub(super) fn statuses(self) -> &'static [u16] {
        match self {
            // The gallery's template takes 200 for a create too.
            Self::CreateUser | Self::CreateGroup => &[201, 200],
            Self::DeleteUser | Self::DeleteGroup => &[204],
            Self::VerifyGone => &[404],
            _ if self.method() == Method::PATCH => &[200, 204],
            _ => &[200],
        }
    }
}
