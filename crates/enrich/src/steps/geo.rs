//! `geoipv2_file`: countries, postal codes and coordinates of addresses.

use crate::read::Reader;
use crate::spec::CoreSpec;
use crate::step::{Batch, CompiledStep, Step, Target, WorkerStep};
use flow::row::{FieldSet, Layout};
use geoip::Database;
use std::sync::Arc;

#[derive(Debug)]
struct Geo(Database);

pub(super) fn read(spec: &CoreSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let database = reader.geoip(spec.geoip.as_deref()?)?;
    Some(Box::new(Geo(database)))
}

impl Step for Geo {
    fn require(&self, fields: &mut FieldSet) {
        geoip::Enricher::require(fields);
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let is_no_op = geoip::Enricher::new(&self.0, target.layout).is_idle();
        (!is_no_op).then(|| Arc::new(Compiled { database: self.0.clone(), layout: target.layout.clone() }) as _)
    }
}

#[derive(Debug)]
struct Compiled {
    database: Database,
    layout: Layout,
}

impl CompiledStep for Compiled {
    fn start(self: Arc<Self>) -> Box<dyn WorkerStep> {
        Box::new(Worker(geoip::Enricher::new(&self.database, &self.layout)))
    }
}

/// The cache of addresses and records belongs to the worker.
#[derive(Debug)]
struct Worker(geoip::Enricher);

impl WorkerStep for Worker {
    fn apply(&mut self, batch: &mut Batch<'_>) {
        for mut row in batch.rows.iter_mut_from(batch.first) {
            self.0.apply(&mut row, batch.strings);
        }
    }

    fn forget_strings(&mut self) {
        self.0.forget_strings();
    }
}
