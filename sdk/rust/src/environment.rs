//! What the host tells a call: settings, time left, request id; and where it puts its log and its state.
//!
//! Away from WebAssembly (in an author's unit tests) the same functions answer from [`testing`].

use crate::{Failure, Result};
use serde::de::DeserializeOwned;

/// The app's settings as the author's own type. The host has checked them against the manifest's schema.
pub fn settings<T: DeserializeOwned>() -> Result<T> {
    serde_json::from_str(&host::settings()).map_err(|error| {
        Failure::invalid(format!(
            "the app's [settings] do not fit this connector: {error}"
        ))
    })
}

/// The call that is running.
pub mod context {
    use std::time::Duration;

    /// How long it may still take.
    pub fn remaining() -> Duration {
        Duration::from_millis(super::host::remaining_ms().into())
    }

    /// The id under which host and client log the request.
    pub fn request_id() -> String {
        super::host::request_id()
    }
}

/// The app's log: `log::info!("read {n} rows")`, with fields `log::warn!("slow", rows = n)`.
pub mod log {
    pub use crate::host::log::Level;
    pub use crate::{log_debug as debug, log_error as error, log_info as info, log_warn as warn};

    /// Writes one line with its fields. Never a password: the host redacts only the secrets it knows.
    pub fn emit(level: Level, message: &str, fields: &[(String, String)]) {
        super::host::emit(level, message, fields);
    }
}

/// A line with its fields, at a level.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $format:literal $(, $field:ident = $value:expr)* $(,)?) => {
        $crate::log::emit(
            $crate::log::Level::$level,
            &format!($format),
            &[$((stringify!($field).to_owned(), $value.to_string())),*],
        )
    };
}

/// A line for whoever looks closely.
#[doc(hidden)]
#[macro_export]
macro_rules! log_debug { ($($line:tt)*) => { $crate::__log!(Debug, $($line)*) }; }

/// A line for the operator.
#[doc(hidden)]
#[macro_export]
macro_rules! log_info { ($($line:tt)*) => { $crate::__log!(Info, $($line)*) }; }

/// Something to look at.
#[doc(hidden)]
#[macro_export]
macro_rules! log_warn { ($($line:tt)*) => { $crate::__log!(Warn, $($line)*) }; }

/// Something is wrong.
#[doc(hidden)]
#[macro_export]
macro_rules! log_error { ($($line:tt)*) => { $crate::__log!(Error, $($line)*) }; }

/// Small things that a connector remembers from call to call, kept by the host for the app: tokens, checkpoints.
pub mod state {
    use super::host;
    use crate::host::state::StateError;
    use crate::schema::Kind;
    use crate::{Entry, Failure, Fault, Result};

    pub use crate::host::state::Item;

    fn failure(error: StateError) -> Failure {
        match error {
            StateError::Full => Failure::other("the app's state is full"),
            StateError::Changed => {
                Failure::changed("another call has changed this part of the app's state")
            }
            StateError::Unavailable(why) => Failure::unavailable(format!("the app's state: {why}")),
        }
    }

    /// The value under a key, with its version.
    pub fn get(key: &str) -> Result<Option<Item>> {
        host::state_get(key).map_err(failure)
    }

    /// Puts a value and answers its version.
    pub fn put(key: &str, value: &[u8]) -> Result<u64> {
        host::state_put(key, value, None).map_err(failure)
    }

    /// Puts a value if the key has this version (0: if there is none), else fails as `changed`.
    pub fn put_if(key: &str, value: &[u8], version: u64) -> Result<u64> {
        host::state_put(key, value, Some(version)).map_err(failure)
    }

    /// The entry under `KIND/ANCHOR`, with the state's version; fails as `not-found` when there is none.
    pub fn load(kind: &Kind, anchor: &str) -> Result<Entry> {
        let item = get(&format!("{}/{anchor}", kind.kind))?;
        let item =
            item.ok_or_else(|| Failure::not_found(format!("there is no {} {anchor}", kind.kind)))?;
        let entry = kind.decode(anchor, &item.value)?;
        Ok(entry.version(item.version.to_string()))
    }

    /// Puts an entry under `KIND/ANCHOR`, and answers it with its version.
    pub fn store(kind: &Kind, entry: Entry) -> Result<Entry> {
        let key = format!("{}/{}", kind.kind, entry.anchor);
        let version = put(&key, &kind.encode(&entry))?;
        Ok(entry.version(version.to_string()))
    }

    /// Claims a key for its owner, as an index over a unique attribute does; fails as `already-exists`, and names the
    /// attribute, when another has it. Who has it may claim it again.
    pub fn claim(key: &str, owner: &str, attribute: &str) -> Result<()> {
        match put_if(key, owner.as_bytes(), 0) {
            Err(failure) if failure.is(Fault::Changed) => {
                let holder = get(key)?.map(|item| item.value);
                if holder.is_some_and(|holder| holder != owner.as_bytes()) {
                    let message = format!("another object has this {attribute}");
                    return Err(Failure::already_exists(message).attribute(attribute));
                }
                Ok(())
            }
            put => put.map(drop),
        }
    }

    /// Forgets a key.
    pub fn delete(key: &str) -> Result<()> {
        host::state_delete(key).map_err(failure)
    }

