//! A cache of plans, shared by all exporters of a decoder.
//!
//! Routers of one model announce the same templates, so all templates of one shape share a plan. It is compiled when the
//! first data set needs it. A template without data costs no plan, and the plan of thousands of routers stays in the CPU
//! cache.
//!
//! Compiling a short template takes longer than receiving it. To keep peers from overloading a decoder with ever new
//! templates, compiling is limited by a budget that grows with the octets received, as in a token bucket; see
//! [`Plans::plan`].

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

/// Maximum number of shared plans. Exporters keep the plans in use beyond it.
const MAX_SHARED: usize = 4096;
/// Shared plans may take one part in this many of the memory for the state of exporters.
const MEMORY_DIVISOR: usize = 16;
/// Maximum budget in octets, and the budget of a new decoder. It suffices for the different templates of thousands of
/// exporters that start at the same time.
pub(super) const MAX_CREDIT: u64 = 1_000_000;
/// Cost of a plan in octets, plus that of each field of the row and of the template: at 5 ns per octet, a quarter of what
/// an octet may cost.
pub(super) const PLAN_COST: u64 = 120;
const FIELD_COST: u64 = 6;
/// Cost in octets of a field of an options record, minus its actual length.
const OPTION_COST: u64 = 8;

/// A template's shape and plan. The shape does not include the domain, and includes the id only if rows have it.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The shape: domain 0, and id 0 unless rows have it.
    pub(crate) template: Template,
    pub(crate) plan: Plan,
    memory: usize,
}

/// The plan of an exporter's template, once data have arrived for it.
#[derive(Debug, Default)]
pub(crate) struct Planned(pub(super) Option<Arc<Compiled>>);

impl Payload for Planned {
    /// Each exporter accounts for the whole plan, since it keeps the plan alive. This is an upper bound of the actual memory.
    fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |compiled| compiled.memory)
    }
}

/// The cost exceeds the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverBudget;

/// The shared plans.
pub(crate) struct Plans {
    /// Keyed by the hash of the shape.
    shared: Map<u64, Arc<Compiled>>,
    hash: RandomState,
    /// Rows have the template id, so it is part of the shape.
    by_id: bool,
    memory: usize,
    max_memory: usize,
    /// The current budget in octets.
    credit: u64,
    /// Cost of a plan in octets, without the fields of its template.
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

    /// Adds received octets to the budget.
    #[inline]
    pub(crate) fn add_credit(&mut self, octets: usize) {
        self.credit = (self.credit + octets as u64).min(MAX_CREDIT);
    }

    /// Charges an options record to the budget: short fields cost as much as long ones.
    #[inline]
    pub(crate) fn charge_options(&mut self, fields: usize, octets: usize) -> Result<(), OverBudget> {
        let cost = (OPTION_COST * fields as u64).saturating_sub(octets as u64);
        self.credit = self.credit.checked_sub(cost).ok_or(OverBudget)?;
        Ok(())
    }

    /// Heap memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.memory + self.shared.memory()
    }

    /// Returns the number of shared plans.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shared.len()
    }

    /// Returns the plan for the shape of a template, compiled if necessary.
    ///
    /// # Errors
    /// If the budget is exceeded. The next data of the template can try again.
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
        // If the hashes of two shapes collide, the newer one is shared.
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
