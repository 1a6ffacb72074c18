//! A database server, and a second one that stands in for it.
//!
//! What fails at the primary server goes to the backup (`sql_backup_host`), and so does the rest of that purge. The next
//! purge begins at the primary again. Rows that are for the backup alone go to no other. One thing never moves: a parcel whose COMMIT was sent and not answered. Only
//! the server that it was sent to knows what became of it, so it waits there.

use crate::rows::{Rows, no_backup};
use delivery::{Backend, BatchId, Receipt, StoreError, WriteBatch};
use tracing::warn;

/// One server.
pub(crate) trait Server: Send {
    /// Its address, for messages.
    fn address(&self) -> &str;

    /// Connects unless connected, and checks the table that is known from the start.
    fn open(&mut self) -> Result<(), StoreError>;

    /// Writes what the receipt does not have yet; connects if need be.
    fn write(&mut self, parcel: &WriteBatch, rows: &Rows<'_>, receipt: &mut Receipt) -> Result<(), StoreError>;

    /// The parcel that may or may not have been committed.
    fn in_doubt(&self) -> Option<BatchId>;

    /// Ends the connection.
    fn close(&mut self);
}

/// The server and its backup.
pub(crate) struct Servers<S> {
    primary: S,
    backup: Option<S>,
    /// The purge whose rows go to the backup.
    away: Option<u64>,
}

impl<S: Server> Servers<S> {
    pub(crate) fn new(primary: S, backup: Option<S>) -> Self {
        Self { primary, backup, away: None }
    }
}

impl<S: Server> Backend for Servers<S> {
    fn open(&mut self) -> Result<(), StoreError> {
        match (self.away, &mut self.backup) {
            // The primary is asked again when a new purge comes, not before each parcel of this one.
            (Some(_), Some(backup)) => backup.open(),
            (None, Some(backup)) => match self.primary.open() {
                Err(StoreError::Down(what)) => backup.open().map_err(|fault| both(what, fault)),
                opened => opened,
            },
            (_, None) => self.primary.open(),
        }
    }

    fn deliver(&mut self, parcel: &WriteBatch, receipt: &mut Receipt) -> Result<(), StoreError> {
        let rows =
            Rows::read(&parcel.body).ok_or_else(|| StoreError::Batch("it is not one of rows".to_owned()))?;
        if self.away.is_some_and(|purge| purge != parcel.purge) {
            self.away = None;
        }
        if rows.head.for_backup {
            return match &mut self.backup {
                Some(backup) => backup.write(parcel, &rows, receipt),
                None => Err(no_backup()),
            };
        }
        let Some(backup) = &mut self.backup else {
            return self.primary.write(parcel, &rows, receipt);
        };
        if self.away.is_some() {
            return backup.write(parcel, &rows, receipt);
        }
        match self.primary.write(parcel, &rows, receipt) {
            Err(StoreError::Down(what)) if self.primary.in_doubt() != Some(parcel.id) => {
                warn!(
                    "{} does not take parcel {}, {} takes this purge: {what}",
                    self.primary.address(),
                    parcel.id,
                    backup.address()
                );
                self.away = Some(parcel.purge);
                backup.write(parcel, &rows, receipt).map_err(|fault| both(what, fault))
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

/// The fault of the backup, after one of the primary.
fn both(what: String, backup: StoreError) -> StoreError {
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

    /// A server that answers as told, and writes down what it was asked.
    struct Told {
        name: &'static str,
        answers: VecDeque<Result<(), StoreError>>,
        in_doubt: Option<BatchId>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Server for Told {
        fn address(&self) -> &str {
            self.name
        }
        fn open(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
        fn write(&mut self, parcel: &WriteBatch, _: &Rows<'_>, _: &mut Receipt) -> Result<(), StoreError> {
            self.asked.lock().unwrap().push(format!("{}{}", self.name, parcel.id.number));
            self.answers.pop_front().unwrap_or(Ok(()))
        }
        fn in_doubt(&self) -> Option<BatchId> {
            self.in_doubt
        }
        fn close(&mut self) {}
    }

    fn parcel(number: u64, purge: u64) -> WriteBatch {
        parcel_for(number, purge, false)
    }

    fn parcel_for(number: u64, purge: u64, for_backup: bool) -> WriteBatch {
        let head = Head { table: "t".to_owned(), create: None, columns: Vec::new(), for_backup };
        let body = Builder::new(&head).take();
        WriteBatch { id: BatchId { run: 1, number }, purge, items: 0, sum: delivery::Sum::default(), body }
    }

    fn servers(
        answers: Vec<Result<(), StoreError>>,
        in_doubt: Option<BatchId>,
    ) -> (Servers<Told>, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = |name, answers, in_doubt| Told { name, answers, in_doubt, asked: Arc::clone(&asked) };
        let servers = Servers::new(told("p", answers.into(), in_doubt), Some(told("b", VecDeque::new(), None)));
        (servers, asked)
    }

    #[test]
    fn the_rest_of_a_purge_goes_to_the_backup() {
        let (mut servers, asked) = servers(vec![Ok(()), Err(StoreError::Down("gone".to_owned()))], None);
        for (number, purge) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
            servers.deliver(&parcel(number, purge), &mut Receipt::new(0)).unwrap();
        }
        assert_eq!(*asked.lock().unwrap(), ["p1", "p2", "b2", "b3", "p4"]);
    }

    #[test]
    fn what_is_for_the_backup_goes_there_alone() {
        let (mut servers, asked) = servers(Vec::new(), None);
        for (number, for_backup) in [(1, true), (2, false)] {
            servers.deliver(&parcel_for(number, 1, for_backup), &mut Receipt::new(0)).unwrap();
        }
        assert_eq!(*asked.lock().unwrap(), ["b1", "p2"]);
        servers.backup = None;
        let answer = servers.deliver(&parcel_for(3, 1, true), &mut Receipt::new(0));
        assert!(matches!(answer, Err(StoreError::Batch(_))), "{answer:?}");
    }

    #[test]
    fn what_may_be_committed_does_not_move() {
        let down = StoreError::Down("gone".to_owned());
        let in_doubt = parcel(1, 1).id;
        let (mut servers, asked) = servers(vec![Err(down.clone()), Err(down.clone())], Some(in_doubt));
        assert_eq!(servers.deliver(&parcel(1, 1), &mut Receipt::new(0)), Err(down));
        assert_eq!(servers.deliver(&parcel(2, 1), &mut Receipt::new(0)), Ok(()));
        assert_eq!(*asked.lock().unwrap(), ["p1", "p2", "b2"]);
    }

    #[test]
    fn a_wrong_configuration_is_told_rather_than_avoided() {
        let wrong = StoreError::Configuration { key: "sql_table", what: "no".to_owned() };
        let (mut servers, asked) = servers(vec![Err(wrong.clone())], None);
        assert_eq!(servers.deliver(&parcel(1, 1), &mut Receipt::new(0)), Err(wrong));
        assert_eq!(*asked.lock().unwrap(), ["p1"]);
    }
}
