//! `post_tag` and `post_tag2`.

use super::put;
use crate::read::Reader;
use crate::spec::PluginSpec;
use crate::step::{Batch, CompiledStep, StatelessStep, Step, Target};
use flow::field::Field;
use flow::row::FieldSet;
use std::sync::Arc;

#[derive(Debug)]
struct PostTags([(Field, Option<u64>); 2]);

pub(super) fn read(spec: &PluginSpec, _reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let is_needed = spec.post_tag.is_some() || spec.post_tag2.is_some();
    is_needed.then(|| Box::new(PostTags([(Field::Tag, spec.post_tag), (Field::Tag2, spec.post_tag2)])) as _)
}

impl Step for PostTags {
    fn require(&self, _fields: &mut FieldSet) {}

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let tag = |(field, tag): &(Field, Option<u64>)| Some((target.layout.offset(*field)?, (*tag)?));
        let tags: Vec<_> = self.0.iter().filter_map(tag).collect();
        (!tags.is_empty()).then(|| Arc::new(Compiled(tags)) as _)
    }
}

/// Offsets, and the values to write there.
#[derive(Debug)]
struct Compiled(Vec<(usize, u64)>);

impl StatelessStep for Compiled {
    fn apply(&self, batch: &mut Batch<'_>) {
        for mut row in batch.rows.iter_mut_from(batch.first) {
            self.0.iter().for_each(|(at, tag)| put(row.bytes(), Some(*at), &tag.to_be_bytes()));
        }
    }
}
