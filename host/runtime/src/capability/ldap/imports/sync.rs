//! `ldap-sync`: what has changed.

use super::{Reached, broken, outcome};
use crate::bindings::tombolo::connector::ldap::LdapError;
use crate::bindings::tombolo::connector::ldap_sync as contract;
use crate::capability::ldap::sync::{Change, Deletions, Kind, Method, Poll, Start};
use crate::guest::Guest;

/// \[MS-ADTS\] 3.1.1.3.4.1.3.
fn flags(options: contract::DirsyncOptions) -> u32 {
    [
        (contract::DirsyncOptions::OBJECT_SECURITY, 0x0000_0001),
        (contract::DirsyncOptions::ANCESTORS_FIRST, 0x0000_0800),
        (contract::DirsyncOptions::PUBLIC_DATA_ONLY, 0x0000_2000),
        (contract::DirsyncOptions::INCREMENTAL_VALUES, 0x8000_0000),
    ]
    .into_iter()
    .filter(|(option, _)| options.contains(*option))
    .fold(0, |flags, (_, flag)| flags | flag)
}

fn poll(request: contract::Request, start: contract::Start, limit: u32) -> Poll {
    Poll {
        base: request.base,
        scope: request.scope.into(),
        filter: request.filter,
        attributes: request.attributes,
        method: match request.method {
            contract::Method::Syncrepl => Method::Syncrepl,
            contract::Method::Dirsync(options) => Method::DirSync(flags(options)),
        },
        start: match start {
            contract::Start::Content => Start::Content,
            contract::Start::Now => Start::Now,
            contract::Start::After(cookie) => Start::After(cookie),
        },
        limit,
    }
}

impl From<Change> for contract::Change {
    fn from(change: Change) -> Self {
        let (dn, attributes) = match change.entry {
            Some(entry) => (Some(entry.dn), entry.attributes),
            None => (None, Vec::new()),
        };
        Self {
            kind: match change.kind {
                Kind::Present => contract::Kind::Present,
                Kind::Added => contract::Kind::Added,
                Kind::Changed => contract::Kind::Changed,
                Kind::Deleted => contract::Kind::Deleted,
            },
            id: change.id,
            dn,
            attributes,
        }
    }
}

impl contract::Host for Guest {
    async fn poll(
        &mut self,
        target: String,
        request: contract::Request,
        start: contract::Start,
        limit: u32,
    ) -> wasmtime::Result<Result<contract::Answer, LdapError>> {
        let sent = request.base.len() + request.filter.len();
        let call = self.outbound("ldap", "poll", &target, sent)?;
        let reached = Reached::by(self, &target);
        let poll = poll(request, start, call.fate().shortened(limit));
        let effect = Box::pin(async {
            let reached = reached?;
            reached.directory.poll(&poll, reached.caller()).await
        });
        let answer = call.fate().around(effect, |_| broken("poll")).await;
        let size = answer.as_ref().map_or(0, |answer| {
            answer.cookie.len() + answer.changes.iter().map(Change::size).sum::<usize>()
        });
        call.end(&outcome(answer.as_ref().err()), size);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error.into())),
        };
        self.charge_bytes(size)?;
        Ok(Ok(contract::Answer {
            changes: answer.changes.into_iter().map(Into::into).collect(),
            cookie: answer.cookie,
            begins: answer.begins,
            ends: answer.ends.map(|ends| match ends {
                Deletions::Told => contract::Deletions::Told,
                Deletions::Implied => contract::Deletions::Implied,
            }),
        }))
    }
}
