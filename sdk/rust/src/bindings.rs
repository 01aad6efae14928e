//! What wit-bindgen makes of `wit/`: one world for everything a connector may import, and one small world for each
//! ability it may export, so that a component exports exactly the abilities its author named.
//!
//! The types of the first are the types of all the others (`with`): an `Entry` is the same whoever returns it.

#![allow(missing_docs, clippy::pedantic, clippy::all, unreachable_pub)]

mod base {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tombolo:sdk-base;
            world base {
                import tombolo:connector/types@1.0.0;
                import tombolo:connector/config@1.0.0;
                import tombolo:connector/secrets@1.0.0;
                import tombolo:connector/reveal@1.0.0;
                import tombolo:connector/context@1.0.0;
                import tombolo:connector/log@1.0.0;
                import tombolo:connector/state@1.0.0;
                import tombolo:connector/http@1.0.0;
                import tombolo:connector/net@1.0.0;
                import tombolo:connector/ldap@1.0.0;
                import tombolo:connector/sql@1.0.0;
            }
        ",
        world: "tombolo:sdk-base/base",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Clone],
        runtime_path: "::tombolo_sdk::__private::wit_bindgen::rt",
        pub_export_macro: true,
    });
}

pub use base::tombolo::connector as host;

/// Two handles are the same secret when they have the same name.
impl PartialEq for host::secrets::Secret {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

pub mod connector {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package tombolo:sdk-connector; world exports-connector { export tombolo:connector/connector@1.0.0; }",
        world: "tombolo:sdk-connector/exports-connector",
        with: {
            "tombolo:connector/types@1.0.0": ::tombolo_sdk::host::types,
            "tombolo:connector/connector@1.0.0": generate,
        },
        additional_derives: [PartialEq, Clone],
        runtime_path: "::tombolo_sdk::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_connector",
        default_bindings_module: "::tombolo_sdk::__private::connector",
    });
    pub use exports::tombolo::connector::connector::*;
}

pub mod read {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package tombolo:sdk-read; world exports-read { export tombolo:connector/read@1.0.0; }",
        world: "tombolo:sdk-read/exports-read",
        with: {
            "tombolo:connector/types@1.0.0": ::tombolo_sdk::host::types,
            "tombolo:connector/read@1.0.0": generate,
        },
        additional_derives: [PartialEq, Clone],
        runtime_path: "::tombolo_sdk::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_read",
        default_bindings_module: "::tombolo_sdk::__private::read",
    });
    pub use exports::tombolo::connector::read::*;
}

pub mod write {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package tombolo:sdk-write; world exports-write { export tombolo:connector/write@1.0.0; }",
        world: "tombolo:sdk-write/exports-write",
        with: {
            "tombolo:connector/types@1.0.0": ::tombolo_sdk::host::types,
            "tombolo:connector/write@1.0.0": generate,
        },
        additional_derives: [PartialEq, Clone],
        runtime_path: "::tombolo_sdk::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_write",
        default_bindings_module: "::tombolo_sdk::__private::write",
    });
    pub use exports::tombolo::connector::write::*;
}

pub mod members {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package tombolo:sdk-members; world exports-members { export tombolo:connector/members@1.0.0; }",
        world: "tombolo:sdk-members/exports-members",
        with: {
            "tombolo:connector/types@1.0.0": ::tombolo_sdk::host::types,
            "tombolo:connector/members@1.0.0": generate,
        },
        additional_derives: [PartialEq, Clone],
        runtime_path: "::tombolo_sdk::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_members",
        default_bindings_module: "::tombolo_sdk::__private::members",
    });
    pub use exports::tombolo::connector::members::*;
}

pub mod password {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package tombolo:sdk-password; world exports-password { export tombolo:connector/password@1.0.0; }",
        world: "tombolo:sdk-password/exports-password",
        with: {
            "tombolo:connector/types@1.0.0": ::tombolo_sdk::host::types,
            "tombolo:connector/secrets@1.0.0": ::tombolo_sdk::host::secrets,
            "tombolo:connector/password@1.0.0": generate,
        },
        additional_derives: [PartialEq, Clone],
        runtime_path: "::tombolo_sdk::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_password",
        default_bindings_module: "::tombolo_sdk::__private::password",
    });
    pub use exports::tombolo::connector::password::*;
}

pub mod delta {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package tombolo:sdk-delta; world exports-delta { export tombolo:connector/delta@1.0.0; }",
        world: "tombolo:sdk-delta/exports-delta",
        with: {
            "tombolo:connector/types@1.0.0": ::tombolo_sdk::host::types,
            "tombolo:connector/delta@1.0.0": generate,
        },
        additional_derives: [PartialEq, Clone],
        runtime_path: "::tombolo_sdk::__private::wit_bindgen::rt",
        pub_export_macro: true,
        export_macro_name: "export_delta",
        default_bindings_module: "::tombolo_sdk::__private::delta",
    });
    pub use exports::tombolo::connector::delta::*;
}
