//! Plans at work: one record becomes one row, or two when it tells of both ways.

use super::options_cache::{self, OptionsCache};
use super::plan::{Op, Plan, SamplingSources};
use super::rates::Sampled;
use super::sources::Clock;
use super::ways::Src;
use super::{Settings, copy, frame};
use flow::address;
use flow::row::{self, RowMut, Rows};
use flow::strings::Strings;
use netflow::datagram::Header;
use netflow::record::{Spans, number};
use wire::RouteDistinguisher;

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;
/// Seconds between the epochs of NTP and Unix.
const NTP_OFFSET: u64 = 2_208_988_800;

/// What the records of a set share.
pub(crate) struct Run<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) header: &'a Header,
    /// Id of the template; 0 of versions without.
    pub(crate) template: u16,
    pub(crate) options: &'a OptionsCache,
    pub(crate) strings: &'a mut Strings,
}

/// A record and, where its template has variable fields, their places.
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

/// What the rows of a set start from.
#[derive(Debug, Default)]
pub(crate) struct Base {
    pub(crate) there: Vec<u64>,
    /// Only for templates that count both ways.
    pub(crate) back: Vec<u64>,
}

/// Records whose rows are made together: they and their rows stay in the nearest cache.
const BLOCK: usize = 64;

/// Records of one size, one after the other.
#[derive(Clone, Copy)]
struct Set<'a> {
    octets: &'a [u8],
    size: usize,
}

