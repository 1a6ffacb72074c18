//! Sampling rates that an exporter announces in options data, and the choice of the one that applies to a flow.
//!
//! A rate is announced for a sampler or selector, an interface, a template, a domain, or several of these at once. The
//! most specific one applies.

use super::options_cache::{Domain, Inserted, Learned, Map, find, insert, map_memory};
use netflow::options::{Direction, OptionsRecord, Rate};

/// The rates of one exporter.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    samplers: Map<Sampler>,
    selectors: Map<Sampler>,
    /// Totals of the samplers and selectors of a domain.
    totals: Map<Totals>,
    /// Keyed by [`direction_and_interface`].
    interfaces: Map<Rate>,
    templates: Map<Rate>,
    /// Rates of whole domains.
    domains: Map<Rate>,
}

/// A sampler or selector.
#[derive(Clone, Copy, Debug)]
struct Sampler {
    rate: Rate,
    /// It is limited to an interface or a template.
    is_scoped: bool,
}

/// Active samplers and selectors.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    samplers: u64,
    /// The number of scoped ones.
    scoped: u64,
    /// The sum of their intervals: with only one sampler, its interval.
    intervals: u64,
}

impl Totals {
    /// Returns the contribution of a sampler, which is zero if it is inactive.
    fn of(sampler: Sampler) -> Self {
        match sampler.rate {
            Rate::OneIn(interval) => {
                Self { samplers: 1, scoped: u64::from(sampler.is_scoped), intervals: u64::from(interval) }
            }
            Rate::Off | Rate::Unusable => Self::default(),
        }
    }

    fn replace(&mut self, old: Option<Sampler>, new: Sampler) {
        let (old, new) = (old.map(Self::of).unwrap_or_default(), Self::of(new));
        self.samplers = self.samplers - old.samplers + new.samplers;
        self.scoped = self.scoped - old.scoped + new.scoped;
        self.intervals = self.intervals - old.intervals + new.intervals;
    }
}

/// The sampling information in a flow record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FlowSampling {
    pub(crate) template: u16,
    pub(crate) sampler: Option<u64>,
    pub(crate) selector: Option<u64>,
    /// Interval in the record; 0 if unknown.
    pub(crate) interval: Option<u64>,
    /// Ingress and egress interface.
    pub(crate) interfaces: [Option<u64>; 2],
}

impl FlowSampling {
    fn names_a_sampler(&self) -> bool {
        [self.sampler, self.selector].into_iter().flatten().any(|id| id > 0)
    }

    fn names_an_interface(&self) -> bool {
        self.interfaces.into_iter().flatten().any(|interface| interface > 0)
    }
}

fn direction_and_interface(direction: Direction, interface: u64) -> u64 {
    let direction = match direction {
        Direction::Either => 0,
        Direction::In => 1,
        Direction::Out => 2,
    };
    direction << 32 | interface & 0xffff_ffff
}

/// Returns the interval of a rate: 0 if sampling is off.
fn interval(rate: Rate) -> Option<u64> {
    match rate {
        Rate::OneIn(interval) => Some(u64::from(interval)),
        Rate::Off => Some(0),
        Rate::Unusable => None,
    }
}

