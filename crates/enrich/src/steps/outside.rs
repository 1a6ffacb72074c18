//! `networks_file_filter`: addresses and networks outside the file become zero.

use super::networks::{SIDES, octets_at};
use super::put;
use crate::read::Reader;
use crate::spec::PluginSpec;
use crate::step::{Batch, CompiledStep, StatelessStep, Step, Target};
use flow::address;
use flow::row::FieldSet;
use maps::networks_file::Networks;
use std::sync::Arc;

#[derive(Debug)]
struct Outside(Arc<Networks>);

pub(super) fn read(spec: &PluginSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let file = reader.networks_of(spec).filter(|_| spec.zero_outside)?;
    Some(Box::new(Outside(file)))
}

impl Step for Outside {
    fn require(&self, _fields: &mut FieldSet) {}

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let offset = |field| target.layout.offset(field);
        let sides = SIDES.iter().filter_map(|side| Some((offset(side.host)?, offset(side.net)))).collect();
        Some(Arc::new(Compiled { sides, file: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct Compiled {
    /// Offsets of an address and its network.
    sides: Vec<(usize, Option<usize>)>,
    file: Arc<Networks>,
}

impl StatelessStep for Compiled {
    fn apply(&self, batch: &mut Batch<'_>) {
        for mut row in batch.rows.iter_mut_from(batch.first) {
            let row = row.bytes();
            for (host_at, net_at) in &self.sides {
                let Some(host) = octets_at(row, *host_at) else { continue };
                if host != address::ABSENT && self.file.lookup(&host).is_none() {
                    let zero = if address::is_v4(&host) { address::V4_ZERO } else { address::V6_ZERO };
                    put(row, Some(*host_at), &zero);
                    put(row, *net_at, &zero);
                }
            }
        }
    }
}
