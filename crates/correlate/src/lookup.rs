//! The step: finds the peer of each row and the routes of both ends, and writes what they say.

use crate::find::{End, Finder, Found, MAX_STEPS, Scratch, Side};
use crate::peers::{Slot, Wanted};
use crate::routes::{Routes, State};
use crate::shown::{Cache, Origin, Texts};
use crate::spec::{Maps, Spec};
use crate::write::{self, Outcome, Target, UNKNOWN};
use config::Diagnostics;
use enrich::Loaded;
use enrich::live::{LiveLookup, LiveStep};
use enrich::step::Batch;
use flow::address::{self, Octets};
use flow::field::Field;
use flow::row::{FieldSet, Layout, Row};
use flow::strings::Strings;
use maps::by_exporter::Values;
use maps::matcher::Scope;
use maps::routes::{Agent, NextHopMap};
use maps::usage::Usage;
use rib::AttributesKey;
use rpki::{Judgement, Validity};
use std::net::IpAddr;
use std::sync::Arc;
use wire::{Asn, Prefix, RouteDistinguisher};

/// Looks up the routes of rows, as the settings say.
#[derive(Clone, Debug)]
pub struct Lookup {
    spec: Arc<Spec>,
    maps: Maps,
}

impl Lookup {
    /// With these settings and maps.
    pub fn new(spec: Arc<Spec>, maps: Maps) -> Self {
        Self { spec, maps }
    }
}

/// Adds the step to the files that were read, with the maps among them.
pub fn add(loaded: &mut Loaded, routes: &Arc<Routes>, spec: &Arc<Spec>) {
    let files = loaded.routes();
    let maps = Maps { agents: files.agents.clone(), next_hops: files.next_hops.clone() };
    loaded.add_live(LiveStep::new(Arc::clone(routes), Lookup::new(Arc::clone(spec), maps)));
}

/// A look-up compiled for one layout; workers share it.
#[derive(Debug)]
pub struct Compiled {
    spec: Arc<Spec>,
    agents: Option<Values<Agent>>,
    /// Rules of the agent map compare properties of rows.
    agents_by_row: bool,
    next_hops: Option<Arc<NextHopMap>>,
    source: Option<Target>,
    destination: Option<Target>,
    /// The next hop of the record.
    next_hop: Option<usize>,
    distinguisher: Option<usize>,
    texts: Texts,
}

/// What a worker keeps between batches.
#[derive(Debug, Default)]
pub struct Memory {
    ends: Vec<End>,
    /// By row, the numbers of its ends.
    of_rows: Vec<[Option<u32>; 2]>,
    /// By end, the attributes of its route.
    keys: Vec<Option<AttributesKey>>,
    scratch: Scratch,
    cache: Cache,
}

impl LiveLookup<Routes> for Lookup {
    type Compiled = Compiled;
    type Memory = Memory;

    fn require(&self, fields: &mut FieldSet) {
        let [source, destination] = write::require(&self.spec, fields);
        if !source && !destination {
            return;
        }
        if destination {
            // What the exporter sent: it selects a path.
            fields.insert(Field::PeerDstIp);
        }
        if self.spec.search.has_distinguishers {
            fields.insert(Field::MplsVpnRd);
        }
        if let Some(agents) = &self.maps.agents {
            agents.require(fields);
        }
    }

    fn compile(&self, layout: &Layout) -> Option<Compiled> {
        let source = Target::source(&self.spec, layout);
        let destination = Target::destination(&self.spec, layout);
        let texts = [&source, &destination].into_iter().flatten().flat_map(Target::needed).collect();
        (source.is_some() || destination.is_some()).then(|| Compiled {
            spec: Arc::clone(&self.spec),
            agents: self.maps.agents.as_ref().map(|agents| agents.compile(layout)),
            agents_by_row: self.maps.agents.as_ref().is_some_and(|agents| !agents.depends_on_exporter_only()),
            next_hops: self.maps.next_hops.clone(),
            source,
            destination,
            next_hop: layout.offset(Field::PeerDstIp),
            distinguisher: layout.offset(Field::MplsVpnRd).filter(|_| self.spec.search.has_distinguishers),
            texts,
        })
    }

