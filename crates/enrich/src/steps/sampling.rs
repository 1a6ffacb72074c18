//! Sampling intervals, and the multiplication of counters by them.

use super::{multiply, put, read_at};
use crate::read::Reader;
use crate::spec::{CoreSpec, PluginSpec};
use crate::step::{Batch, CompiledStep, StatelessStep, Step, Target};
use config::Diagnostics;
use flow::field::Field;
use flow::row::{FieldSet, RowMut};
use maps::by_exporter::{SamplingMap, Values};
use maps::usage::Usage;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Sampling intervals that override those of the decoder: from `sampling_map`, or one for all records.
#[derive(Debug)]
struct Sampling {
    map: Option<SamplingMap>,
    /// `nfacctd_ext_sampling_rate`.
    interval: Option<u32>,
    renormalize: bool,
}

pub(super) fn read(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let map = spec
        .sampling
        .as_deref()
        .and_then(|path| reader.map("sampling_map", path, SamplingMap::parse, SamplingMap::len));
    let is_needed = map.is_some() || spec.interval.is_some();
    is_needed.then(|| Box::new(Sampling { map, interval: spec.interval, renormalize: spec.renormalize }) as _)
}

impl Step for Sampling {
    fn require(&self, fields: &mut FieldSet) {
        fields.insert(Field::SamplingRate);
        if let Some(map) = &self.map {
            map.require(fields);
        }
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        Some(Arc::new(Compiled {
            map: self.map.as_ref().map(|map| map.compile(target.layout)),
            interval: self.interval,
            renormalize: self.renormalize,
            at: target.layout.offset(Field::SamplingRate),
        }))
    }

    fn review(&self, problems: &mut Diagnostics) {
        if let Some(map) = &self.map {
            map.review(problems);
        }
    }
}

#[derive(Debug)]
struct Compiled {
    map: Option<Values<u32>>,
    interval: Option<u32>,
    renormalize: bool,
    at: Option<usize>,
}

impl Compiled {
    /// The interval from the map, otherwise the configured one for all, otherwise that of the record.
    fn sample(&self, row: &mut RowMut<'_>, by_map: Option<u32>) {
        let by_record = || read_at(row.bytes(), self.at).map(u32::from_be_bytes).filter(|interval| *interval > 0);
        let Some(interval) = by_map.or(self.interval).or_else(by_record) else { return };
        if self.renormalize {
            multiply(row, interval);
        }
        let shown = if self.renormalize { 1 } else { interval };
        put(row.bytes(), self.at, &shown.to_be_bytes());
    }
}

impl CompiledStep for Compiled {
    fn start(self: Arc<Self>) -> Box<dyn crate::step::WorkerStep> {
        Box::new(Worker(self))
    }

    fn usage(&self) -> Option<&Usage> {
        self.map.as_ref().map(Values::usage)
    }
}

#[derive(Debug)]
struct Worker(Arc<Compiled>);

impl crate::step::WorkerStep for Worker {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        let step = &*self.0;
        let map = step.map.as_ref().map(|map| (map, map.scope(batch.exporter)));
        for mut row in batch.rows.iter_mut_from(batch.first) {
            let by_map = map.and_then(|(map, scope)| map.find(scope, row.as_row(), batch.strings));
            step.sample(&mut row, by_map);
        }
    }
}

/// `sampling_rate` of a plugin: the selected rows represent the others.
#[derive(Debug)]
struct Renormalization {
    interval: NonZeroU32,
    renormalize: bool,
}

pub(super) fn read_renormalization(spec: &PluginSpec, _reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let interval = spec.sampling?;
    Some(Box::new(Renormalization { interval, renormalize: spec.renormalize }))
}

impl Step for Renormalization {
    fn require(&self, _fields: &mut FieldSet) {}

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let at = target.layout.offset(Field::SamplingRate);
        let interval = self.interval.get();
        let renormalize = self.renormalize;
        (renormalize || at.is_some()).then(|| Arc::new(Renormalize { interval, renormalize, at }) as _)
    }
}

#[derive(Debug)]
struct Renormalize {
    interval: u32,
    renormalize: bool,
    at: Option<usize>,
}

impl StatelessStep for Renormalize {
    fn apply(&self, batch: &mut Batch<'_>) {
        let shown = if self.renormalize { 1 } else { self.interval };
        for mut row in batch.rows.iter_mut_from(batch.first) {
            if self.renormalize {
                multiply(&mut row, self.interval);
            }
            put(row.bytes(), self.at, &shown.to_be_bytes());
        }
    }
}
