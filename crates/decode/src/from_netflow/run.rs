//! Runs plans: a record becomes one row, or two if it is bidirectional.

mod time;

use super::biflow::Src;
use super::options_cache::{self, OptionsCache};
use super::plan::{Op, Plan, SamplingSources, VrfSources};
use super::rates::FlowSampling;
use super::sources::Clock;
use super::{Settings, copy, frame};
use flow::address;
use flow::part::{Part, Parts, narrow};
use flow::row::{self, RowMut, Rows};
use flow::strings::Strings;
use netflow::datagram::Header;
use netflow::record::{Spans, number};
use wire::RouteDistinguisher;

/// Microseconds per second.
const SECOND: u64 = 1_000_000;

/// The context of the records of a set.
pub(crate) struct Run<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) header: &'a Header,
    /// Template id; 0 in versions without templates.
    pub(crate) template: u16,
    pub(crate) options: &'a OptionsCache,
    pub(crate) strings: &'a mut Strings,
}

/// A record, and its field offsets if the template has variable-length fields.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) octets: &'a [u8],
    pub(crate) spans: Option<&'a Spans>,
}

impl<'a> Record<'a> {
    #[inline]
    fn field(&self, src: Src) -> &'a [u8] {
        let (at, len) = match self.spans {
            None => (usize::from(src.at), usize::from(src.len)),
            Some(spans) => match spans.get(usize::from(src.field)) {
                Some((at, len)) => (*at as usize, *len as usize),
                None => return &[],
            },
        };
        self.octets.get(at..at + len).unwrap_or(&[])
    }

    #[inline]
    fn number(&self, src: Src) -> u64 {
        number(self.field(src))
    }

    fn find(&self, src: Option<Src>) -> Option<u64> {
        src.map(|src| self.number(src))
    }
}

/// The initial rows of a set.
#[derive(Debug, Default)]
pub(crate) struct Base {
    pub(crate) forward: Vec<u64>,
    /// Only for bidirectional templates.
    pub(crate) reverse: Vec<u64>,
}

/// Adds a record of `size` octets at offset `at` of the datagram to its parts.
#[cold]
pub(crate) fn add_record(parts: &mut Parts, at: usize, size: usize, rows: usize) {
    parts.add(Part::Records { at: narrow(at), size: narrow(size), count: 1, rows: narrow(rows) });
}

/// Number of records that are decoded together, so that they and their rows stay in the L1 cache.
const BLOCK: usize = 64;

/// Consecutive records of one size.
#[derive(Clone, Copy)]
struct Set<'a> {
    octets: &'a [u8],
    size: usize,
}

impl Set<'_> {
    /// Decodes a number of each record and passes it on with the row. Common sizes are specialised.
    #[inline]
    fn numbers<'r>(self, src: Src, rows: impl Iterator<Item = RowMut<'r>>, put: impl Fn(&mut RowMut<'r>, u64)) {
        let at = usize::from(src.at);
        let pairs = self.octets.chunks_exact(self.size).zip(rows);
        match src.len {
            // With the preceding octet, this is a single 32-bit load.
            3 if at > 0 => pairs.for_each(|(record, mut row)| {
                put(&mut row, number(&array_at::<4>(record, at - 1)) & 0xff_ffff);
            }),
            4 => pairs.for_each(|(record, mut row)| put(&mut row, number(&array_at::<4>(record, at)))),
            8 => pairs.for_each(|(record, mut row)| put(&mut row, number(&array_at::<8>(record, at)))),
            len => pairs.for_each(|(record, mut row)| {
                put(&mut row, number(record.get(at..at + usize::from(len)).unwrap_or_default()));
            }),
        }
    }
}

