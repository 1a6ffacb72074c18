//! The step: finds the peer or router of each row and the routes of both ends, and writes what they say.

use crate::directory::Directory;
use crate::find::{End, Finder, Found, MAX_STEPS, Scratch, Side};
use crate::peers::{Peers, Wanted};
use crate::routers::Routers;
use crate::routes::{State, States, Tables};
use crate::shown::{Cache, Texts};
use crate::spec::{Maps, Spec};
use crate::write::{self, Outcome, Target, UNKNOWN};
use config::Diagnostics;
use enrich::Loaded;
use enrich::live::{LiveLookup, LiveStep};
use enrich::step::Batch;
use flow::address::{self, Octets};
use flow::field::Field;
use flow::row::{FieldSet, Layout, Row, RowMut};
use flow::strings::Strings;
use maps::by_exporter::Values;
use maps::matcher::Scope;
use maps::routes::{Agent, NextHopMap};
use maps::usage::Usage;
use rib::AttributesKey;
use std::net::IpAddr;
use std::sync::Arc;
use wire::RouteDistinguisher;

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
pub fn add(loaded: &mut Loaded, tables: &Arc<Tables>, spec: &Arc<Spec>) {
    let files = loaded.routes();
    let maps = Maps { agents: files.agents.clone(), next_hops: files.next_hops.clone() };
    loaded.add_live(LiveStep::new(Arc::clone(tables), Lookup::new(Arc::clone(spec), maps)));
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
    /// Next hops are followed.
    follows: bool,
    texts: Texts,
}

/// What a worker keeps between batches.
#[derive(Debug, Default)]
pub struct Memory {
    of_rows: Vec<Ends>,
    bgp: Part<Peers>,
    bmp: Part<Routers>,
    scratch: Scratch,
}

/// Where the ends of a row are looked up, and their numbers there: source and destination.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Nowhere,
    Bgp([Option<u32>; 2]),
    Bmp([Option<u32>; 2]),
}

/// The ends of all rows that are looked up in one RIB.
#[derive(Debug)]
struct Part<D: Directory> {
    ends: Vec<End<D::Owner>>,
    /// By end, the attributes of its route.
    keys: Vec<Option<AttributesKey>>,
    cache: Cache,
}

impl<D: Directory> Default for Part<D> {
    fn default() -> Self {
        Self { ends: Vec::new(), keys: Vec::new(), cache: Cache::default() }
    }
}

impl<D: Directory> Part<D> {
    /// Adds ends. Returns their numbers.
    fn add(&mut self, ends: [Option<End<D::Owner>>; 2]) -> [Option<u32>; 2] {
        ends.map(|end| {
            let number = u32::try_from(self.ends.len()).ok()?;
            self.ends.push(end?);
            Some(number)
        })
    }

    /// Finds the routes of all ends.
    fn find(&mut self, finder: &Finder<'_, D>, scratch: &mut Scratch) {
        finder.find(&mut self.ends, scratch);
        // One pass for each kind of memory that is far away, so that accesses overlap.
        self.keys.clear();
        self.keys.extend(self.ends.iter().map(|end| Some(finder.rib.attributes_key(end.found?.attributes))));
        self.cache.prefetch(self.keys.iter().flatten().copied());
    }

    /// An end with its route and the attributes of that, if it has one.
    fn found(&self, number: Option<u32>) -> Option<(&End<D::Owner>, Found, AttributesKey)> {
        let number = number? as usize;
        let end = self.ends.get(number)?;
        Some((end, end.found?, self.keys.get(number).copied().flatten()?))
    }
}

