//! The kinds of plugins: a row for each, and what the daemon asks of a plugin between its settings and its thread.
//!
//! A daemon knows rows alone. A kind that needs a cargo feature which this build lacks, or that is not written yet, has a row
//! without [`Kind::read`]: the daemon says so where such a plugin is configured.

mod memory;
mod print;
mod store;

use crate::outlet::Inlet;
use config::keys::print::PRINT_CACHE_ENTRIES;
use config::{Diagnostics, Plugin, PluginKind};
use daemons::Daemons;
use delivery::StoreError;
use encode::names::Lookup;
use flow::schema::Schema;
use foldhash::fast::RandomState;
use runtime::confine::Access;
use runtime::log::Identity;
use runtime::threads::Threads;
use stats::Counters;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What a plugin takes from the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Tables of aggregates, at its own times.
    Tables,
    /// Flow records, one by one: `nfprobe` and `sfprobe`.
    FlowRecords,
    /// Datagrams as they came: `tee`.
    Datagrams,
}

/// Reads the settings of a plugin. What keeps it from starting is a fatal problem.
pub type Read = fn(&Plugin, &mut Diagnostics) -> Box<dyn Sink>;

/// A kind of plugins.
pub struct Kind {
    /// Its word in the configuration.
    pub is: PluginKind,
    /// Its line in the text of `-V`.
    pub title: &'static str,
    /// The cargo feature that it needs.
    pub feature: Option<&'static str>,
    /// Where it can run.
    pub daemons: Daemons,
    /// What it takes.
    pub takes: Takes,
    /// Whether its aggregates have time bins (`print_history`).
    pub bins: bool,
    /// Files that it needs beside those of every plugin.
    pub access: fn(&Plugin, &mut Access),
    /// The names that it fills with variables.
    pub names: fn(&Plugin) -> Vec<Named>,
    /// `None`: it is not part of this build.
    pub read: Option<Read>,
}

/// A name with variables: the key, the text, and the variables that it may have.
pub type Named = (&'static str, Option<String>, Lookup);

const TABLES: Kind = Kind {
    is: PluginKind::Print,
    title: "print",
    feature: None,
    daemons: Daemons::FLOW,
    takes: Takes::Tables,
    bins: true,
    access: |_, _| (),
    names: |_| Vec::new(),
    read: None,
};

/// A kind that is declared, and not written yet.
const fn planned(is: PluginKind, title: &'static str, daemons: Daemons, takes: Takes) -> Kind {
    Kind { is, title, daemons, takes, ..TABLES }
}

/// Every kind, in the order of `-V`.
pub static KINDS: &[Kind] = &[
    Kind {
        is: PluginKind::Memory,
        title: "memory",
        bins: false,
        access: memory::access,
        read: Some(memory::read),
        ..TABLES
    },
    Kind { access: print::access, names: print::names, read: Some(print::read), ..TABLES },
    Kind { is: PluginKind::Mysql, title: "mysql", ..store::DATABASE },
    Kind { is: PluginKind::Pgsql, title: "postgresql", ..store::DATABASE },
    Kind { is: PluginKind::Sqlite3, title: "sqlite", access: store::sqlite_access, ..store::DATABASE },
    Kind { is: PluginKind::Clickhouse, title: "clickhouse", ..store::DATABASE },
    Kind {
        is: PluginKind::Amqp,
        title: "amqp",
        feature: Some("amqp"),
        names: store::amqp_names,
        read: store::AMQP,
        ..TABLES
    },
    Kind {
        is: PluginKind::Kafka,
        title: "kafka",
        feature: Some("kafka"),
        names: store::kafka_names,
        read: store::KAFKA,
        ..TABLES
    },
    planned(PluginKind::Nfprobe, "nfprobe", Daemons::PACKETS, Takes::FlowRecords),
    planned(PluginKind::Sfprobe, "sfprobe", Daemons::PACKETS, Takes::FlowRecords),
    planned(PluginKind::Tee, "tee", Daemons::COLLECTORS, Takes::Datagrams),
];

/// The row of a kind among those that a daemon has.
pub fn find(kinds: &'static [Kind], is: PluginKind) -> Option<&'static Kind> {
    kinds.iter().find(|kind| kind.is == is)
}

impl Kind {
    /// Why plugins of this kind cannot run in a daemon.
    pub fn unavailable(&self, daemon: config::Daemon) -> String {
        if !self.daemons.contains(daemon) {
            let names: Vec<&str> = self.daemons.iter().map(config::Daemon::name).collect();
            return format!("is one of {} only", names.join(" and "));
        }
        match self.feature {
            Some(_) => "is not built into this program; -V lists its plugins".to_owned(),
            None => "is not implemented in this version yet".to_owned(),
        }
    }
}

/// Something that one plugin alone can write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The key that names it.
    pub key: &'static str,
    /// Its path, as it was written.
    pub path: PathBuf,
    /// How it is written to.
    pub how: Owning,
}

/// How a plugin writes to what it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owning {
    /// It is a socket.
    Socket,
    /// Each time it is written the file is another one.
    Overwrites,
    /// What is in the file stays.
    Appends,
}

