//! A database server and its backup server.
//!
//! A batch that the primary server fails to write goes to the backup (`sql_backup_host`), and so does the rest of that purge. The
//! next purge starts at the primary again. Rows that are only for the backup never go to the primary. An in-doubt transaction, a
//! batch whose COMMIT was sent but not confirmed, never moves: only the server that received the COMMIT knows its outcome, so
//! the batch waits for that server.

use crate::rows::{Rows, no_backup};
use delivery::{Backend, BatchId, Receipt, StoreError, WriteBatch};
use tracing::warn;

/// One server.
pub(crate) trait Server: Send {
    /// Its address, for log lines.
    fn address(&self) -> &str;

    /// Connects unless connected, and checks the table that must exist at start-up.
    fn open(&mut self) -> Result<(), StoreError>;

    /// Writes the rows that the receipt does not list yet; connects if necessary.
    fn write(&mut self, batch: &WriteBatch, rows: &Rows<'_>, receipt: &mut Receipt) -> Result<(), StoreError>;

    /// The batch whose transaction is in doubt.
    fn in_doubt(&self) -> Option<BatchId>;

    /// Closes the connection.
    fn close(&mut self);
}

/// The server and its backup.
pub(crate) struct Servers<S> {
    primary: S,
    backup: Option<S>,
    /// The purge whose rows go to the backup.
    failover_purge: Option<u64>,
}

impl<S: Server> Servers<S> {
    pub(crate) fn new(primary: S, backup: Option<S>) -> Self {
        Self { primary, backup, failover_purge: None }
    }
}

impl<S: Server> Backend for Servers<S> {
    fn open(&mut self) -> Result<(), StoreError> {
        match (self.failover_purge, &mut self.backup) {
            // The primary is retried with the next purge, not before each batch of this one.
            (Some(_), Some(backup)) => backup.open(),
            (None, Some(backup)) => match self.primary.open() {
                Err(StoreError::Down(what)) => backup.open().map_err(|error| both_failed(what, error)),
                opened => opened,
            },
            (_, None) => self.primary.open(),
        }
    }

    fn deliver(&mut self, batch: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        let rows = Rows::read(&batch.body)
            .ok_or_else(|| StoreError::Batch("the batch does not contain rows".to_owned()))?;
        if self.failover_purge.is_some_and(|purge| purge != batch.purge) {
            self.failover_purge = None;
        }
        if rows.head.for_backup {
            return match &mut self.backup {
                Some(backup) => backup.write(batch, &rows, receipt),
                None => Err(no_backup()),
            };
        }
        let Some(backup) = &mut self.backup else {
            return self.primary.write(batch, &rows, receipt);
        };
        if self.failover_purge.is_some() {
            return backup.write(batch, &rows, receipt);
        }
        match self.primary.write(batch, &rows, receipt) {
            Err(StoreError::Down(what)) if self.primary.in_doubt() != Some(batch.id) => {
                warn!(
                    "{} cannot write batch {}, {} takes over for this purge: {what}",
                    self.primary.address(),
                    batch.id,
                    backup.address()
                );
                self.failover_purge = Some(batch.purge);
                backup.write(batch, &rows, receipt).map_err(|error| both_failed(what, error))
            }
            written => written,
        }
    }

    fn close(&mut self) {
        self.primary.close();
        if let Some(backup) = &mut self.backup {
            backup.close();
        }
    }
}

/// The error when the primary (`what`) and the backup have failed.
fn both_failed(what: String, backup: StoreError) -> StoreError {
    match backup {
        StoreError::Down(backup) => StoreError::Down(format!("{what}; sql_backup_host: {backup}")),
        StoreError::Configuration { what: backup, .. } => {
            StoreError::Configuration { key: "sql_backup_host", what: format!("{backup}; before: {what}") }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Builder, Head};
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    /// A server with scripted answers, which records its calls.
    struct Scripted {
        name: &'static str,
        answers: VecDeque<Result<(), StoreError>>,
        in_doubt: Option<BatchId>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Server for Scripted {
        fn address(&self) -> &str {
            self.name
        }
        fn open(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
        fn write(&mut self, batch: &WriteBatch, _: &Rows<'_>, _: &mut Receipt) -> Result<(), StoreError> {
            self.asked.lock().unwrap().push(format!("{}{}", self.name, batch.id.number));
            self.answers.pop_front().unwrap_or(Ok(()))
        }
        fn in_doubt(&self) -> Option<BatchId> {
            self.in_doubt
        }
        fn close(&mut self) {}
    }

    fn batch(number: u64, purge: u64) -> WriteBatch {
        batch_for(number, purge, false)
    }

    fn batch_for(number: u64, purge: u64, for_backup: bool) -> WriteBatch {
        let head = Head { table: "t".to_owned(), create: None, columns: Vec::new(), for_backup };
        let body = Builder::new(&head).take();
        WriteBatch { id: BatchId { run: 1, number }, purge, items: 0, sum: delivery::Sum::default(), body }
    }

    fn servers(
        answers: Vec<Result<(), StoreError>>,
        in_doubt: Option<BatchId>,
    ) -> (Servers<Scripted>, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let scripted = |name, answers, in_doubt| Scripted { name, answers, in_doubt, asked: Arc::clone(&asked) };
        let servers =
            Servers::new(scripted("p", answers.into(), in_doubt), Some(scripted("b", VecDeque::new(), None)));
        (servers, asked)
    }

    #[test]
    fn the_rest_of_a_purge_goes_to_the_backup() {
        let (mut servers, asked) = servers(vec![Ok(()), Err(StoreError::Down("gone".to_owned()))], None);
        for (number, purge) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
            servers.deliver(&batch(number, purge), &mut Receipt::new(0)).unwrap();
        }
        assert_eq!(*asked.lock().unwrap(), ["p1", "p2", "b2", "b3", "p4"]);
    }

    #[test]
    fn rows_for_the_backup_go_only_there() {
        let (mut servers, asked) = servers(Vec::new(), None);
        for (number, for_backup) in [(1, true), (2, false)] {
            servers.deliver(&batch_for(number, 1, for_backup), &mut Receipt::new(0)).unwrap();
        }
        assert_eq!(*asked.lock().unwrap(), ["b1", "p2"]);
        servers.backup = None;
        let answer = servers.deliver(&batch_for(3, 1, true), &mut Receipt::new(0));
        assert!(matches!(answer, Err(StoreError::Batch(_))), "{answer:?}");
    }

    #[test]
    fn an_in_doubt_transaction_does_not_move_to_the_backup() {
        let down = StoreError::Down("gone".to_owned());
        let in_doubt = batch(1, 1).id;
        let (mut servers, asked) = servers(vec![Err(down.clone()), Err(down.clone())], Some(in_doubt));
        assert_eq!(servers.deliver(&batch(1, 1), &mut Receipt::new(0)), Err(down));
        assert_eq!(servers.deliver(&batch(2, 1), &mut Receipt::new(0)), Ok(()));
        assert_eq!(*asked.lock().unwrap(), ["p1", "p2", "b2"]);
    }

    #[test]
    fn a_configuration_error_does_not_fail_over() {
        let wrong = StoreError::Configuration { key: "sql_table", what: "no".to_owned() };
        let (mut servers, asked) = servers(vec![Err(wrong.clone())], None);
        assert_eq!(servers.deliver(&batch(1, 1), &mut Receipt::new(0)), Err(wrong));
        assert_eq!(*asked.lock().unwrap(), ["p1"]);
    }
}
