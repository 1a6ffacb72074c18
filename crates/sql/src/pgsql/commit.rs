//! Commit markers: evidence that a transaction was committed, for when the answer to COMMIT is lost.
//!
//! The id of a transaction alone is no evidence. A server that crashes forgets the ids of transactions whose records had not
//! reached its disk, and assigns them again after its recovery: `txid_status` then describes another transaction. So each
//! transaction creates an empty large object with a random number, which exists only if the transaction was committed, and
//! removes that of the transaction before. Any user may create large objects, and they need no table.

use super::connection::Connection;
use super::error::WriteError;

/// How often, in steps of 0.1 s, an unfinished transaction is asked for again.
const PATIENCE: u32 = 20;
/// Numbers below are the server's own (`FirstNormalObjectId`).
const FIRST: u32 = 16_384;

/// The marker of the last transaction of a writer.
#[derive(Debug, Default)]
pub(super) struct Marker {
    /// The large object, if there is one.
    object: Option<u32>,
}

/// A transaction as it is known before its COMMIT.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Its id, as returned by `txid_current`.
    id: String,
    /// The large object that it creates; `None` if the server has none, or does not let the user create one.
    object: Option<u32>,
}

/// What became of a transaction whose COMMIT was sent and not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its rows are in the table.
    Committed,
    /// They are not, and never will be.
    Lost,
    /// The server still works on it.
    Unfinished,
}

impl Marker {
    /// Begins a transaction. `lock`: statements that lock the table.
    pub(super) fn begin(&self, connection: &Connection, lock: &str) -> Result<Transaction, WriteError> {
        let object = connection.markers.then(|| fastrand::u32(FIRST..));
        let create = object.map_or_else(String::new, |object| format!("SELECT lo_create({object}); "));
        let begin = format!(
            "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; {lock}{}{create}SAVEPOINT pmacct; SELECT txid_current()",
            self.unlink()
        );
        let id = connection.ask(&begin)?;
        let id = id.ok_or_else(|| WriteError::Lost("the transaction has no id".to_owned()))?;
        Ok(Transaction { id, object })
    }

    /// A transaction was committed.
    pub(super) fn committed(&mut self, transaction: &Transaction) {
        self.object = transaction.object;
    }

    /// Removes the last marker.
    pub(super) fn remove(&mut self, connection: &Connection) {
        if self.object.is_some() && connection.run(&self.unlink()).is_ok() {
            self.object = None;
        }
    }

    /// The statement that removes the marker, unless someone else has done so.
    fn unlink(&self) -> String {
        self.object.map_or_else(String::new, |object| {
            format!("SELECT lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = {object}; ")
        })
    }
}

impl Transaction {
    /// Finds out what became of it, on another connection.
    pub(super) fn fate(&self, connection: &Connection) -> Result<Fate, WriteError> {
        let id = &self.id;
        for wait in std::iter::once("0").chain(std::iter::repeat_n("0.1", PATIENCE as usize)) {
            // `txid_status` exists in all versions, and rejects ids that were not assigned.
            let status = connection.ask(&format!(
                "SELECT pg_sleep({wait}); \
                 SELECT CASE WHEN {id} < txid_snapshot_xmax(txid_current_snapshot()) THEN txid_status({id}) END"
            ))?;
            match status.as_deref() {
                Some("in progress") => {}
                Some("committed") => return self.is_marked(connection),
                _ => return Ok(Fate::Lost),
            }
        }
        Ok(Fate::Unfinished)
    }

    /// Tells it from another transaction with the same id that was committed.
    fn is_marked(&self, connection: &Connection) -> Result<Fate, WriteError> {
        let Some(object) = self.object else { return Ok(Fate::Committed) };
        let query = format!("SELECT 1 FROM pg_catalog.pg_largeobject_metadata WHERE oid = {object}");
        Ok(connection.ask(&query)?.map_or(Fate::Lost, |_| Fate::Committed))
    }
}