    fn apply(compiled: &Compiled, state: &State<'_>, batch: &mut Batch<'_>, memory: &mut Memory) {
        let finder = Finder {
            rib: &state.rib,
            peers: &state.peers,
            search: &compiled.spec.search,
            next_hops: compiled.next_hops.as_deref(),
        };
        compiled.collect(&finder, batch, memory);
        finder.find(&mut memory.ends, &mut memory.scratch);
        // One pass for each kind of memory that is far away, so that accesses overlap.
        memory.keys.clear();
        let keys = memory.ends.iter().map(|end| Some(finder.rib.attributes_key(end.found?.attributes)));
        memory.keys.extend(keys);
        memory.cache.prefetch(memory.keys.iter().flatten().copied());
        compiled.write(&finder, state, batch, memory);
    }

    fn forget_strings(memory: &mut Memory) {
        memory.cache.clear();
    }

    fn usage(compiled: &Compiled) -> Option<&Usage> {
        compiled.agents.as_ref().map(Values::usage)
    }

    fn review(&self, problems: &mut Diagnostics) {
        if let Some(agents) = &self.maps.agents {
            agents.review(problems);
        }
    }
}

/// How the peer of an address is found: by the agent map, or else by the address itself.
#[derive(Clone, Copy)]
struct Agents<'a> {
    finder: &'a Finder<'a>,
    map: Option<(&'a Values<Agent>, Scope)>,
    exporter: Option<IpAddr>,
}

impl Agents<'_> {
    fn slot(&self, row: Row<'_>, strings: &Strings) -> Option<Slot> {
        let agent = self.map.and_then(|(map, scope)| map.find(scope, row, strings));
        let mapped = agent.map(|agent| Wanted { address: agent.address, port: agent.port });
        let wanted = mapped.or(self.exporter.map(|address| Wanted { address, port: None }))?;
        self.finder.peer(&wanted)
    }
}