    /// Keys with a prefix, in order, after one.
    pub fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        host::state_list(prefix, after, limit).map_err(failure)
    }

    /// The most keys that one [`list`] answers.
    pub const LISTED: u32 = 1000;

    /// Every key with a prefix, in order, without the prefix.
    pub fn all(prefix: &str) -> Result<Vec<String>> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let (keys, next) = page(prefix, cursor.as_deref(), LISTED)?;
            all.extend(keys);
            cursor = next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// One page of the keys with a prefix, without the prefix, and the cursor of the next: the last key given out.
    pub fn page(
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>)> {
        let limit = limit.clamp(1, LISTED);
        let after = cursor.map(|cursor| format!("{prefix}{cursor}"));
        let keys = list(prefix, after.as_deref(), limit)?;
        let keys: Vec<String> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(prefix).map(str::to_owned))
            .collect();
        let full = u32::try_from(keys.len()).is_ok_and(|found| found == limit);
        let next = keys.last().filter(|_| full).cloned();
        Ok((keys, next))
    }
}

/// The handle of a secret that the operator granted; none when there is no such grant.
pub fn secret(name: &str) -> Option<crate::Secret> {
    #[cfg(target_arch = "wasm32")]
    return crate::host::secrets::open(name);
    #[cfg(not(target_arch = "wasm32"))]
    return name.is_empty().then_some(()).and(None);
}

#[cfg(target_arch = "wasm32")]
mod host {
    pub(super) use crate::host::config::settings;
    pub(super) use crate::host::context::{remaining_ms, request_id};
    pub(super) use crate::host::log::emit;
    pub(super) use crate::host::state::{
        delete as state_delete, get as state_get, list as state_list, put as state_put,
    };
}

#[cfg(not(target_arch = "wasm32"))]
use testing as host;

/// A host for unit tests: settings, log and state of the current thread.
#[cfg(not(target_arch = "wasm32"))]
pub mod testing {
    use crate::host::log::Level;
    use crate::host::state::{Item, StateError};
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        static SETTINGS: RefCell<String> = RefCell::new("{}".to_owned());
        static STATE: RefCell<BTreeMap<String, (Vec<u8>, u64)>> = const { RefCell::new(BTreeMap::new()) };
    }

    /// Sets the settings (JSON text) that this thread's calls see.
    pub fn set_settings(json: &str) {
        SETTINGS.with(|s| json.clone_into(&mut s.borrow_mut()));
    }

    pub(super) fn settings() -> String {
        SETTINGS.with(|s| s.borrow().clone())
    }

    pub(super) fn remaining_ms() -> u32 {
        30_000
    }

    pub(super) fn request_id() -> String {
        "test".to_owned()
    }

    pub(super) fn emit(level: Level, message: &str, fields: &[(String, String)]) {
        eprintln!("{level:?} {message} {fields:?}");
    }

    #[allow(clippy::unnecessary_wraps)] // the shape of the import it stands for
    pub(super) fn state_get(key: &str) -> Result<Option<Item>, StateError> {
        Ok(STATE.with(|s| {
            s.borrow().get(key).map(|(value, version)| Item {
                value: value.clone(),
                version: *version,
            })
        }))
    }

    pub(super) fn state_put(
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
    ) -> Result<u64, StateError> {
        STATE.with(|s| {
            let mut state = s.borrow_mut();
            let now = state.get(key).map_or(0, |(_, version)| *version);
            if if_version.is_some_and(|wanted| wanted != now) {
                return Err(StateError::Changed);
            }
            state.insert(key.to_owned(), (value.to_owned(), now + 1));
            Ok(now + 1)
        })
    }

    #[allow(clippy::unnecessary_wraps)] // the shape of the import it stands for
    pub(super) fn state_delete(key: &str) -> Result<(), StateError> {
        STATE.with(|s| s.borrow_mut().remove(key));
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps)] // the shape of the import it stands for
    pub(super) fn state_list(
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StateError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(STATE.with(|s| {
            let state = s.borrow();
            let keys = state
                .keys()
                .filter(|k| k.starts_with(prefix) && after.is_none_or(|a| k.as_str() > a));
            keys.take(limit).cloned().collect()
        }))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::state;

    #[test]
    fn pages_of_keys_end_and_leave_nothing_out() {
        for name in ["a/1", "a/2", "a/3", "b/1"] {
            state::put(name, b"").expect("it is put");
        }
        let (first, cursor) = state::page("a/", None, 2).expect("a page");
        assert_eq!(
            (first, cursor.as_deref()),
            (vec!["1".to_owned(), "2".to_owned()], Some("2"))
        );
        let (second, cursor) = state::page("a/", Some("2"), 2).expect("a page");
        assert_eq!((second, cursor), (vec!["3".to_owned()], None));
        assert_eq!(state::all("a/").expect("all").len(), 3);
    }

    #[test]
    fn a_claimed_key_stays_its_owner_s() {
        assert_eq!(state::claim("unique/ana", "1", "login"), Ok(()));
        assert_eq!(state::claim("unique/ana", "1", "login"), Ok(()));
        let failure = state::claim("unique/ana", "2", "login").expect_err("it is taken");
        assert!(failure.is(crate::Fault::AlreadyExists));
        assert_eq!(failure.attribute.as_deref(), Some("login"));
    }
}