/// What a plugin's thread works with.
pub struct Running {
    /// The name of the plugin.
    pub name: String,
    /// As what it logs.
    pub identity: Identity,
    /// What its tables hold.
    pub schema: Arc<Schema>,
    /// One for all tables of the daemon, so that they can be merged.
    pub hash: RandomState,
    /// Where tables come from.
    pub inlet: Inlet,
    /// What it counts.
    pub counters: Counters,
    /// Where its threads start.
    pub threads: Threads,
}

/// A plugin between its settings and its thread. The methods are called in the order in which they stand here; `--check` ends with
/// [`Sink::check_columns`].
pub trait Sink {
    /// Whether what its store does not take waits on disk.
    fn spools(&self) -> bool {
        false
    }

    /// Whether its settings can be used, as far as that shows before anything is opened.
    ///
    /// # Errors
    /// The key, and what is wrong.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What it alone can write to.
    fn owns(&self) -> Vec<Owned> {
        Vec::new()
    }

    /// Nobody waits for the end of the input, which is a file: the end may take as long as something is written.
    fn be_patient(&mut self) {}

    /// Whether it can show all columns of its tables.
    ///
    /// # Errors
    /// The message, with the key.
    fn check_columns(&self, _schema: &Schema) -> Result<(), String> {
        Ok(())
    }

    /// Opens what may take the rights that the daemon starts with.
    ///
    /// # Errors
    /// The message, with the key.
    fn open(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Opens the rest, after the change of user.
    ///
    /// # Errors
    /// The message, with the key.
    fn set_up(&mut self, _schema: &Schema) -> Result<(), String> {
        Ok(())
    }

    /// Tries what its thread will do first, for a dry run.
    ///
    /// # Errors
    /// The message, with the key.
    fn try_out(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Starts its threads.
    ///
    /// # Errors
    /// The kernel allows no more threads.
    fn start(self: Box<Self>, running: Running) -> io::Result<()>;
}

/// `print_cache_entries` as a number of aggregates; without it, memory alone bounds tables.
pub fn max_aggregates(plugin: &Plugin) -> usize {
    match plugin.origin_of(&PRINT_CACHE_ENTRIES).is_some() {
        true => plugin.get(&PRINT_CACHE_ENTRIES) as usize * crate::print::PER_CACHE_ENTRY,
        false => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_one_row() {
        for is in PluginKind::all() {
            assert_eq!(KINDS.iter().filter(|kind| kind.is == is).count(), 1, "{}", is.word());
        }
    }

    #[test]
    fn unavailable_plugins_are_reported_with_the_reason() {
        let why = |is, daemon| find(KINDS, is).unwrap().unavailable(daemon);
        let nfacctd = config::Daemon::Nfacctd;
        assert_eq!(why(PluginKind::Nfprobe, nfacctd), "is one of pmacctd and uacctd alone");
        assert_eq!(why(PluginKind::Tee, config::Daemon::Uacctd), "is one of nfacctd and sfacctd alone");
        assert_eq!(why(PluginKind::Tee, nfacctd), "is not implemented in this version yet");
        assert!(why(PluginKind::Kafka, nfacctd).starts_with("was left out when this program was built"));
    }
}
