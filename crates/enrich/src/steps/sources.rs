//! `bgp_peer_src_as_map`, `bgp_src_local_pref_map`, `bgp_src_med_map`: what routes do not say about the source of traffic.
//!
//! The first rule that matches gives the value; `id=bgp` leaves it to the route to the source, which was looked up before. Without a
//! rule it is 0.

use super::put;
use crate::read::Reader;
use crate::spec::{CoreSpec, SourceMapSpec};
use crate::step::{Batch, CompiledStep, Step, Target, WorkerStep};
use config::Diagnostics;
use flow::field::Field;
use flow::row::FieldSet;
use maps::by_exporter::Values;
use maps::matcher::MatchBatch;
use maps::routes::{SourceMap, SourceValue};
use maps::usage::Usage;
use std::sync::Arc;

#[derive(Debug)]
struct SourceValues {
    map: SourceMap,
    field: Field,
    correlated: bool,
}

pub(super) fn read_peer_src_as(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    read("bgp_peer_src_as_map", &spec.routes.peer_src_as, Field::PeerSrcAs, spec, reader)
}

pub(super) fn read_src_local_pref(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    read("bgp_src_local_pref_map", &spec.routes.src_local_pref, Field::SrcLocalPref, spec, reader)
}

pub(super) fn read_src_med(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    read("bgp_src_med_map", &spec.routes.src_med, Field::SrcMed, spec, reader)
}

fn read(
    key: &'static str,
    map: &SourceMapSpec,
    field: Field,
    spec: &CoreSpec,
    reader: &mut Reader<'_>,
) -> Option<Box<dyn Step>> {
    let read = reader.map(key, map.file.as_deref()?, SourceMap::parse, SourceMap::len)?;
    let correlated = spec.routes.correlated;
    map.is_used.then(|| Box::new(SourceValues { map: read, field, correlated }) as _)
}

impl Step for SourceValues {
    fn require(&self, fields: &mut FieldSet) {
        if fields.has(self.field) {
            self.map.require(fields);
        }
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let at = target.layout.offset(self.field)?;
        let map = self.map.compile_for(target.layout, target.packets);
        Some(Arc::new(Compiled { map, at, correlated: self.correlated }))
    }

    fn review(&self, problems: &mut Diagnostics) {
        self.map.review(problems);
    }
}

#[derive(Debug)]
struct Compiled {
    map: Values<SourceValue>,
    at: usize,
    correlated: bool,
}

impl CompiledStep for Compiled {
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep> {
        Box::new(Worker { shared: self, batch: MatchBatch::default(), values: Vec::new() })
    }

    fn usage(&self) -> Option<&Usage> {
        Some(self.map.usage())
    }
}

#[derive(Debug)]
struct Worker {
    shared: Arc<Compiled>,
    batch: MatchBatch,
    /// By row of the batch.
    values: Vec<Option<SourceValue>>,
}

impl WorkerStep for Worker {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        let Compiled { map, at, correlated } = &*self.shared;
        let scope = map.scope(batch.exporter);
        let values = &mut self.values;
        values.clear();
        values.resize(batch.rows.len().saturating_sub(batch.first), None);
        let rows = (&*batch.rows, batch.first);
        map.find_all(scope, rows, batch.strings, &mut batch.packets, &mut self.batch, |row, value| {
            if let Some(slot) = values.get_mut(row) {
                *slot = Some(value);
            }
        });
        for (mut row, value) in batch.rows.iter_mut_from(batch.first).zip(values) {
            let number = match value {
                Some(SourceValue::Number(number)) => *number,
                Some(SourceValue::Route) if *correlated => continue,
                Some(SourceValue::Route) | None => 0,
            };
            put(row.bytes(), Some(*at), &number.to_be_bytes());
        }
    }
}
