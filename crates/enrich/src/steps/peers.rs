//! `nfacctd_peer_as`: the AS numbers of records are those of neighbours, and fill `peer_src_as` and `peer_dst_as`.

use super::{put, read_at};
use crate::read::Reader;
use crate::spec::CoreSpec;
use crate::step::{Batch, CompiledStep, StatelessStep, Step, Target};
use flow::field::Field;
use flow::row::FieldSet;
use std::sync::Arc;

/// Where each peer's AS number is copied from.
const COPIES: [(Field, Field); 2] = [(Field::SrcAs, Field::PeerSrcAs), (Field::DstAs, Field::PeerDstAs)];

#[derive(Debug)]
struct Peers;

pub(super) fn read(spec: &CoreSpec, _reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    spec.peer_ases.then(|| Box::new(Peers) as _)
}

impl Step for Peers {
    fn require(&self, fields: &mut FieldSet) {
        for (from, to) in COPIES {
            if fields.has(to) {
                fields.insert(from);
            }
        }
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let offsets = COPIES.map(|(from, to)| (target.layout.offset(from), target.layout.offset(to)));
        offsets.iter().any(|(_, to)| to.is_some()).then(|| Arc::new(Compiled { offsets }) as _)
    }
}

#[derive(Debug)]
struct Compiled {
    offsets: [(Option<usize>, Option<usize>); 2],
}

impl StatelessStep for Compiled {
    fn apply(&self, batch: &mut Batch<'_>) {
        for mut row in batch.rows.iter_mut_from(batch.first) {
            for (from, to) in self.offsets {
                if let Some(asn) = read_at::<4>(row.bytes(), from) {
                    put(row.bytes(), to, &asn);
                }
            }
        }
    }
}