impl LiveLookup<Tables> for Lookup {
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
        let follows =
            !self.spec.search.follow_next_hop.is_empty() && destination.as_ref().is_some_and(Target::has_next_hop);
        (source.is_some() || destination.is_some()).then(|| Compiled {
            follows,
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

    fn apply(compiled: &Compiled, states: &States<'_>, batch: &mut Batch<'_>, memory: &mut Memory) {
        let bgp = states.bgp.as_ref().map(|state| compiled.finder(state));
        let bmp = states.bmp.as_ref().map(|state| compiled.finder(state));
        compiled.collect((bgp.as_ref(), bmp.as_ref()), batch, memory);
        if let Some(finder) = &bgp {
            memory.bgp.find(finder, &mut memory.scratch);
        }
        if let Some(finder) = &bmp {
            memory.bmp.find(finder, &mut memory.scratch);
        }
        compiled.write((bgp.as_ref(), bmp.as_ref()), batch, memory);
    }

    fn forget_strings(memory: &mut Memory) {
        memory.bgp.cache.clear();
        memory.bmp.cache.clear();
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

/// How the peer of a row is found: by the agent map, or else by the exporter's address.
#[derive(Clone, Copy)]
struct Agents<'a> {
    map: Option<(&'a Values<Agent>, Scope)>,
    exporter: Option<IpAddr>,
}

impl Agents<'_> {
    fn wanted(&self, row: Row<'_>, strings: &Strings) -> Option<Wanted> {
        let agent = self.map.and_then(|(map, scope)| map.find(scope, row, strings));
        let mapped = agent.map(|agent| Wanted { address: agent.address, port: agent.port });
        mapped.or(self.exporter.map(|address| Wanted { address, port: None }))
    }
}

/// Whose routes a row meets.
#[derive(Clone, Copy)]
enum Whose {
    Bgp(<Peers as Directory>::Owner),
    Bmp(<Routers as Directory>::Owner),
}

/// What finds routes of BGP and of BMP, if there are any.
type Finders<'a, 'b> = (Option<&'b Finder<'a, Peers>>, Option<&'b Finder<'a, Routers>>);

impl Compiled {
    fn agents(&self, exporter: Option<IpAddr>) -> Agents<'_> {
        Agents { map: self.agents.as_ref().map(|map| (map, map.scope(exporter))), exporter }
    }

    fn finder<'a, D: Directory>(&'a self, state: &'a State<'_, D>) -> Finder<'a, D> {
        Finder {
            rib: &state.rib,
            directory: &state.directory,
            vrps: state.vrps.as_ref().map(|vrps| &***vrps),
            search: &self.spec.search,
            next_hops: self.next_hops.as_deref(),
        }
    }

    /// Collects the ends of all rows that have a peer.
    fn collect(&self, (bgp, bmp): Finders<'_, '_>, batch: &Batch<'_>, memory: &mut Memory) {
        let Memory { of_rows, bgp: of_bgp, bmp: of_bmp, .. } = memory;
        of_rows.clear();
        of_bgp.ends.clear();
        of_bmp.ends.clear();
        let agents = self.agents(batch.exporter);
        let whose = |row| {
            let wanted = agents.wanted(row, batch.strings)?;
            let peer = bgp.and_then(|bgp| bgp.owner(&wanted)).map(Whose::Bgp);
            peer.or_else(|| bmp.and_then(|bmp| bmp.owner(&wanted)).map(Whose::Bmp))
        };
        let mut of_all = None;
        for row in batch.rows.iter_from(batch.first) {
            let whose = match self.agents_by_row {
                true => whose(row),
                false => *of_all.get_or_insert_with(|| whose(row)),
            };
            of_rows.push(match whose {
                None => Ends::Nowhere,
                Some(Whose::Bgp(owner)) => Ends::Bgp(of_bgp.add(self.ends(row, owner))),
                Some(Whose::Bmp(owner)) => Ends::Bmp(of_bmp.add(self.ends(row, owner))),
            });
        }
    }

