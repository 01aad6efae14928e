//! The tests, a file a subject. Each says who demands it, and what Entra would do otherwise.
//!
//! Sources are named as an administrator finds them: a page of Microsoft's Entra documentation, a test of Microsoft's
//! gallery template or of its SCIM validator, a section of an RFC, or what people have recorded of Entra's requests.

use super::case::Case;

mod creating;
mod discovery;
mod gallery_groups;
mod gallery_users;
mod grouping;
mod leaving;
mod managing;
mod paging;
mod patching;
mod patching_flagged;
mod patching_rules;
mod querying;
mod querying_rules;
mod rfc;
mod roles;
mod validator_groups;
mod validator_users;

/// Every test, in the order in which they are played.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    [
        discovery::CASES,
        gallery_users::CASES,
        gallery_groups::CASES,
        validator_users::CASES,
        validator_groups::CASES,
        querying::CASES,
        querying_rules::CASES,
        creating::CASES,
        patching::CASES,
        patching_rules::CASES,
        patching_flagged::CASES,
        managing::CASES,
        roles::CASES,
        grouping::CASES,
        leaving::CASES,
        paging::CASES,
        rfc::CASES,
    ]
    .into_iter()
    .flatten()
}

/// learn.microsoft.com, "Develop and plan provisioning for a SCIM endpoint".
const DEVELOP: &str = "Entra, Develop a SCIM endpoint";
/// learn.microsoft.com, "Known issues and resolutions with SCIM 2.0 protocol compliance".
const COMPLIANCE: &str = "Entra, Known issues with SCIM 2.0 compliance";
/// learn.microsoft.com, "Customize application attributes".
const ATTRIBUTES: &str = "Entra, Customize attribute mappings";
/// learn.microsoft.com, "How provisioning works".
const HOW: &str = "Entra, How provisioning works";
/// learn.microsoft.com, "Quarantine status".
const QUARANTINE_PAGE: &str = "Entra, Application in quarantine";
/// Published captures and issue threads of SCIM servers.
const RECORDED: &str = "recorded from Entra's client";
/// Microsoft's published Postman collection.
const REFERENCE: &str = "Microsoft's SCIM reference tests";

const QUARANTINE: &str =
    "Test Connection fails, and a running job goes into quarantine: it then runs once a day";
const ESCROW: &str = "the export of this object fails and is tried again with growing gaps for 28 days, then dropped";
const ENDLESS: &str = "every cycle sees a difference and sends the same PATCH again, for ever";
const SECOND: &str = "Entra does not find who is there already: it creates a second account, or fails with a conflict";
const WRONG_DATA: &str = "Entra believes that the target has what it sent, and it has not";
const UNPARSED: &str =
    "Entra cannot read the answer: SystemForCrossDomainIdentityManagementServiceIncompatible";
const OTHERS: &str = "Entra does not ask for this today; other clients and Microsoft's tests do";
