//! The kinds of plugins: a row for each, and the interface between a daemon and a plugin before its thread starts.
//!
//! A daemon has the kinds that its row lists, and knows nothing else about them. A kind that needs a cargo feature which this build lacks, or that is not implemented yet, has a row
//! without [`Kind::read`]: the daemon reports such a plugin in the configuration.

mod memory;
mod print;
mod probe;
mod store;

use crate::outlet::Inlet;
use crate::probe::{Nfprobe, Sfprobe, packets};
use ::probe::Sampler;
use config::keys::print::PRINT_CACHE_ENTRIES;
use config::{Diagnostics, Plugin, PluginKind};
use delivery::StoreError;
use encode::names::Lookup;
use flow::schema::{Options, Schema, Selection};
use foldhash::fast::RandomState;
use runtime::confine::Access;
use runtime::log::Identity;
use runtime::threads::Threads;
use stats::Counters;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The input of a plugin from the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Tables of aggregates, at its own times.
    Tables,
    /// Packets: `sfprobe`.
    Packets,
    /// Datagrams as received: `tee`, which has no sink. Workers send what it replicates ([`crate::tee`]).
    Datagrams,
}

/// Reads the settings of a plugin. Problems that prevent its start are fatal.
pub type Read = fn(&Plugin, &mut Diagnostics) -> Box<dyn Sink>;

/// A kind of plugins.
pub struct Kind {
    /// Its name in the configuration.
    pub is: PluginKind,
    /// Its line in the text of `-V`.
    pub title: &'static str,
    /// The cargo feature that it needs.
    pub feature: Option<&'static str>,
    /// Its input.
    pub takes: Takes,
    /// Whether its aggregates have time bins (`print_history`).
    pub bins: bool,
    /// Files that it needs in addition to those of every plugin.
    pub access: fn(&Plugin, &mut Access),
    /// Its names with variables.
    pub names: fn(&Plugin) -> Vec<Named>,
    /// Adds the primitives and options that its tables need beyond the configured ones.
    pub shape: fn(&Plugin, &mut Selection, &mut Options),
    /// `None`: it is not part of this build, or has no sink.
    pub read: Option<Read>,
}