impl Set<'_> {
    /// Takes a number of each record to its row. The usual sizes are known to the compiler.
    #[inline]
    fn numbers<'r>(self, src: Src, rows: impl Iterator<Item = RowMut<'r>>, put: impl Fn(&mut RowMut<'r>, u64)) {
        let at = usize::from(src.at);
        let pairs = self.octets.chunks_exact(self.size).zip(rows);
        match src.len {
            // One octet before them makes it one load.
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
    /// Makes the rows of records of one size, one after the other. Returns their number, and of how many there is none.
    pub(crate) fn records(
        &mut self,
        plan: &Plan,
        base: &Base,
        octets: &[u8],
        size: usize,
        rows: &mut Rows,
    ) -> (u64, u64) {
        let mut without_row = 0;
        if plan.by_step {
            octets.chunks(size * BLOCK).for_each(|block| self.block(plan, &base.there, block, size, rows));
        } else {
            for octets in octets.chunks_exact(size) {
                without_row += u64::from(!self.record(plan, base, Record { octets, spans: None }, rows));
            }
        }
        ((octets.len() / size) as u64, without_row)
    }

    /// A step for all records, then the next: the steps are the same, and are decided upon once.
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
            set.numbers(src, rows.iter_mut_from(first), |row, number| *row.head(row::OCTETS) = number);
        }
        if let Some(src) = plan.flows {
            // A record that says 0 is a flow all the same.
            set.numbers(src, rows.iter_mut_from(first), |row, number| *row.head(row::FLOWS) = number.max(1));
        }
        for op in &plan.ops {
            match op {
                Op::Label { src, top, bottom } => {
                    let rows = rows.iter_mut_from(first);
                    match (*top, *bottom) {
                        // Where both are kept they lie side by side.
                        (Some(to), Some(other)) if to.abs_diff(other) == 4 => {
                            set.numbers(*src, rows, |row, entry| {
                                let label = u64::from((entry >> 4) as u32);
                                put(row.octets(), to.min(other), &(label << 32 | label).to_be_bytes());
                            })
                        }
                        (top, bottom) => set.numbers(*src, rows, |row, entry| {
                            put_label(entry, [top, bottom], row.octets());
                        }),
                    }
                }
                Op::Address { sources, to } if matches!(&**sources, [Src { len: 16, .. }]) => {
                    let at = sources.first().map_or(0, |src| usize::from(src.at));
                    for (octets, mut row) in block.chunks_exact(size).zip(rows.iter_mut_from(first)) {
                        put(row.octets(), *to, &address::of_v6(array_at(octets, at)));
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

    /// Makes the rows of one record. False: it tells no flow, and made none.
    #[inline]
    pub(crate) fn record(&mut self, plan: &Plan, base: &Base, record: Record<'_>, rows: &mut Rows) -> bool {
        let there = self.row(plan, &base.there, record, rows);
        match &plan.back {
            Some(back) => self.way_back(back, &base.back, record, there, rows) || there,
            None => there,
        }
    }

    /// Makes the row of one way of a record. False: there is none.
    #[inline]
    fn row(&mut self, plan: &Plan, base: &[u64], record: Record<'_>, rows: &mut Rows) -> bool {
        let mut row = rows.push(base);
        if !plan.variable {
            copy::run(&plan.copies, record.octets, row.octets());
        }
        let packets = record.find(plan.counters.packets).unwrap_or(0);
        let octets = record.find(plan.counters.octets).unwrap_or(0);
        *row.head(row::PACKETS) = packets;
        *row.head(row::OCTETS) = octets;
        if let Some(src) = plan.flows {
            // A record that says 0 is a flow all the same.
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

    /// Makes the row of the way back, behind that of the way there. A way without packets and octets has no row, unless neither has any:
    /// then the record is one of the way there.
    fn way_back(&mut self, plan: &Plan, base: &[u64], record: Record<'_>, there: bool, rows: &mut Rows) -> bool {
        let counters = [plan.counters.packets, plan.counters.octets];
        if counters.iter().all(|counter| record.find(*counter).unwrap_or(0) == 0) {
            return false;
        }
        let is_empty = |mut row: RowMut<'_>| *row.head(row::PACKETS) == 0 && *row.head(row::OCTETS) == 0;
        if there && rows.last_mut().is_some_and(is_empty) {
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
                // A field of six octets is a MAC address, whose octets fit into the number as well.
                if !octets.is_empty() {
                    put(row.octets(), *to, &number[8 - size..]);
                }
            }
            Op::Address { sources, to } => self.address(sources, *to, record, row.octets()),
            Op::Exporter { sources, to } => {
                if sources.iter().any(|src| record.field(*src).iter().any(|octet| *octet != 0)) {
                    self.address(sources, *to, record, row.octets());
                }
            }
            Op::Mask { sources, to } => {
                let mask = sources.iter().map(|src| record.number(*src)).find(|mask| *mask > 0).unwrap_or(0);
                put(row.octets(), *to, &[mask as u8]);
            }
            Op::Etype { host, to } => {
                let family: u16 = match octets_at(row.octets(), *host) {
                    host if host == address::ABSENT => 0,
                    host if address::is_v4(&host) => 0x0800,
                    _ => 0x86dd,
                };
                if array_at(row.octets(), *to) == [0; 2] {
                    put(row.octets(), *to, &family.to_be_bytes());
                }
            }
            Op::Time { sources, init, to } => {
                let time = |(src, clock): &(Src, Clock)| self.time(record.field(*src), *clock, record.find(*init));
                if let Some(time) = sources.iter().find_map(time) {
                    put(row.octets(), *to, &time.to_be_bytes());
                }
            }
            Op::BinTime { from, raw } => {
                let mut time = u64::from_be_bytes(array_at(row.octets(), *from));
                if let (Some(raw), true) = (raw, self.settings.time_secs && self.header.version == 5) {
                    time = match record.number(*raw) {
                        0 => u64::from(self.header.export_secs),
                        seconds => seconds,
                    } * SECOND;
                }
                *row.head(row::BIN_TIME) = time;
            }
            Op::Vlan { direction, ways: [ingress, egress], to } => {
                let out = record.find(*direction) == Some(1);
                let vlan = if out { egress.or(*ingress) } else { ingress.or(*egress) };
                put(row.octets(), *to, &(record.find(vlan).unwrap_or(0) as u16).to_be_bytes());
            }
            Op::Port { udp, tcp, proto, to } => {
                let port = match record.find(*proto) {
                    Some(17) => record.find(*udp),
                    Some(6) => record.find(*tcp),
                    _ => record.find(*udp).filter(|port| *port > 0).or(record.find(*tcp)),
                };
                put(row.octets(), *to, &(port.unwrap_or(0) as u16).to_be_bytes());
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
                    put(row.octets(), *to, &[0, rest[4], rest[5], rest[6]]);
                }
            }
            Op::Label { src, top, bottom } => {
                put_label(record.number(*src), [*top, *bottom], row.octets());
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
                    put(row.octets(), *to, &label(0));
                }
                if let (Some(to), true) = (bottom, len > 0) {
                    put(row.octets(), *to, &label(len - 3));
                }
                if let Some(to) = stack {
                    let id = self.strings.intern(&labels[..len]);
                    put(row.octets(), *to, &id.to_be_bytes());
                }
            }
            Op::Segments { src, list, to } => {
                let octets = record.field(*src);
                let segments = if *list { octets.get(5..).unwrap_or(&[]) } else { octets };
                let whole = segments.len() - segments.len() % 16;
                let id = self.strings.intern(&segments[..whole]);
                put(row.octets(), *to, &id.to_be_bytes());
            }
            Op::PathDelay { sum, to } => {
                let packets = record.find(plan.counters.packets).unwrap_or(0);
                let mean = record.number(*sum).checked_div(packets).unwrap_or(0);
                put(row.octets(), *to, &u32::try_from(mean).unwrap_or(u32::MAX).to_be_bytes());
            }
            Op::Text { src, to, raw } => {
                let mut octets = record.field(*src);
                if !raw {
                    octets = octets.split(|octet| *octet == 0).next().unwrap_or(octets);
                }
                let id = self.strings.intern(octets);
                put(row.octets(), *to, &id.to_be_bytes());
            }
            Op::Frame(frame) => return frame::fill(record.field(frame.src), frame, self.strings, row),
            Op::Interface { src, to } => {
                let name = self.options.interface(self.header.domain, record.number(*src));
                put(row.octets(), *to, &self.strings.intern(name).to_be_bytes());
            }
            Op::Application { src, to } => {
                let id = options_cache::application_id(record.field(*src));
                let id = self.strings.intern(self.options.application(self.header.domain, id));
                put(row.octets(), *to, &id.to_be_bytes());
            }
            Op::Vrf { ids, to } => {
                let id = ids.iter().map(|src| record.number(*src)).find(|id| *id > 0).unwrap_or(0);
                let id = self.strings.intern(self.options.vrf(self.header.domain, id));
                put(row.octets(), *to, &id.to_be_bytes());
            }
            Op::Rd { inline, vrfs, to, origin } => {
                let told = inline.map(|src| array_at::<8>(record.field(src), 0)).filter(|rd| *rd != [0; 8]);
                let id = vrfs.iter().map(|src| record.number(*src)).find(|id| *id > 0).unwrap_or(0);
                let rd = told.or_else(|| self.options.distinguisher(self.header.domain, id)).or_else(|| {
                    let id = u32::try_from(id).ok().filter(|id| *id > 0)?;
                    Some(RouteDistinguisher::of_vrf(id).0)
                });
                put(row.octets(), *to, &rd.unwrap_or_default());
                if let (Some(origin), true) = (origin, rd.is_some() || inline.is_some()) {
                    put(row.octets(), *origin, &[flow::kind::RdOrigin::FLOW.0]);
                }
            }
            Op::Network { host, mask, to } => {
                let host = octets_at(row.octets(), *host);
                let mask = row.octets().get(*mask).copied().unwrap_or(0);
                put(row.octets(), *to, &address::network(&host, mask));
            }
            Op::Sampling { sources, to } => {
                let interval = self.interval(record, sources);
                let mut shown = interval.unwrap_or(0);
                if let (Some(interval), true) = (interval, self.settings.renormalize) {
                    for word in [row::PACKETS, row::OCTETS] {
                        let count = row.head(word);
                        *count = count.saturating_mul(u64::from(interval));
                    }
                    shown = 1;
                }
                if let Some(to) = to {
                    put(row.octets(), *to, &shown.to_be_bytes());
                }
            }
        }
        true
    }

    /// One packet in so many, if it is known; 0 means that it is not.
    fn interval(&self, record: Record<'_>, sources: &SamplingSources) -> Option<u32> {
        let by_probability =
            || sources.probability.and_then(|src| netflow::options::interval_of(record.field(src)));
        let intervals = sources.intervals.iter();
        let interval = intervals.filter_map(|src| record.find(*src)).find(|interval| *interval > 0);
        let flow = Sampled {
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

    /// The first address that is not zero; when all are, the first one's zero.
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
        // A frame may have filled it.
        if octets_at(row, to) == address::ABSENT {
            put(row, to, &zero);
        }
    }

    /// Microseconds since 1970, if the octets tell. An absolute time of 0 is none; uptimes and offsets may be 0.
    fn time(&self, octets: &[u8], clock: Clock, init_ms: Option<u64>) -> Option<u64> {
        let value = number(octets);
        if octets.is_empty() {
            return None;
        }
        Some(match clock {
            Clock::Seconds | Clock::Milliseconds | Clock::Ntp if value == 0 => return None,
            Clock::Seconds => value.saturating_mul(SECOND),
            Clock::Milliseconds => value.saturating_mul(1000),
            Clock::Ntp => {
                let fraction = ((value & 0xffff_ffff) * SECOND + (1 << 31)) >> 32;
                // Seconds below the offset belong to the era that starts in 2036 (RFC 4330 section 3).
                let seconds = value >> 32;
                let seconds = if seconds < NTP_OFFSET { seconds + (1 << 32) } else { seconds } - NTP_OFFSET;
                seconds * SECOND + fraction
            }
            Clock::Before => (u64::from(self.header.export_secs) * SECOND).saturating_sub(value),
            Clock::Uptime => match self.header.uptime_ms {
                Some(uptime) => self.since_boot(uptime, value as u32),
                None => {
                    let is_set = |start: &u64| *start > 0;
                    let known = || self.options.start_ms(self.header.domain).filter(is_set);
                    let start = init_ms.filter(is_set).or_else(known)?;
                    start.saturating_add(value).saturating_mul(1000)
                }
            },
        })
    }

    /// A time of the exporter's uptime. The clock wraps after 49 days, so the nearer side counts. Parts of a second
    /// between it and the export are dropped, as the reference does, unless they are asked for.
    fn since_boot(&self, uptime: u32, value: u32) -> u64 {
        let before = i64::from(uptime.wrapping_sub(value) as i32);
        let export = i64::from(self.header.export_secs) * SECOND as i64;
        let time = if self.settings.uptime_fractions {
            export + i64::from(self.header.export_nanos / 1000) - before * 1000
        } else {
            export - before / 1000 * SECOND as i64
        };
        u64::try_from(time).unwrap_or(0)
    }
}

/// The label of a stack's only entry: top and bottom are one.
#[inline]
fn put_label(entry: u64, places: [Option<usize>; 2], row: &mut [u8]) {
    let label = ((entry >> 4) as u32).to_be_bytes();
    places.into_iter().flatten().for_each(|to| put(row, to, &label));
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
