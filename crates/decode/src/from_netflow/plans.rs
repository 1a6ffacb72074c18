//! The plans of all exporters of a decoder.
//!
//! Routers of one model announce the same templates: templates of one shape share one plan, whoever announced them, which is compiled when
//! the first data set needs it. So a template that no data follow costs no plan, and the plan of thousands of routers stays in the nearest
//! cache of the machine.
//!
//! Compiling takes longer than reading the few octets that a template may have. So that nobody can keep a decoder busy with ever new
//! templates, compiling is paid for with the octets received, see [`Plans::plan`].

use super::Settings;
use super::compile;
use super::plan::Plan;
use flow::field::Field;
use flow::needs::Needs;
use foldhash::fast::RandomState;
use netflow::cache::Payload;
use netflow::template::Template;
use recent::Map;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Most plans that are shared with those who announce the same shape later. Exporters keep those that they use beyond that.
const MAX_SHARED: usize = 4096;
/// The part of the memory for the state of exporters that the plans take which are shared.
const MEMORY_DIVISOR: usize = 16;
/// Octets received that pay for compiling, at most: what a decoder begins with. They are enough for the different templates of thousands of
/// exporters that start at once.
pub(super) const MAX_CREDIT: u64 = 1_000_000;
/// Octets that a plan costs, and more for each field of the row or of the template: at 5 ns for each octet, a quarter of what octets may
/// cost in all.
pub(super) const PLAN_COST: u64 = 120;
const FIELD_COST: u64 = 6;
/// Octets that it costs to take in a field of an options record, but for those that the record has.
const OPTION_COST: u64 = 8;

/// A template's shape and plan. Domain and id are no part of the shape, unless the row has the id.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Without its domain, and without its id unless rows have that.
    pub(crate) template: Template,
    pub(crate) plan: Plan,
    memory: usize,
}

/// The plan of an exporter's template, once data have come for it.
#[derive(Debug, Default)]
pub(crate) struct Planned(pub(super) Option<Arc<Compiled>>);

impl Payload for Planned {
    /// Each exporter is charged for the whole plan, as it keeps the plan alive. What the plans take together is no more than that.
    fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |compiled| compiled.memory)
    }
}

/// What is to be done costs more than was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverBudget;

/// The plans that are shared.
pub(crate) struct Plans {
    /// By the hash of their shapes.
    shared: Map<u64, Arc<Compiled>>,
    hash: RandomState,
    /// Rows have the id of the template, so that templates of different ids have different plans.
    by_id: bool,
    memory: usize,
    max_memory: usize,
    /// Octets received that have paid for nothing yet.
    credit: u64,
    /// Octets that each plan costs, but for the fields of its template.
    cost: u64,
}

impl Plans {
    pub(crate) fn new(needs: &Needs, settings: &Settings) -> Self {
        let fields = Field::ALL.iter().filter(|field| needs.layout.offset(**field).is_some()).count();
        Self {
            shared: Map::new(MAX_SHARED),
            hash: RandomState::default(),
            by_id: needs.layout.offset(Field::Template).is_some(),
            memory: 0,
            max_memory: settings.max_memory / MEMORY_DIVISOR,
            credit: MAX_CREDIT,
            cost: PLAN_COST + FIELD_COST * (fields + needs.customs.len()) as u64,
        }
    }

    /// Octets were received.
    #[inline]
    pub(crate) fn add_credit(&mut self, octets: usize) {
        self.credit = (self.credit + octets as u64).min(MAX_CREDIT);
    }

    /// Pays for an options record of so many fields and octets: short fields cost as much as long ones.
    #[inline]
    pub(crate) fn charge_options(&mut self, fields: usize, octets: usize) -> Result<(), OverBudget> {
        let cost = (OPTION_COST * fields as u64).saturating_sub(octets as u64);
        self.credit = self.credit.checked_sub(cost).ok_or(OverBudget)?;
        Ok(())
    }

    /// Bytes that it keeps on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.memory + self.shared.memory()
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shared.len()
    }

    /// The plan of a template: that of its shape, which is compiled when there is none.
    ///
    /// # Errors
    /// Too few octets were received since the last plans were compiled. The template can be tried again with its next data.
    pub(crate) fn plan(
        &mut self,
        template: &Template,
        needs: &Needs,
        settings: &Settings,
    ) -> Result<Arc<Compiled>, OverBudget> {
        let id = if self.by_id { template.id } else { 0 };
        let hash = self.hash.hash_one((id, template.ipfix, template.kind, &template.fields));
        let is_same = |cached: &Template| {
            (cached.id, cached.ipfix, cached.kind) == (id, template.ipfix, template.kind)
                && cached.fields == template.fields
        };
        if let Some(compiled) = self.shared.get_mut(&hash).filter(|compiled| is_same(&compiled.template)) {
            return Ok(Arc::clone(compiled));
        }
        self.compile(hash, id, template, needs, settings)
    }

    #[cold]
    fn compile(
        &mut self,
        hash: u64,
        id: u16,
        template: &Template,
        needs: &Needs,
        settings: &Settings,
    ) -> Result<Arc<Compiled>, OverBudget> {
        let cost = self.cost + FIELD_COST * template.fields.len() as u64;
        self.credit = self.credit.checked_sub(cost).ok_or(OverBudget)?;
        let plan = compile::compile(template, needs, settings);
        let template = Template { domain: 0, id, ..template.clone() };
        let memory = size_of::<Compiled>() + size_of_val(&*template.fields) + plan.memory();
        let compiled = Arc::new(Compiled { template, plan, memory });
        // Of two shapes with one hash the newer one is shared.
        if let Some(other) = self.shared.remove(&hash) {
            self.memory -= other.memory;
        }
        self.memory += memory;
        if let Some((_, oldest)) = self.shared.insert(hash, Arc::clone(&compiled)) {
            self.memory -= oldest.memory;
        }
        while self.memory() > self.max_memory
            && let Some((_, oldest)) = self.shared.pop_oldest()
        {
            self.memory -= oldest.memory;
        }
        Ok(compiled)
    }
}
