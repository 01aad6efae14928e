//! `secrets`: handles to the app's named secrets. The value stays here and is put in place by the host
//! capability that uses it.

use secrecy::SecretString;
use wasmtime::component::Resource;

use crate::bindings::tombolo::connector::secrets::{Host, HostSecret};
use crate::guest::Guest;

/// What a handle stands for.
#[allow(unreachable_pub)] // the bindings name it in what they generate
pub struct Secret {
    pub(crate) name: String,
    /// Read by the capabilities that substitute it, never by the guest.
    pub(crate) value: SecretString,
    /// May the guest ask for the bytes?
    pub(crate) reveal: bool,
}

impl Host for Guest {
    async fn open(&mut self, name: String) -> wasmtime::Result<Option<Resource<Secret>>> {
        let Some(granted) = self.grants.secrets.get(&name).cloned() else {
            return Ok(None);
        };
        Ok(Some(self.table.push(Secret {
            name,
            value: granted.value,
            reveal: granted.reveal,
        })?))
    }
}

impl HostSecret for Guest {
    async fn name(&mut self, secret: Resource<Secret>) -> wasmtime::Result<String> {
        Ok(self.table.get(&secret)?.name.clone())
    }

    async fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}
