//! `pre_tag_map`: tags and labels.

use crate::read::Reader;
use crate::spec::{CoreSpec, PluginSpec};
use crate::step::{Batch, CompiledStep, Step, Target, WorkerStep};
use config::Diagnostics;
use flow::row::FieldSet;
use maps::pre_tag::{self, PreTagMap, Scratch};
use maps::usage::Usage;
use std::sync::Arc;

/// Several plugins may share a map.
#[derive(Debug)]
struct Tags(Arc<PreTagMap>);

/// The map for all rows.
pub(super) fn read(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let map = reader.tags(spec.tags.as_deref()?)?;
    Some(Box::new(Tags(map)))
}

/// A plugin's own map.
pub(super) fn read_own(spec: &PluginSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let map = reader.tags(spec.tags.as_deref()?)?;
    Some(Box::new(Tags(map)))
}

impl Step for Tags {
    fn require(&self, fields: &mut FieldSet) {
        self.0.require(fields);
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        Some(Arc::new(Compiled(self.0.compile(target.layout, target.packets))))
    }

    fn tells_records_apart(&self) -> bool {
        self.0.compares_records()
    }

    fn review(&self, problems: &mut Diagnostics) {
        self.0.review(problems);
    }
}

#[derive(Debug)]
struct Compiled(pre_tag::Compiled);

impl CompiledStep for Compiled {
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep> {
        Box::new(Worker { shared: self, scratch: Scratch::default() })
    }

    fn usage(&self) -> Option<&Usage> {
        Some(self.0.usage())
    }
}

#[derive(Debug)]
struct Worker {
    shared: Arc<Compiled>,
    scratch: Scratch,
}

impl WorkerStep for Worker {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        let Compiled(map) = &*self.shared;
        let scope = map.scope(batch.exporter, &mut self.scratch);
        let rows = (&mut *batch.rows, batch.first);
        map.apply_all(scope, rows, batch.strings, &mut batch.packets, &mut self.scratch);
    }

    fn forget_strings(&mut self) {
        self.scratch.forget_strings();
    }
}