/// A name with variables: the key, the text, and the variables that it may have.
pub type Named = (&'static str, Option<String>, Lookup);

const TABLES: Kind = Kind {
    is: PluginKind::Print,
    title: "print",
    feature: None,
    takes: Takes::Tables,
    bins: true,
    access: |_, _| (),
    names: |_| Vec::new(),
    shape: |_, _, _| (),
    read: None,
};

/// The plugin `memory`.
pub static MEMORY: Kind = Kind {
    is: PluginKind::Memory,
    title: "memory",
    bins: false,
    access: memory::access,
    read: Some(memory::read),
    ..TABLES
};

/// The plugin `print`.
pub static PRINT: Kind = Kind { access: print::access, names: print::names, read: Some(print::read), ..TABLES };

/// The plugin `mysql`.
pub static MYSQL: Kind = Kind { is: PluginKind::Mysql, title: "mysql", ..store::DATABASE };

/// The plugin `pgsql`.
pub static PGSQL: Kind = Kind { is: PluginKind::Pgsql, title: "postgresql", ..store::DATABASE };

/// The plugin `sqlite3`.
pub static SQLITE3: Kind =
    Kind { is: PluginKind::Sqlite3, title: "sqlite", access: store::sqlite_access, ..store::DATABASE };

/// The plugin `clickhouse`.
pub static CLICKHOUSE: Kind = Kind { is: PluginKind::Clickhouse, title: "clickhouse", ..store::DATABASE };

/// The plugin `amqp`.
pub static AMQP: Kind = Kind {
    is: PluginKind::Amqp,
    title: "amqp",
    feature: Some("amqp"),
    names: store::amqp_names,
    read: store::AMQP,
    ..TABLES
};

/// The plugin `kafka`.
pub static KAFKA: Kind = Kind {
    is: PluginKind::Kafka,
    title: "kafka",
    feature: Some("kafka"),
    names: store::kafka_names,
    read: store::KAFKA,
    ..TABLES
};

/// The plugin `nfprobe`.
pub static NFPROBE: Kind = Kind {
    is: PluginKind::Nfprobe,
    title: "nfprobe",
    bins: false,
    shape: Nfprobe::shape,
    read: Some(probe::nfprobe),
    ..TABLES
};

/// The plugin `sfprobe`.
pub static SFPROBE: Kind = Kind {
    is: PluginKind::Sfprobe,
    title: "sfprobe",
    takes: Takes::Packets,
    bins: false,
    shape: Sfprobe::shape,
    read: Some(probe::sfprobe),
    ..TABLES
};

/// The plugin `tee`.
pub static TEE: Kind = Kind { is: PluginKind::Tee, title: "tee", takes: Takes::Datagrams, bins: false, ..TABLES };

/// Finds the row of a kind among a daemon's.
pub fn find(kinds: &[&'static Kind], is: PluginKind) -> Option<&'static Kind> {
    kinds.iter().copied().find(|kind| kind.is == is)
}

/// Why a plugin cannot run in a daemon, whose row of it is `kind`.
pub fn unavailable(is: PluginKind, kind: Option<&Kind>) -> String {
    match kind {
        None => {
            let names: Vec<&str> = is.daemons().iter().map(config::Daemon::name).collect();
            format!("is available only in {}", names.join(" and "))
        }
        Some(Kind { feature: Some(_), .. }) => "is not built into this program; -V lists its plugins".to_owned(),
        Some(_) => "is not implemented in this version yet".to_owned(),
    }
}

impl Kind {
    /// Whether this build has it.
    pub fn is_built_in(&self) -> bool {
        self.read.is_some() || self.takes == Takes::Datagrams
    }
}

/// An output with a single writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The key that names it.
    pub key: &'static str,
    /// Its path, as configured.
    pub path: PathBuf,
    /// How it is written to.
    pub how: Owning,
}

/// How a plugin writes to an output that it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owning {
    /// It is a socket.
    Socket,
    /// The file is replaced by each write.
    Overwrites,
    /// Existing content stays.
    Appends,
}

/// The context of a plugin's thread.
pub struct Running {
    /// The name of the plugin.
    pub name: String,
    /// Its identity in the log.
    pub identity: Identity,
    /// The schema of its tables.
    pub schema: Arc<Schema>,
    /// One for all tables of the daemon, so that they can be merged.
    pub hash: RandomState,
    /// Where tables come from.
    pub inlet: Inlet,
    /// Where samples of packets come from, if it has a sampler.
    pub packets: Option<packets::Inlet>,
    /// Its counters.
    pub counters: Counters,
    /// Where its threads start.
    pub threads: Threads,
}

/// A plugin between its settings and its thread. The methods are called in the order of their declaration; `--check` ends with
/// [`Sink::check_columns`].
pub trait Sink {
    /// Whether write batches wait on disk while its store is down.
    fn spools(&self) -> bool {
        false
    }

    /// Checks its settings, as far as possible before anything is opened.
    ///
    /// # Errors
    /// The key, and the problem.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Outputs with this plugin as single writer.
    fn owns(&self) -> Vec<Owned> {
        Vec::new()
    }

    /// The input is a file: shutdown may take as long as writing makes progress.
    fn be_patient(&mut self) {}

    /// Checks that it can show all columns of its tables.
    ///
    /// # Errors
    /// The message, with the key.
    fn check_columns(&self, _schema: &Schema) -> Result<(), String> {
        Ok(())
    }

    /// Opens what may need the initial privileges.
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

    /// Tries the first steps of its thread, for a dry run.
    ///
    /// # Errors
    /// The message, with the key.
    fn try_out(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// The encoder of the samples that it takes, for rows of the layout that the schema was made for.
    fn sampler(&self, _schema: &Schema) -> Option<Sampler> {
        None
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
    fn unavailable_plugins_are_reported_with_the_reason() {
        assert_eq!(unavailable(PluginKind::Nfprobe, None), "is available only in pmacctd and uacctd");
        assert_eq!(unavailable(PluginKind::Tee, None), "is available only in nfacctd and sfacctd");
        assert!(unavailable(PluginKind::Kafka, Some(&KAFKA)).starts_with("is not built into this program"));
    }
}