impl Run<'_> {
    /// Adds the rows of consecutive records of one size, which start at offset `at` of the datagram. Returns the number of
    /// records, and of those without a row. `LISTS`: the records are added to the parts.
    pub(crate) fn records<const LISTS: bool>(
        &mut self,
        plan: &Plan,
        base: &Base,
        octets: &[u8],
        size: usize,
        rows: &mut Rows,
        (parts, at): (&mut Parts, usize),
    ) -> (u64, u64) {
        let mut without_row = 0;
        let count = octets.len() / size;
        if plan.by_step {
            octets.chunks(size * BLOCK).for_each(|block| self.block(plan, &base.forward, block, size, rows));
            if LISTS {
                parts.add(Part::Records { at: narrow(at), size: narrow(size), count: narrow(count), rows: 1 });
            }
        } else {
            for (number, octets) in octets.chunks_exact(size).enumerate() {
                let before = rows.len();
                without_row += u64::from(!self.record(plan, base, Record { octets, spans: None }, rows));
                if LISTS {
                    add_record(parts, at + number * size, size, rows.len().saturating_sub(before));
                }
            }
        }
        (count as u64, without_row)
    }

    /// Runs each step for all records of a block before the next step, so each step is dispatched only once.
    fn block(&mut self, plan: &Plan, base: &[u64], block: &[u8], size: usize, rows: &mut Rows) {
        let first = rows.len();
        rows.push_many(base, block.len() / size);
        let (octets, stride) = rows.bytes_from_mut(first);
        copy::run_all(&plan.copies, block, size, octets, stride);
        let set = Set { octets: block, size };
        if let Some(src) = plan.counters.packets {
            set.numbers(src, rows.iter_mut_from(first), |row, number| *row.head(row::PACKETS) = number);
        }
        if let Some(src) = plan.counters.octets {
            set.numbers(src, rows.iter_mut_from(first), |row, number| *row.head(row::BYTES) = number);
        }
        if let Some(src) = plan.flows {
            // A record with flow count 0 is still a flow.
            set.numbers(src, rows.iter_mut_from(first), |row, number| *row.head(row::FLOWS) = number.max(1));
        }
        for op in &plan.ops {
            match op {
                Op::Label { src, top, bottom } => {
                    let rows = rows.iter_mut_from(first);
                    match (*top, *bottom) {
                        // If rows have both, they are adjacent.
                        (Some(to), Some(other)) if to.abs_diff(other) == 4 => {
                            set.numbers(*src, rows, |row, entry| {
                                let label = u64::from((entry >> 4) as u32);
                                put(row.bytes(), to.min(other), &(label << 32 | label).to_be_bytes());
                            })
                        }
                        (top, bottom) => set.numbers(*src, rows, |row, entry| {
                            put_label(entry, [top, bottom], row.bytes());
                        }),
                    }
                }
                Op::Address { sources, to } if matches!(&**sources, [Src { len: 16, .. }]) => {
                    let at = sources.first().map_or(0, |src| usize::from(src.at));
                    for (octets, mut row) in block.chunks_exact(size).zip(rows.iter_mut_from(first)) {
                        put(row.bytes(), *to, &address::of_v6(array_at(octets, at)));
                    }
                }
                _ => {
                    for (octets, mut row) in block.chunks_exact(size).zip(rows.iter_mut_from(first)) {
                        self.op(op, plan, Record { octets, spans: None }, &mut row);
                    }
                }
            }
        }
    }

    /// The VRF of a record: where it came in, or where it goes out if it was observed there. The global table, 0:0:0, leaves it to the other
    /// side.
    fn vrf(&self, vrfs: &VrfSources, record: Record<'_>) -> u64 {
        let [ingress, egress, direction] =
            [vrfs.ingress, vrfs.egress, vrfs.direction].map(|src| record.find(src).unwrap_or(0));
        let is_ingress = ingress != 0 && (direction == 0 || egress == 0);
        let (vrf, other) = if is_ingress { (ingress, egress) } else { (egress, ingress) };
        let find = |vrf| self.options.distinguisher(self.header.domain, vrf);
        if find(vrf) == Some([0; 8]) && find(other).is_some() { other } else { vrf }
    }

    /// The route distinguisher of a record's VRF.
    fn distinguisher(&self, vrfs: &VrfSources, record: Record<'_>) -> Option<[u8; 8]> {
        let vrf = self.vrf(vrfs, record);
        self.options.distinguisher(self.header.domain, vrf).or_else(|| {
            let vrf = u32::try_from(vrf).ok().filter(|vrf| *vrf > 0)?;
            Some(RouteDistinguisher::of_vrf(vrf).0)
        })
    }

    /// Adds the rows of one record. Returns false if it contains no flow.
    #[inline]
    pub(crate) fn record(&mut self, plan: &Plan, base: &Base, record: Record<'_>, rows: &mut Rows) -> bool {
        let has_forward = self.row(plan, &base.forward, record, rows);
        match &plan.reverse {
            Some(reverse) => self.reverse_row(reverse, &base.reverse, record, has_forward, rows) || has_forward,
            None => has_forward,
        }
    }

    /// Adds the row of one direction of a record. Returns false if it contains no flow.
    #[inline]
    fn row(&mut self, plan: &Plan, base: &[u64], record: Record<'_>, rows: &mut Rows) -> bool {
        let mut row = rows.push(base);
        if !plan.variable {
            copy::run(&plan.copies, record.octets, row.bytes());
        }
        let packets = record.find(plan.counters.packets).unwrap_or(0);
        let octets = record.find(plan.counters.octets).unwrap_or(0);
        *row.head(row::PACKETS) = packets;
        *row.head(row::BYTES) = octets;
        if let Some(src) = plan.flows {
            // A record with flow count 0 is still a flow.
            *row.head(row::FLOWS) = record.number(src).max(1);
        }
        for op in &plan.ops {
            if !self.op(op, plan, record, &mut row) {
                rows.pop();
                return false;
            }
        }
        true
    }

    /// Adds the row of the reverse direction after that of the forward one. A direction without packets and octets has no row,
    /// unless both are empty: then the forward one has.
    fn reverse_row(
        &mut self,
        plan: &Plan,
        base: &[u64],
        record: Record<'_>,
        has_forward: bool,
        rows: &mut Rows,
    ) -> bool {
        let counters = [plan.counters.packets, plan.counters.octets];
        if counters.iter().all(|counter| record.find(*counter).unwrap_or(0) == 0) {
            return false;
        }
        let is_empty = |mut row: RowMut<'_>| *row.head(row::PACKETS) == 0 && *row.head(row::BYTES) == 0;
        if has_forward && rows.last_mut().is_some_and(is_empty) {
            rows.pop();
        }
        self.row(plan, base, record, rows)
    }

    #[inline]
    fn op(&mut self, op: &Op, plan: &Plan, record: Record<'_>, row: &mut RowMut<'_>) -> bool {
        match op {
            Op::Number { src, to, size } => {
                let number = record.number(*src).to_be_bytes();
                let octets = record.field(*src);
                // MAC addresses fit into the number, too.
                if !octets.is_empty() {
                    put(row.bytes(), *to, &number[8 - size..]);
                }
            }
            Op::Address { sources, to } => self.address(sources, *to, record, row.bytes()),
            Op::Exporter { sources, to } => {
                if sources.iter().any(|src| record.field(*src).iter().any(|octet| *octet != 0)) {
                    self.address(sources, *to, record, row.bytes());
                }
            }
            Op::Mask { sources, to } => {
                let mask = sources.iter().map(|src| record.number(*src)).find(|mask| *mask > 0).unwrap_or(0);
                put(row.bytes(), *to, &[mask as u8]);
            }
            Op::Etype { host, to } => {
                let family: u16 = match octets_at(row.bytes(), *host) {
                    host if host == address::ABSENT => 0,
                    host if address::is_v4(&host) => 0x0800,
                    _ => 0x86dd,
                };
                if array_at(row.bytes(), *to) == [0; 2] {
                    put(row.bytes(), *to, &family.to_be_bytes());
                }
            }
            Op::Time { sources, init, to } => {
                let time = |(src, clock): &(Src, Clock)| self.time(record.field(*src), *clock, record.find(*init));
                if let Some(time) = sources.iter().find_map(time) {
                    put(row.bytes(), *to, &time.to_be_bytes());
                }
            }
            Op::BinTime { from, raw } => {
                let mut time = u64::from_be_bytes(array_at(row.bytes(), *from));
                if let (Some(raw), true) = (raw, self.settings.time_secs && self.header.version == 5) {
                    time = match record.number(*raw) {
                        0 => u64::from(self.header.export_secs),
                        seconds => seconds,
                    } * SECOND;
                }
                *row.head(row::BIN_TIME) = time;
            }
            Op::Vlan { direction, vlans: [ingress, egress], to } => {
                let out = record.find(*direction) == Some(1);
                let vlan = if out { egress.or(*ingress) } else { ingress.or(*egress) };
                put(row.bytes(), *to, &(record.find(vlan).unwrap_or(0) as u16).to_be_bytes());
            }
            Op::Port { udp, tcp, proto, to } => {
                let port = match record.find(*proto) {
                    Some(17) => record.find(*udp),
                    Some(6) => record.find(*tcp),
                    _ => record.find(*udp).filter(|port| *port > 0).or(record.find(*tcp)),
                };
                put(row.bytes(), *to, &(port.unwrap_or(0) as u16).to_be_bytes());
            }
            Op::Segment { src, vxlan, nvgre } => {
                let [kind, rest @ ..] = record.number(*src).to_be_bytes();
                // 1: VXLAN, 2: NVGRE (RFC 7133 section 3.2 names 24 bits for both).
                let to = match kind {
                    1 => vxlan,
                    2 => nvgre,
                    _ => &None,
                };
                if let Some(to) = to {
                    put(row.bytes(), *to, &[0, rest[4], rest[5], rest[6]]);
                }
            }
            Op::Label { src, top, bottom } => {
                put_label(record.number(*src), [*top, *bottom], row.bytes());
            }
            Op::Labels { entries, top, bottom, stack } => {
                let mut labels = [0u8; 30];
                let mut len = 0;
                for src in entries {
                    let entry = record.field(*src);
                    if entry.iter().all(|octet| *octet == 0) {
                        break;
                    }
                    put(&mut labels, len, entry);
                    len += 3;
                    if entry.last().is_some_and(|octet| octet & 1 == 1) {
                        break;
                    }
                }
                let label = |at: usize| {
                    let [a, b, c] = array_at(&labels, at);
                    (u32::from_be_bytes([0, a, b, c]) >> 4).to_be_bytes()
                };
                if let (Some(to), true) = (top, len > 0) {
                    put(row.bytes(), *to, &label(0));
                }
                if let (Some(to), true) = (bottom, len > 0) {
                    put(row.bytes(), *to, &label(len - 3));
                }
                if let Some(to) = stack {
                    let id = self.strings.intern(&labels[..len]);
                    put(row.bytes(), *to, &id.to_be_bytes());
                }
            }
            Op::Segments { src, list, to } => {
                let octets = record.field(*src);
                let segments = if *list { octets.get(5..).unwrap_or(&[]) } else { octets };
                let whole = segments.len() - segments.len() % 16;
                let id = self.strings.intern(&segments[..whole]);
                put(row.bytes(), *to, &id.to_be_bytes());
            }
            Op::PathDelay { sum, to } => {
                let packets = record.find(plan.counters.packets).unwrap_or(0);
                let mean = record.number(*sum).checked_div(packets).unwrap_or(0);
                put(row.bytes(), *to, &u32::try_from(mean).unwrap_or(u32::MAX).to_be_bytes());
            }
            Op::Text { src, to, raw } => {
                let mut octets = record.field(*src);
                if !raw {
                    octets = octets.split(|octet| *octet == 0).next().unwrap_or(octets);
                }
                let id = self.strings.intern(octets);
                put(row.bytes(), *to, &id.to_be_bytes());
            }
            Op::Frame(frame) => return frame::fill(record.field(frame.src), frame, self.strings, row),
            Op::Interface { src, to } => {
                let name = self.options.interface(self.header.domain, record.number(*src));
                put(row.bytes(), *to, &self.strings.intern(name).to_be_bytes());
            }
            Op::Application { src, to } => {
                let id = options_cache::application_id(record.field(*src));
                let id = self.strings.intern(self.options.application(self.header.domain, id));
                put(row.bytes(), *to, &id.to_be_bytes());
            }
            Op::Vrf { vrfs, to } => {
                let id = self.vrf(vrfs, record);
                let id = self.strings.intern(self.options.vrf(self.header.domain, id));
                put(row.bytes(), *to, &id.to_be_bytes());
            }
            Op::Rd { inline, vrfs, to, origin } => {
                let inline = inline.map(|src| array_at::<8>(record.field(src), 0)).filter(|rd| *rd != [0; 8]);
                let rd = inline.or_else(|| self.distinguisher(vrfs, record));
                put(row.bytes(), *to, &rd.unwrap_or_default());
                if let (Some(origin), true) = (origin, rd.is_some() || inline.is_some()) {
                    put(row.bytes(), *origin, &[flow::kind::RdOrigin::FLOW.0]);
                }
            }
            Op::Network { host, mask, to } => {
                let host = octets_at(row.bytes(), *host);
                let mask = row.bytes().get(*mask).copied().unwrap_or(0);
                put(row.bytes(), *to, &address::network(&host, mask));
            }
            Op::Sampling { sources, to } => {
                let interval = self.interval(record, sources);
                let mut shown = interval.unwrap_or(0);
                if let (Some(interval), true) = (interval, self.settings.renormalize) {
                    for word in [row::PACKETS, row::BYTES] {
                        let count = row.head(word);
                        *count = count.saturating_mul(u64::from(interval));
                    }
                    shown = 1;
                }
                if let Some(to) = to {
                    put(row.bytes(), *to, &shown.to_be_bytes());
                }
            }
        }
        true
    }

    /// Returns the sampling interval (one packet in this many), if it is known.
    fn interval(&self, record: Record<'_>, sources: &SamplingSources) -> Option<u32> {
        let by_probability =
            || sources.probability.and_then(|src| netflow::options::interval_of_probability(record.field(src)));
        let intervals = sources.intervals.iter();
        let interval = intervals.filter_map(|src| record.find(*src)).find(|interval| *interval > 0);
        let flow = FlowSampling {
            template: self.template,
            sampler: record.find(sources.sampler),
            selector: record.find(sources.selector),
            interval: interval.or_else(by_probability),
            interfaces: sources.interfaces.map(|src| record.find(src)),
        };
        (self.options.rates().of_flow(self.header.domain, &flow))
            .and_then(|interval| u32::try_from(interval).ok())
            .or(Some(u32::from(self.header.sampling_interval)))
            .filter(|interval| *interval > 0)
    }

    /// Sets the first non-zero address. If all are zero, sets the zero address of the first one's family.
    fn address(&self, sources: &[Src], to: usize, record: Record<'_>, row: &mut [u8]) {
        let mut zero = address::ABSENT;
        for src in sources {
            let octets = record.field(*src);
            let (full, is_zero) = match *octets {
                [a, b, c, d] => {
                    let mut full = address::V4_ZERO;
                    put(&mut full, 12, &[a, b, c, d]);
                    (full, full == address::V4_ZERO)
                }
                _ => match <[u8; 16]>::try_from(octets) {
                    Ok(full) => (address::of_v6(full), full == [0; 16]),
                    Err(_) => continue,
                },
            };
            if !is_zero {
                put(row, to, &full);
                return;
            }
            if zero == address::ABSENT {
                zero = full;
            }
        }
        // A frame may have set it.
        if octets_at(row, to) == address::ABSENT {
            put(row, to, &zero);
        }
    }
}

/// Sets the label of a stack with a single entry, which is both top and bottom.
#[inline]
fn put_label(entry: u64, offsets: [Option<usize>; 2], row: &mut [u8]) {
    let label = ((entry >> 4) as u32).to_be_bytes();
    offsets.into_iter().flatten().for_each(|to| put(row, to, &label));
}

#[inline]
pub(crate) fn put(row: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(to) = row.get_mut(at..at + octets.len()) {
        to.copy_from_slice(octets);
    }
}

#[inline]
fn array_at<const N: usize>(octets: &[u8], at: usize) -> [u8; N] {
    octets.get(at..).and_then(|octets| octets.first_chunk()).copied().unwrap_or([0; N])
}

fn octets_at(row: &[u8], at: usize) -> address::Octets {
    array_at(row, at)
}
