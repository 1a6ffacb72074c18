//! The tee plugins of a daemon: what their receivers are, and the sockets to them until workers have them.

use super::pipeline::TeePlan;
use super::worker::{Selection, TeeSlot};
use config::Diagnostics;
use enrich::{Context, Stage};
use plugins::tee::{Rule, Settings, use_tags};
use runtime::log::Identity;
use std::sync::Arc;
use tee::Replicator;
use tracing::warn;

/// A tee plugin.
pub(super) struct Tee {
    pub(super) settings: Settings,
    pub(super) debug: bool,
    /// Its file of receivers.
    rules: Vec<Rule>,
    /// One for each worker, in reverse order.
    replicators: Vec<Replicator>,
}

impl Tee {
    /// Reads the file of receivers.
    pub(super) fn read(settings: Settings, debug: bool, context: &Context, problems: &mut Diagnostics) -> Self {
        let rules = settings.read_receivers(context, problems);
        Self { settings, debug, rules, replicators: Vec::new() }
    }

    /// What its receivers want, before sockets are opened.
    pub(super) fn plan(&self) -> TeePlan {
        TeePlan { pools: None, use_tags: use_tags(&self.rules), selection: Selection::default() }
    }

    /// Opens the sockets of all workers.
    ///
    /// # Errors
    /// The message, with the key.
    pub(super) fn open(&mut self, workers: usize) -> Result<(), String> {
        let (pools, problems) = self.settings.resolve(&self.rules);
        problems.iter().for_each(|problem| warn!("tee_receivers[{}]: {problem}", self.settings.name));
        let replicators = (0..workers).rev().map(|worker| self.settings.open(&pools, worker));
        self.replicators = replicators.collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::new(&self.settings.name, "tee").debug(self.debug)
    }

    /// The slot of the next worker.
    pub(super) fn slot(&mut self, stage: Option<Stage>, selection: Selection) -> Option<TeeSlot> {
        let replicator = self.replicators.pop()?;
        Some(TeeSlot::new(replicator, selection, stage, self.identity()))
    }
}

/// Reads the receivers of a plugin again, in the thread of a reload. Errors are added to `problems`; receivers whose name cannot be resolved
/// are left out, and reported.
pub(super) fn reread(settings: &Settings, context: &Context, problems: &mut Diagnostics) -> TeePlan {
    let rules = settings.read_receivers(context, problems);
    let (pools, unresolved) = settings.resolve(&rules);
    unresolved.iter().for_each(|problem| warn!("tee_receivers[{}]: {problem}", settings.name));
    TeePlan { pools: Some(Arc::clone(&pools)), use_tags: pools.use_tags(), selection: Selection::default() }
}
