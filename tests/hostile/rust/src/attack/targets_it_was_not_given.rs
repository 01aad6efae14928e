//! Asks every capability for targets that it was not given.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::{http, ldap, net, sql};
    let mut said = String::new();
    for target in ["directory", "", "*", "ldap://127.0.0.1", "../directory"] {
        said.push_str(&tried("ldap", ldap::delete(target, "cn=x")));
        said.push_str(&tried("net", net::connect(target)));
        said.push_str(&tried("sql", sql::query(target, "select 1", &[], 1)));
        let request = http::Request {
            target: target.to_owned(),
            method: "GET".to_owned(),
            path_and_query: "http://169.254.169.254/latest/meta-data/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        said.push_str(&tried("http", http::send(&request)));
    }
    Ok(Answer::Said(said))
}
