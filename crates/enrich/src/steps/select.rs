//! Selects the rows of a plugin: `pre_tag_filter` and similar keys, `aggregate_filter`.

use super::read_at;
use crate::packets::RowPackets;
use crate::read::Reader;
use crate::spec::PluginSpec;
use crate::step::{Batch, CompiledStep, Filtered, StatelessStep, Step, Target};
use filter::Filter;
use flow::field::Field;
use flow::row::FieldSet;
use maps::matcher::View;
use maps::pre_tag::{LabelFilter, TagFilter};
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Filters {
    expression: Option<Filter>,
    tag: Option<TagFilter>,
    tag2: Option<TagFilter>,
    label: Option<LabelFilter>,
}

pub(super) fn read(spec: &PluginSpec, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let filters = Filters {
        expression: reader.expression(spec),
        tag: spec.tag_filter.as_ref().map(|(text, origin)| TagFilter::parse(text, origin, reader.problems)),
        tag2: spec.tag2_filter.as_ref().map(|(text, origin)| TagFilter::parse(text, origin, reader.problems)),
        label: spec.label_filter.as_ref().map(|(text, _)| LabelFilter::parse(text)),
    };
    let Filters { expression, tag, tag2, label } = &filters;
    let is_needed = expression.is_some() || tag.is_some() || tag2.is_some() || label.is_some();
    is_needed.then(|| Box::new(filters) as _)
}

impl Step for Filters {
    fn require(&self, fields: &mut FieldSet) {
        if let Some(filter) = &self.expression {
            filter.require(fields);
        }
        for (is_needed, field) in [
            (self.tag.is_some(), Field::Tag),
            (self.tag2.is_some(), Field::Tag2),
            (self.label.is_some(), Field::Label),
        ] {
            if is_needed {
                fields.insert(field);
            }
        }
    }

    fn tells_records_apart(&self) -> bool {
        self.expression.is_some()
    }

    fn filters(&self) -> bool {
        true
    }

    fn compile(&self, target: &Target<'_>) -> Option<Arc<dyn CompiledStep>> {
        let at = |field| target.layout.offset(field);
        let (tag, tag2, label) = (at(Field::Tag), at(Field::Tag2), at(Field::Label));
        Some(Arc::new(Compiled { filters: self.clone(), tag, tag2, label }))
    }
}

#[derive(Debug)]
struct Compiled {
    filters: Filters,
    tag: Option<usize>,
    tag2: Option<usize>,
    label: Option<usize>,
}

/// Why a row is filtered.
#[derive(Clone, Copy)]
enum Reason {
    Tag,
    Expression,
}

impl Reason {
    fn count(self, filtered: &mut Filtered) {
        match self {
            Self::Tag => filtered.tag += 1,
            Self::Expression => filtered.expression += 1,
        }
    }
}

impl Compiled {
    #[inline]
    fn filter_reason(&self, view: &View<'_>, number: usize, packets: &mut RowPackets<'_>) -> Option<Reason> {
        let View { row, strings } = view;
        let Filters { expression, tag, tag2, label } = &self.filters;
        for (filter, at) in [(tag, self.tag), (tag2, self.tag2)] {
            if let Some(filter) = filter
                && !filter.matches(read_at(row.bytes(), at).map_or(0, u64::from_be_bytes))
            {
                return Some(Reason::Tag);
            }
        }
        if let Some(filter) = label {
            let id = read_at(row.bytes(), self.label).map_or(0, u32::from_be_bytes);
            if !filter.matches(strings.get(id)) {
                return Some(Reason::Tag);
            }
        }
        match expression {
            Some(filter) if !filter.matches_view(packets.packet(number, view)) => Some(Reason::Expression),
            _ => None,
        }
    }
}

impl StatelessStep for Compiled {
    fn apply(&self, batch: &mut Batch<'_>) {
        let Batch { rows, first, strings, packets, filtered, .. } = batch;
        let mut kept = *first;
        for number in *first..rows.len() {
            let Some(row) = rows.get(number) else { break };
            if let Some(reason) = self.filter_reason(&View { row, strings }, number, packets) {
                reason.count(filtered);
                continue;
            }
            if kept < number {
                let (octets, size) = rows.bytes_from_mut(0);
                octets.copy_within(number * size..(number + 1) * size, kept * size);
                packets.copy(number, kept);
            }
            kept += 1;
        }
        packets.truncate(kept);
        while rows.len() > kept {
            rows.pop();
        }
    }
}