impl Compiled {
    fn agents<'a>(&'a self, finder: &'a Finder<'a>, exporter: Option<IpAddr>) -> Agents<'a> {
        let map = self.agents.as_ref().map(|map| (map, map.scope(exporter)));
        Agents { finder, map, exporter }
    }

    /// Collects the ends of all rows that have a peer.
    fn collect(&self, finder: &Finder<'_>, batch: &Batch<'_>, memory: &mut Memory) {
        let Memory { ends, of_rows, .. } = memory;
        ends.clear();
        of_rows.clear();
        let agents = self.agents(finder, batch.exporter);
        let mut of_all = None;
        for row in batch.rows.iter_from(batch.first) {
            let slot = match self.agents_by_row {
                true => agents.slot(row, batch.strings),
                false => *of_all.get_or_insert_with(|| agents.slot(row, batch.strings)),
            };
            let octets = row.octets();
            let distinguisher = RouteDistinguisher(read_at(octets, self.distinguisher).unwrap_or_default());
            let next_hop = read_at(octets, self.next_hop).unwrap_or(address::ABSENT);
            let mut add = |target: &Option<Target>, side| {
                let host: Octets = read_at(octets, Some(target.as_ref()?.host))?;
                // The VRF is known, but not its route distinguisher: no table is that of the flow.
                let slot = slot.filter(|_| !distinguisher.is_vrf())?;
                let number = u32::try_from(ends.len()).ok()?;
                ends.push(End::new(address::address(&host)?, side, slot, distinguisher, next_hop));
                Some(number)
            };
            of_rows.push([add(&self.source, Side::Src), add(&self.destination, Side::Dst)]);
        }
    }

    /// Writes what was found to all rows.
    fn write(&self, finder: &Finder<'_>, state: &State<'_>, batch: &mut Batch<'_>, memory: &mut Memory) {
        let Memory { ends, of_rows, keys, cache, .. } = memory;
        let agents = self.agents(finder, None);
        let follows = !self.spec.search.follow_next_hop.is_empty()
            && self.destination.as_ref().is_some_and(Target::has_next_hop);
        let strings = &mut *batch.strings;
        for (mut row, numbers) in batch.rows.iter_mut_from(batch.first).zip(of_rows.iter()) {
            for (target, number) in [&self.source, &self.destination].into_iter().zip(numbers) {
                let Some(target) = target else { continue };
                let end = number.and_then(|number| ends.get(number as usize));
                let key = number.and_then(|number| keys.get(number as usize)).copied().flatten();
                let found = end.and_then(|end| Some((end, end.found?, key?)));
                let Some((end, found, key)) = found else {
                    target.write(row.octets(), &Outcome { route: None, next_hop: None, roa: UNKNOWN });
                    continue;
                };
                let followed = (follows && end.side == Side::Dst && !end.is_vpn())
                    .then(|| self.follow(agents, end, found, row.as_row(), strings))
                    .flatten()
                    .map(address::octets);
                let octets = || finder.rib.attributes(found.attributes);
                let shown = cache.get(key, octets, (&self.spec.shaping, self.texts), strings);
                let roa = match target.judges() {
                    true => judge(finder, state, end, &found, shown.origin()),
                    false => UNKNOWN,
                };
                let outcome = Outcome { route: Some((shown, found.length)), next_hop: followed.as_ref(), roa };
                target.write(row.octets(), &outcome);
            }
        }
    }

    /// Follows next hops to their peers. Returns the next hop to show, if it is not that of the route.
    fn follow(
        &self,
        agents: Agents<'_>,
        end: &End,
        found: Found,
        row: Row<'_>,
        strings: &Strings,
    ) -> Option<IpAddr> {
        let (finder, search) = (agents.finder, &self.spec.search);
        let mut slot = found.slot;
        let mut next_hop = finder.next_hop(found.attributes)?;
        let mut inside = None;
        for _ in 0..MAX_STEPS {
            if !search.follows(next_hop) {
                break;
            }
            inside = Some(next_hop);
            let at = self.agents(finder, Some(next_hop)).slot(row, strings);
            // A peer's own address leads to where we are.
            let Some(next) = at.filter(|next| *next != slot) else { break };
            let Some(found) = finder.find_one(next, end.address) else { break };
            let Some(address) = finder.next_hop(found.attributes) else { break };
            (slot, next_hop) = (next, address);
        }
        if search.follow_external { Some(next_hop) } else { inside }
    }
}

/// Judges the routes to an end.
fn judge(finder: &Finder<'_>, state: &State<'_>, end: &End, found: &Found, origin: Origin) -> u8 {
    let Some(vrps) = &state.vrps else { return UNKNOWN };
    let local = finder.peers.get(found.slot).map_or(Asn(0), |peer| peer.local_as);
    let validity = |length: u8, origin: Origin| {
        let origin = match origin {
            Origin::Local => Some(local),
            Origin::As(asn) => Some(asn),
            Origin::None => None,
        };
        Prefix::new(end.address, length).map_or(Validity::Unknown, |prefix| vrps.validity(&prefix, origin))
    };
    let longest = validity(found.length, origin);
    if longest != Validity::Invalid {
        return Judgement::from(longest).letter();
    }
    let shorter = finder.covering(end, found, |length, attributes| {
        Some(validity(length, finder.origin(attributes))).filter(|validity| *validity != Validity::Invalid)
    });
    Judgement::of([longest].into_iter().chain(shorter)).letter()
}

fn read_at<const N: usize>(row: &[u8], at: Option<usize>) -> Option<[u8; N]> {
    row.get(at?..)?.first_chunk().copied()
}
