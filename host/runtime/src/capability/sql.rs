//! `sql`: statements on named targets. No target of that kind can be granted yet, so every statement is refused.

use wasmtime::component::Resource;

use crate::bindings::tombolo::connector::sql::{Cell, Host, HostTransaction, Rows, SqlError};
use crate::guest::Guest;

/// An open transaction; none can exist while no such target can be granted.
#[allow(unreachable_pub)] // the bindings name it in what they generate
pub enum Transaction {}

fn refused(target: &str) -> SqlError {
    // 08004: the server rejected the establishment of the connection.
    SqlError {
        sqlstate: Some("08004".to_owned()),
        message: format!("no SQL target `{target}` is granted to this app"),
    }
}

impl Host for Guest {
    async fn query(
        &mut self,
        target: String,
        _statement: String,
        _parameters: Vec<Cell>,
        _limit: u32,
    ) -> wasmtime::Result<Result<Rows, SqlError>> {
        Ok(Err(refused(&target)))
    }

    async fn execute(
        &mut self,
        target: String,
        _statement: String,
        _parameters: Vec<Cell>,
    ) -> wasmtime::Result<Result<u64, SqlError>> {
        Ok(Err(refused(&target)))
    }

    async fn begin(
        &mut self,
        target: String,
    ) -> wasmtime::Result<Result<Resource<Transaction>, SqlError>> {
        Ok(Err(refused(&target)))
    }
}

impl HostTransaction for Guest {
    async fn query(
        &mut self,
        _transaction: Resource<Transaction>,
        _statement: String,
        _parameters: Vec<Cell>,
        _limit: u32,
    ) -> wasmtime::Result<Result<Rows, SqlError>> {
        Ok(Err(refused("transaction")))
    }

    async fn execute(
        &mut self,
        _transaction: Resource<Transaction>,
        _statement: String,
        _parameters: Vec<Cell>,
    ) -> wasmtime::Result<Result<u64, SqlError>> {
        Ok(Err(refused("transaction")))
    }

    async fn commit(
        &mut self,
        _transaction: Resource<Transaction>,
    ) -> wasmtime::Result<Result<(), SqlError>> {
        Ok(Err(refused("transaction")))
    }

    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        self.table.delete(transaction)?;
        Ok(())
    }
}