    /// The ends of a row that are looked up.
    fn ends<O: Copy>(&self, row: Row<'_>, owner: O) -> [Option<End<O>>; 2] {
        let octets = row.bytes();
        let distinguisher = RouteDistinguisher(read_at(octets, self.distinguisher).unwrap_or_default());
        if distinguisher.is_vrf() {
            // The VRF is known, but not its route distinguisher: no table is that of the flow.
            return [None, None];
        }
        let next_hop = read_at(octets, self.next_hop).unwrap_or(address::ABSENT);
        let end = |target: &Option<Target>, side| {
            let host: Octets = read_at(octets, Some(target.as_ref()?.host))?;
            Some(End::new(address::address(&host)?, side, owner, distinguisher, next_hop))
        };
        [end(&self.source, Side::Src), end(&self.destination, Side::Dst)]
    }

    /// Writes what was found to all rows.
    fn write(&self, (bgp, bmp): Finders<'_, '_>, batch: &mut Batch<'_>, memory: &mut Memory) {
        let Memory { of_rows, bgp: of_bgp, bmp: of_bmp, .. } = memory;
        let strings = &mut *batch.strings;
        for (row, ends) in batch.rows.iter_mut_from(batch.first).zip(of_rows.iter()) {
            match (ends, bgp, bmp) {
                (Ends::Bgp(numbers), Some(finder), _) => self.write_row((finder, of_bgp), row, *numbers, strings),
                (Ends::Bmp(numbers), _, Some(finder)) => self.write_row((finder, of_bmp), row, *numbers, strings),
                _ => self.write_nothing(row),
            }
        }
    }

    /// Writes to a row that there are no routes.
    fn write_nothing(&self, mut row: RowMut<'_>) {
        for target in [&self.source, &self.destination].into_iter().flatten() {
            target.write(row.bytes(), &Outcome::NOTHING);
        }
    }

    /// Writes what was found to a row.
    #[inline]
    fn write_row<D: Directory>(
        &self,
        (finder, part): (&Finder<'_, D>, &mut Part<D>),
        mut row: RowMut<'_>,
        numbers: [Option<u32>; 2],
        strings: &mut Strings,
    ) {
        for (target, number) in [&self.source, &self.destination].into_iter().zip(numbers) {
            let Some(target) = target else { continue };
            let Some((end, found, key)) = part.found(number) else {
                target.write(row.bytes(), &Outcome::NOTHING);
                continue;
            };
            let follows = self.follows && end.side == Side::Dst && !end.is_vpn();
            let followed = if follows { self.follow(finder, end, found, row.as_row(), strings) } else { None };
            let followed = followed.map(address::octets);
            let end = *end;
            let octets = || finder.rib.attributes(found.attributes);
            let shown = part.cache.get(key, octets, (&self.spec.shaping, self.texts), strings);
            let roa = if target.judges() { finder.judge(&end, &found, shown.origin()) } else { UNKNOWN };
            let outcome = Outcome { route: Some((shown, found.length)), next_hop: followed.as_ref(), roa };
            target.write(row.bytes(), &outcome);
        }
    }

    /// Follows next hops to their peers. Returns the next hop to show, if it is not that of the route.
    fn follow<D: Directory>(
        &self,
        finder: &Finder<'_, D>,
        end: &End<D::Owner>,
        found: Found,
        row: Row<'_>,
        strings: &Strings,
    ) -> Option<IpAddr> {
        let search = &self.spec.search;
        let mut owner = end.owner;
        let mut next_hop = finder.next_hop(found.attributes)?;
        let mut inside = None;
        for _ in 0..MAX_STEPS {
            if !search.follows(next_hop) {
                break;
            }
            inside = Some(next_hop);
            let wanted = self.agents(Some(next_hop)).wanted(row, strings);
            // A peer's own address leads to where we are.
            let next = wanted.and_then(|wanted| finder.owner(&wanted)).filter(|next| *next != owner);
            let Some(next) = next else { break };
            let Some(found) = finder.find_one(next, end.address) else { break };
            let Some(address) = finder.next_hop(found.attributes) else { break };
            (owner, next_hop) = (next, address);
        }
        if search.follow_external { Some(next_hop) } else { inside }
    }
}

fn read_at<const N: usize>(row: &[u8], at: Option<usize>) -> Option<[u8; N]> {
    row.get(at?..)?.first_chunk().copied()
}