impl Rates {
    /// Learns the rate of an options record. An unusable rate is reported unless the previous one was unusable, too.
    pub(crate) fn learn(&mut self, domain: Domain, record: &OptionsRecord<'_>) -> Learned {
        let Some(rate) = record.rate() else { return Learned::default() };
        let mut learned = Learned::default();
        let mut note = |inserted: Inserted<Rate>| {
            learned.dropped += u64::from(inserted.is_dropped());
            let was_unusable = matches!(inserted, Inserted::Replaced(Rate::Unusable));
            learned.unusable_rate |= rate == Rate::Unusable && !was_unusable;
            learned.changed_rate |= match inserted {
                Inserted::New => true,
                Inserted::Replaced(before) => before != rate,
                Inserted::Dropped => false,
            };
        };
        // Interface 0 means all interfaces.
        let interface = record.interface.filter(|interface| *interface > 0);
        let is_scoped = interface.is_some() || record.scope.template.is_some();
        let sampler = match (record.sampler, record.selector) {
            (Some(id), _) => Some((&mut self.samplers, id)),
            (None, Some(id)) => Some((&mut self.selectors, id)),
            (None, None) => None,
        };
        let has_sampler = sampler.is_some();
        if let Some((map, id)) = sampler {
            let new = Sampler { rate, is_scoped };
            let inserted = insert(map, domain, id, new);
            let old = if let Inserted::Replaced(old) = inserted { Some(old) } else { None };
            if !inserted.is_dropped() {
                self.totals.entry((domain, 0)).or_default().replace(old, new);
            }
            note(match old {
                Some(old) => Inserted::Replaced(old.rate),
                None if inserted.is_dropped() => Inserted::Dropped,
                None => Inserted::New,
            });
        }
        if let Some(template) = record.scope.template {
            note(insert(&mut self.templates, domain, template, rate));
        } else if let Some(interface) = interface {
            let id = direction_and_interface(record.direction, interface);
            note(insert(&mut self.interfaces, domain, id, rate));
        } else if !has_sampler {
            note(insert(&mut self.domains, domain, 0, rate));
        }
        learned
    }

    /// Heap memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        map_memory(&self.samplers)
            + map_memory(&self.selectors)
            + map_memory(&self.totals)
            + map_memory(&self.interfaces)
            + map_memory(&self.templates)
            + map_memory(&self.domains)
    }

    /// Returns the interval that applies to a flow of a domain; 0 if sampling is off. In order of precedence: its sampler or
    /// selector, its own record, its template, its interfaces, its domain, the whole exporter.
    pub(crate) fn of_flow(&self, domain: u32, flow: &FlowSampling) -> Option<u64> {
        let sampler_rate = (flow.sampler.and_then(|id| self.sampler(domain, id)))
            .or_else(|| flow.selector.and_then(|id| self.selector(domain, id)));
        match (sampler_rate.and_then(interval), flow.interval) {
            (Some(interval @ 1..), _) | (_, Some(interval @ 1..)) => Some(interval),
            (Some(interval), _) => Some(interval),
            (None, _) => self.by_scope(domain, flow),
        }
    }

    fn by_scope(&self, domain: u32, flow: &FlowSampling) -> Option<u64> {
        (find(&self.templates, domain, u64::from(flow.template)).copied().and_then(interval))
            .or_else(|| self.by_interface(domain, flow))
            .or_else(|| self.by_domain(Some(domain), flow))
            .or_else(|| self.by_domain(None, flow))
    }

    fn by_interface(&self, domain: u32, flow: &FlowSampling) -> Option<u64> {
        if self.interfaces.is_empty() {
            return None;
        }
        let directions = [Direction::In, Direction::Out].into_iter().zip(flow.interfaces);
        directions.filter_map(|(direction, interface)| Some((direction, interface?))).find_map(
            |(direction, interface)| {
                let rate = |direction| {
                    find(&self.interfaces, domain, direction_and_interface(direction, interface)).copied()
                };
                rate(direction).or_else(|| rate(Direction::Either)).and_then(interval)
            },
        )
    }

    /// Returns the interval of a whole domain, or else that of its only sampler. The latter does not apply to flows with a
    /// sampler id, nor, if it is scoped, to flows with an interface.
    fn by_domain(&self, domain: Domain, flow: &FlowSampling) -> Option<u64> {
        let domain_rate = self.domains.get(&(domain, 0)).copied().and_then(interval);
        domain_rate.or_else(|| {
            let totals = self.totals.get(&(domain, 0)).filter(|totals| totals.samplers == 1)?;
            let is_other = flow.names_a_sampler() || totals.scoped > 0 && flow.names_an_interface();
            (!is_other).then_some(totals.intervals)
        })
    }

    fn sampler(&self, domain: u32, id: u64) -> Option<Rate> {
        find(&self.samplers, domain, id).or_else(|| find(&self.selectors, domain, id)).map(|sampler| sampler.rate)
    }

    /// Some exporters also announce selectors as samplers.
    fn selector(&self, domain: u32, id: u64) -> Option<Rate> {
        find(&self.selectors, domain, id).or_else(|| find(&self.samplers, domain, id)).map(|sampler| sampler.rate)
    }
}
