//! From the author's traits to the component's exports, and the one macro that chooses them.

use crate::bindings;
use crate::{Connector, Delta, Members, Password, Read, Write};
use crate::{host::secrets::Secret, host::types};

type Answer<T> = Result<T, types::Failure>;

impl<C: Connector> bindings::connector::Guest for C {
    fn describe() -> Answer<String> {
        Ok(C::open()?.describe()?.to_json())
    }

    fn check() -> Answer<()> {
        C::open()?.check()
    }
}

impl<C: Read> bindings::read::Guest for C {
    fn get(kind: String, anchor: String, attributes: Vec<String>) -> Answer<types::Entry> {
        C::open()?.get(&kind, &anchor, &attributes)
    }

    fn search(kind: String, query: types::Query) -> Answer<types::Page> {
        C::open()?.search(&kind, &query)
    }
}

impl<C: Write> bindings::write::Guest for C {
    fn create(
        kind: String,
        attributes: Vec<types::Attribute>,
        request: String,
    ) -> Answer<types::Entry> {
        C::open()?.create(&kind, &attributes, &request)
    }

    fn update(
        kind: String,
        anchor: String,
        edits: Vec<types::Edit>,
        if_version: Option<String>,
        request: String,
    ) -> Answer<types::Entry> {
        C::open()?.update(&kind, &anchor, &edits, if_version.as_deref(), &request)
    }

    fn delete(kind: String, anchor: String, request: String) -> Answer<()> {
        C::open()?.delete(&kind, &anchor, &request)
    }
}

impl<C: Members> bindings::members::Guest for C {
    fn list_members(
        group: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Answer<bindings::members::MemberPage> {
        C::open()?.list_members(&group, cursor.as_deref(), limit)
    }

    fn change_members(
        group: String,
        add: Vec<String>,
        remove: Vec<String>,
        request: String,
    ) -> Answer<()> {
        C::open()?.change_members(&group, &add, &remove, &request)
    }
}

impl<C: Password> bindings::password::Guest for C {
    fn set_password(anchor: String, value: &Secret, must_change: bool) -> Answer<()> {
        C::open()?.set_password(&anchor, value, must_change)
    }
}

impl<C: Delta> bindings::delta::Guest for C {
    fn since(kind: String, token: Option<String>, limit: u32) -> Answer<bindings::delta::Changes> {
        C::open()?.since(&kind, token.as_deref(), limit)
    }
}

/// Makes a type the connector of this component: its abilities become the component's exports, and the manifest (a path
/// from the crate's root) is embedded where the host reads it without running anything.
///
/// ```ignore
/// tombolo_sdk::export!(Directory: read, write, members; manifest = "manifest.json");
/// ```
///
/// In a project of `tombolo connector new` the manifest is left out: the build embeds what `connector.toml` says.
///
/// The abilities are `read`, `write`, `members`, `password` and `delta`; the type implements the trait of each. Away
/// from WebAssembly the macro only checks that it does, so that the crate's unit tests build.
#[macro_export]
macro_rules! export {
    ($connector:ident : $($ability:ident),+ $(,)? ; manifest = $manifest:literal) => {
        $crate::export!($connector: $($ability),+);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const MANIFEST: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));

            #[unsafe(link_section = "tombolo:manifest")]
            #[used]
            static SECTION: [u8; MANIFEST.len()] = *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));
        };
    };
    ($connector:ident : $($ability:ident),+ $(,)?) => {
        const _: () = {
            const fn connector<C: $crate::Connector>() {}
            connector::<$connector>();
            $( $crate::__ability!($ability, check, $connector); )+
        };

        #[cfg(target_arch = "wasm32")]
        $crate::__private::connector::export_connector!($connector with_types_in $crate::__private::connector);
        $( $crate::__ability!($ability, export, $connector); )+
    };
}

/// One ability of [`export!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __ability {
    (read, check, $connector:ident) => { const fn read<C: $crate::Read>() {} read::<$connector>(); };
    (write, check, $connector:ident) => { const fn write<C: $crate::Write>() {} write::<$connector>(); };
    (members, check, $connector:ident) => { const fn members<C: $crate::Members>() {} members::<$connector>(); };
    (password, check, $connector:ident) => { const fn password<C: $crate::Password>() {} password::<$connector>(); };
    (delta, check, $connector:ident) => { const fn delta<C: $crate::Delta>() {} delta::<$connector>(); };
    (read, export, $connector:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::__private::read::export_read!($connector with_types_in $crate::__private::read);
    };
    (write, export, $connector:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::__private::write::export_write!($connector with_types_in $crate::__private::write);
    };
    (members, export, $connector:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::__private::members::export_members!($connector with_types_in $crate::__private::members);
    };
    (password, export, $connector:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::__private::password::export_password!($connector with_types_in $crate::__private::password);
    };
    (delta, export, $connector:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::__private::delta::export_delta!($connector with_types_in $crate::__private::delta);
    };
    ($other:ident, $what:ident, $connector:ident) => {
        compile_error!(concat!(
            "`", stringify!($other), "` is no ability: say read, write, members, password or delta"
        ));
    };
}
