//! Where Entra and Graph are, cloud by cloud. Any address can be replaced, for a proxy or for a stand-in.

use url::Url;

use crate::wire::{SetupError, check_address};

/// One of Microsoft's clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// The public one.
    #[default]
    Global,
    /// US Government L4 (GCC High).
    UsGovernmentL4,
    /// US Government L5 (DoD).
    UsGovernmentL5,
    /// Operated by 21Vianet.
    China,
}

/// A cloud's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Where tokens are asked for; the tenant comes behind it.
    pub login: Url,
    /// Graph, without a version.
    pub graph: Url,
}

/// Microsoft's own table of national clouds.
const TABLE: [(Cloud, &str, &str, &str); 4] = [
    (
        Cloud::Global,
        "global",
        "https://login.microsoftonline.com",
        "https://graph.microsoft.com",
    ),
    (
        Cloud::UsGovernmentL4,
        "us-government-l4",
        "https://login.microsoftonline.us",
        "https://graph.microsoft.us",
    ),
    (
        Cloud::UsGovernmentL5,
        "us-government-l5",
        "https://login.microsoftonline.us",
        "https://dod-graph.microsoft.us",
    ),
    (
        Cloud::China,
        "china",
        "https://login.chinacloudapi.cn",
        "https://microsoftgraph.chinacloudapi.cn",
    ),
];

impl Cloud {
    /// By the name that configurations use.
    pub fn named(name: &str) -> Option<Self> {
        let row = TABLE.iter().find(|(_, known, ..)| *known == name);
        row.map(|(cloud, ..)| *cloud)
    }

    /// The names that there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(_, name, ..)| *name)
    }

    /// Its addresses, each replaced if another one is given.
    pub fn endpoints(
        self,
        login: Option<&str>,
        graph: Option<&str>,
    ) -> Result<Endpoints, SetupError> {
        let (own_login, own_graph) = TABLE
            .iter()
            .find(|(cloud, ..)| *cloud == self)
            .map_or((TABLE[0].2, TABLE[0].3), |row| (row.2, row.3));
        Ok(Endpoints {
            login: check_address(login.unwrap_or(own_login))?,
            graph: check_address(graph.unwrap_or(own_graph))?,
        })
    }
}

impl Endpoints {
    /// The token endpoint of a tenant.
    pub fn token(&self, tenant: &str) -> Url {
        below(&self.login, &[tenant, "oauth2", "v2.0", "token"])
    }

    /// What a token for Graph is asked for: all that was granted to the application, in this cloud.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.graph.as_str().trim_end_matches('/'))
    }

    /// Entra's SCIM API.
    pub fn scim(&self) -> Url {
        below(&self.graph, &["rp", "scim"])
    }

    /// The provisioning log.
    pub(crate) fn log(&self) -> Url {
        below(&self.graph, &["v1.0", "auditLogs", "provisioning"])
    }

    /// A provisioning job.
    pub(crate) fn job(&self, principal: &str, job: &str) -> Url {
        let path = [
            "v1.0",
            "servicePrincipals",
            principal,
            "synchronization",
            "jobs",
            job,
        ];
        below(&self.graph, &path)
    }
}

/// An address with more segments at its end, each escaped.
pub(crate) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // `check_address` has let nothing else than http and https through, which have paths.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_has_its_own_token_endpoint_and_scope() {
        let gcc = Cloud::named("us-government-l4").unwrap();
        let gcc = gcc.endpoints(None, None).unwrap();
        assert_eq!(
            gcc.token("contoso").as_str(),
            "https://login.microsoftonline.us/contoso/oauth2/v2.0/token"
        );
        assert_eq!(gcc.scope(), "https://graph.microsoft.us/.default");
        let china = Cloud::China.endpoints(None, None).unwrap();
        assert_eq!(
            china.scim().as_str(),
            "https://microsoftgraph.chinacloudapi.cn/rp/scim"
        );
        assert_eq!(Cloud::names().count(), 4);
        for name in Cloud::names() {
            let cloud = Cloud::named(name).unwrap();
            assert!(cloud.endpoints(None, None).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_address_may_be_replaced_but_not_by_a_plain_one() {
        let here = Cloud::Global
            .endpoints(Some("http://127.0.0.1:1/login/"), None)
            .unwrap();
        assert_eq!(
            here.token("t").as_str(),
            "http://127.0.0.1:1/login/t/oauth2/v2.0/token"
        );
        assert!(
            Cloud::Global
                .endpoints(None, Some("http://graph.example.org"))
                .is_err()
        );
    }

    #[test]
    fn an_id_cannot_leave_its_segment() {
        let there = Cloud::Global.endpoints(None, None).unwrap();
        let url = there.job("../x?y", "API2AAD.a/b#c");
        assert_eq!(
            url.path(),
            "/v1.0/servicePrincipals/..%2Fx%3Fy/synchronization/jobs/API2AAD.a%2Fb%23c"
        );
        assert_eq!(url.query(), None);
    }
}
