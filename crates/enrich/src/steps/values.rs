//! `ports_file`, `protos_file`, `tos_file`: values outside a list are replaced by one.

use super::{put, read_at};
use crate::lists::ValueSet;
use crate::read::Reader;
use crate::spec::PluginSpec;
use crate::step::{Batch, CompiledStep, StatelessStep, Step, Target};
use flow::field::Field;
use flow::row::FieldSet;
use maps::ports_file::Ports;
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Lists {
    ports: Option<Arc<Ports>>,
    protos: Option<ValueSet>,
    tos: Option<ValueSet>,
    /// `tos_file` contains code points.
    dscp: bool,
}

pub(super) fn read(spec: &PluginSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let number = |word: &str| word.parse().ok();
    let ports = reader.ports(spec.ports.as_deref());
    let protos =
        reader.list("protos_file", spec.protos.as_deref(), |word| number(word).or_else(|| (spec.protocol)(word)));
    let tos = reader.list("tos_file", spec.tos.as_deref(), number);
    let is_needed = ports.is_some() || protos.is_some() || tos.is_some();
    is_needed.then(|| Box::new(Lists { ports, protos, tos, dscp: spec.dscp }) as _)
}

impl Step for Lists {
    fn require(&self, _fields: &mut FieldSet) {}

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let at = |field| target.layout.offset(field);
        Some(Arc::new(Compiled {
            lists: self.clone(),
            ports: [Field::SrcPort, Field::DstPort].into_iter().filter_map(at).collect(),
            proto: at(Field::Proto),
            tos: at(Field::Tos),
        }))
    }
}

#[derive(Debug)]
struct Compiled {
    lists: Lists,
    ports: Vec<usize>,
    proto: Option<usize>,
    tos: Option<usize>,
}

impl StatelessStep for Compiled {
    fn apply(&self, batch: &mut Batch<'_>) {
        let Lists { ports, protos, tos, dscp } = &self.lists;
        for mut row in batch.rows.iter_mut_from(batch.first) {
            let row = row.bytes();
            if let Some(ports) = ports {
                for at in &self.ports {
                    let port = read_at(row, Some(*at)).map_or(0, u16::from_be_bytes);
                    if !ports.has(port) {
                        put(row, Some(*at), &[0, 0]);
                    }
                }
            }
            if let (Some(list), Some([proto])) = (protos, read_at(row, self.proto)) {
                put(row, self.proto, &[list.keep(proto)]);
            }
            if let (Some(list), Some([tos])) = (tos, read_at(row, self.tos)) {
                let shown = if *dscp { tos >> 2 } else { tos };
                put(row, self.tos, &[list.keep(shown)]);
            }
        }
    }
}
