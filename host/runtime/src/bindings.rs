//! What `wit/` says, as Rust: generated, and renamed nowhere.
//!
//! Host imports are asynchronous underneath, so a guest that waits costs a
//! fiber and not a thread, and they may trap, so that a limit can end a call.

#![allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::all)]

/// The vocabulary (`types`), apart from the world: these are the types that the
/// rest of the host handles, so they get value semantics.
pub mod vocabulary {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package tombolo:host-runtime;
            world vocabulary { import tombolo:connector/types@1.0.0; }
        ",
        additional_derives: [PartialEq],
    });
}

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "tombolo:connector/full",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "tombolo:connector/types": vocabulary::tombolo::connector::types,
        "tombolo:connector/secrets.secret": crate::capability::secrets::Secret,
        "tombolo:connector/net.connection": crate::capability::net::Connection,
        "tombolo:connector/sql.transaction": crate::capability::sql::Transaction,
    },
});

impl PartialEq for exports::tombolo::connector::members::MemberPage {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members && self.cursor == other.cursor
    }
}

impl PartialEq for exports::tombolo::connector::delta::Change {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Changed(a), Self::Changed(b)) => a == b,
            (Self::Gone(a), Self::Gone(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for exports::tombolo::connector::delta::Changes {
    fn eq(&self, other: &Self) -> bool {
        self.changes == other.changes && self.token == other.token && self.more == other.more
    }
}
