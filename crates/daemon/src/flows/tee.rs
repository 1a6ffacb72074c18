//! The tee plugins of a daemon: what their receivers are, and the sockets to them until workers have them.
//!
//! The pipeline knows them as [`Replication`]s. So a program whose row does not name tee ([`ReadTee`]) does not contain it.

use super::pipeline::TeePlan;
use super::worker::{Selection, TeeSlot};
use config::keys::core;
use config::{Diagnostics, Plugin};
use enrich::{Context, Stage};
use plugins::tee::{Rule, Settings, use_tags};
use runtime::log::Identity;
use runtime::threads::Threads;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tee::Replicator;
use tee::pool::Pools;
use tracing::warn;

/// Reads the settings of a tee plugin. `None` with a fatal problem.
pub(crate) type ReadTee = fn(&Plugin, &mut Diagnostics) -> Option<Box<dyn Replication>>;

/// The plugin that replicates datagrams. The methods are called in the order of their declaration.
pub(crate) trait Replication {
    /// The plugin's name.
    fn name(&self) -> &str;

    /// `tee_receivers`.
    fn receivers(&self) -> PathBuf;

    /// Reads the file of receivers.
    fn read_receivers(&mut self, context: &Context, problems: &mut Diagnostics);

    /// Opens the sockets of all workers.
    ///
    /// # Errors
    /// The message, with the key.
    fn open(&mut self, workers: usize) -> Result<(), String>;

    /// What its receivers want.
    fn plan(&self) -> TeePlan;

    /// Starts its threads, if it has any.
    ///
    /// # Errors
    /// The kernel allows no more threads.
    fn start(&self, threads: &Threads) -> io::Result<()>;

    /// The slot of the next worker.
    fn slot(&mut self, stage: Option<Stage>, selection: Selection) -> Option<TeeSlot>;

    /// What reads the file again, in the thread of a reload.
    fn rereader(&self) -> Box<dyn Rereader>;
}

/// Reads receivers again.
pub(crate) trait Rereader: Send {
    /// Reads the file. Errors are added to `problems`; receivers whose name cannot be resolved are skipped and reported.
    fn reread(&self, context: &Context, problems: &mut Diagnostics) -> Box<dyn Reread>;
}

/// Receivers that were read again.
pub(crate) trait Reread: Send {
    /// What they want.
    fn plan(&self) -> TeePlan;

    /// Starts what they need and what does not run yet.
    ///
    /// # Errors
    /// The message.
    fn start(&self, threads: &Threads) -> Result<(), String>;

    /// Resolves their names from now on.
    fn follow(&self);
}

/// The row of tee.
pub(crate) const TEE: ReadTee = |plugin, problems| {
    let settings = Settings::read(plugin, problems)?;
    let identity = Identity::new(&settings.name, "tee").debug(plugin.get(&core::DEBUG));
    Some(Box::new(Tee { settings, identity, rules: Vec::new(), replicators: Vec::new() }))
};

struct Tee {
    settings: Settings,
    identity: Identity,
    /// Its file of receivers.
    rules: Vec<Rule>,
    /// One for each worker, in reverse order.
    replicators: Vec<Replicator>,
}

fn warn_of(problems: &[String], settings: &Settings) {
    problems.iter().for_each(|problem| warn!("tee_receivers[{}]: {problem}", settings.name));
}

impl Replication for Tee {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn receivers(&self) -> PathBuf {
        self.settings.receivers.clone()
    }

    fn read_receivers(&mut self, context: &Context, problems: &mut Diagnostics) {
        self.rules = self.settings.read_receivers(context, problems);
    }

    fn open(&mut self, workers: usize) -> Result<(), String> {
        let (pools, problems) = self.settings.resolve(&self.rules);
        warn_of(&problems, &self.settings);
        self.settings.follow(&self.rules, &pools);
        let replicators = (0..workers).rev().map(|worker| self.settings.open(&pools, worker));
        self.replicators = replicators.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn plan(&self) -> TeePlan {
        TeePlan { pools: None, use_tags: use_tags(&self.rules), selection: Selection::default() }
    }

    fn start(&self, threads: &Threads) -> io::Result<()> {
        self.settings.start(&self.rules, threads, &self.identity)
    }

    fn slot(&mut self, stage: Option<Stage>, selection: Selection) -> Option<TeeSlot> {
        let replicator = self.replicators.pop()?;
        Some(TeeSlot::new(replicator, self.settings.changes(), selection, stage, self.identity.clone()))
    }

    fn rereader(&self) -> Box<dyn Rereader> {
        Box::new(Again { settings: self.settings.clone(), identity: self.identity.clone() })
    }
}

struct Again {
    settings: Settings,
    identity: Identity,
}

impl Rereader for Again {
    fn reread(&self, context: &Context, problems: &mut Diagnostics) -> Box<dyn Reread> {
        let rules = self.settings.read_receivers(context, problems);
        let (pools, unresolved) = self.settings.resolve(&rules);
        warn_of(&unresolved, &self.settings);
        Box::new(Read { settings: self.settings.clone(), identity: self.identity.clone(), rules, pools })
    }
}

struct Read {
    settings: Settings,
    identity: Identity,
    rules: Vec<Rule>,
    pools: Arc<Pools>,
}

impl Reread for Read {
    fn plan(&self) -> TeePlan {
        let use_tags = self.pools.use_tags();
        TeePlan { pools: Some(Arc::clone(&self.pools)), use_tags, selection: Selection::default() }
    }

    fn start(&self, threads: &Threads) -> Result<(), String> {
        let started = self.settings.start(&self.rules, threads, &self.identity);
        started.map_err(|error| format!("tee_receivers[{}]: cannot start a thread: {error}", self.settings.name))
    }

    fn follow(&self) {
        self.settings.follow(&self.rules, &self.pools);
    }
}
