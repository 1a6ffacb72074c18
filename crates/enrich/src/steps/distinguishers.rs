//! `flow_to_rd_map`: the route distinguisher of flows.

use super::put;
use crate::read::Reader;
use crate::spec::CoreSpec;
use crate::step::{Batch, CompiledStep, Step, Target, WorkerStep};
use config::Diagnostics;
use flow::field::Field;
use flow::kind::RdOrigin;
use flow::row::FieldSet;
use maps::by_exporter::{FlowToRdMap, Values};
use maps::usage::Usage;
use std::sync::Arc;

#[derive(Debug)]
struct Distinguishers(FlowToRdMap);

pub(super) fn read(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let path = spec.distinguishers.as_deref()?;
    let map = reader.map("flow_to_rd_map", path, FlowToRdMap::parse, FlowToRdMap::len)?;
    Some(Box::new(Distinguishers(map)))
}

impl Step for Distinguishers {
    fn require(&self, fields: &mut FieldSet) {
        if fields.has(Field::MplsVpnRd) {
            self.0.require(fields);
        }
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let at = target.layout.offset(Field::MplsVpnRd)?;
        let origin_at = target.layout.offset(Field::MplsVpnRdOrigin);
        Some(Arc::new(Compiled { map: self.0.compile(target.layout), at, origin_at }))
    }

    fn review(&self, problems: &mut Diagnostics) {
        self.0.review(problems);
    }
}

#[derive(Debug)]
struct Compiled {
    map: Values<[u8; 8]>,
    at: usize,
    origin_at: Option<usize>,
}

impl CompiledStep for Compiled {
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep> {
        Box::new(Worker(self))
    }

    fn usage(&self) -> Option<&Usage> {
        Some(self.map.usage())
    }
}

#[derive(Debug)]
struct Worker(Arc<Compiled>);

impl WorkerStep for Worker {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        let Compiled { map, at, origin_at } = &*self.0;
        let scope = map.scope(batch.exporter);
        for mut row in batch.rows.iter_mut_from(batch.first) {
            if let Some(distinguisher) = map.find(scope, row.as_row(), batch.strings) {
                put(row.bytes(), Some(*at), &distinguisher);
                put(row.bytes(), *origin_at, &[RdOrigin::MAP.0]);
            }
        }
    }
}
