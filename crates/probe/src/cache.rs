//! The flow cache: which flows are open, and when they end.
//!
//! The cache is a table of aggregates, to which the tables of workers are added. A flow ends when no packet arrives for a time that
//! depends on its protocol; a TCP connection with FIN or RST sooner; and any flow after its maximum age. Flows are examined at an
//! interval. At the maximum number of flows, those that have been idle longest end at once, an eighth more than necessary, so
//! that the search costs little for each flow. So the bound costs records, and never packets.

use aggregate::Table;
use flow::column::Id;
use flow::schema::{At, Schema};
use flow::strings::Strings;

/// Seconds, see [`Timeouts::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Idle time of TCP flows.
    pub tcp: u32,
    /// Idle time of TCP flows with RST.
    pub tcp_rst: u32,
    /// Idle time of TCP flows with FIN.
    pub tcp_fin: u32,
    /// Idle time of UDP flows.
    pub udp: u32,
    /// Idle time of ICMP flows.
    pub icmp: u32,
    /// Idle time of all others.
    pub general: u32,
    /// Maximum age.
    pub maxlife: u32,
    /// How often flows are examined.
    pub expint: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp: 3600,
            tcp_rst: 120,
            tcp_fin: 300,
            udp: 300,
            icmp: 300,
            general: 3600,
            maxlife: 604_800,
            expint: 60,
        }
    }
}

impl Timeouts {
    /// Names of the timeouts.
    pub const NAMES: [&'static str; 8] =
        ["tcp", "tcp.rst", "tcp.fin", "udp", "icmp", "general", "maxlife", "expint"];

    /// Reads `name=seconds` pairs, separated by colons; others keep their defaults. An `expint` of 0 is 1.
    ///
    /// # Errors
    /// The pair that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut timeouts = Self::default();
        for pair in text.split(':').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, seconds) = pair.split_once('=').ok_or_else(|| pair.to_owned())?;
            let timeout = match name.trim() {
                "tcp" => &mut timeouts.tcp,
                "tcp.rst" => &mut timeouts.tcp_rst,
                "tcp.fin" => &mut timeouts.tcp_fin,
                "udp" => &mut timeouts.udp,
                "icmp" => &mut timeouts.icmp,
                "general" => &mut timeouts.general,
                "maxlife" => &mut timeouts.maxlife,
                "expint" => &mut timeouts.expint,
                _ => return Err(pair.to_owned()),
            };
            *timeout = seconds.trim().parse().map_err(|_| pair.to_owned())?;
        }
        timeouts.expint = timeouts.expint.max(1);
        Ok(timeouts)
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: [u8; 2] = [1, 58];
const FIN: u64 = 1;
const RST: u64 = 4;

/// Takes flows that have ended: their keys, values and strings.
pub type Ended<'a> = &'a mut dyn FnMut(&[u8], &[u64], &Strings);

/// Open flows.
pub struct Cache {
    table: Option<Table>,
    timeouts: Timeouts,
    max_flows: usize,
    /// Offset of the protocol in the key.
    protocol: Option<usize>,
    /// Indexes among the values.
    flags: Option<usize>,
    first: Option<usize>,
    last: Option<usize>,
    /// Last times, to find the oldest; kept for its memory.
    times: Vec<u64>,
    /// The latest packet: microseconds since 1970.
    latest: u64,
}

impl Cache {
    /// An empty cache for aggregates of `schema`.
    pub fn new(schema: &Schema, timeouts: Timeouts, max_flows: usize) -> Self {
        let value = |id| match schema.column(id)?.at {
            At::Value(index) => Some(index),
            _ => None,
        };
        let protocol = schema.column(Id::IpProto).and_then(|column| match column.at {
            At::Key(at) => Some(at),
            _ => None,
        });
        Self {
            table: None,
            timeouts,
            max_flows: max_flows.max(1),
            protocol,
            flags: value(Id::TcpFlags),
            first: value(Id::TimestampMin),
            last: value(Id::TimestampMax),
            times: Vec::new(),
            latest: 0,
        }
    }

    /// Number of open flows.
    pub fn len(&self) -> usize {
        self.table.as_ref().map_or(0, Table::len)
    }

    /// True if no flow is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Approximate memory use in bytes.
    pub fn size(&self) -> usize {
        self.table.as_ref().map_or(0, Table::size)
    }

    /// The time of the latest packet: microseconds since 1970.
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// Adds a table. Ends flows beyond the bound.
    pub fn add(&mut self, table: Table, ended: Ended<'_>) {
        if let Some(last) = self.last {
            let times = table.iter().filter_map(|flow| flow.values.get(last).copied());
            self.latest = self.latest.max(times.max().unwrap_or(0));
        }
        match &mut self.table {
            Some(open) => open.absorb(table),
            None => self.table = Some(table),
        }
        if self.len() > self.max_flows {
            self.evict(ended);
        }
    }

    fn evict(&mut self, ended: Ended<'_>) {
        let kept = self.max_flows - self.max_flows / 8;
        let Some(table) = &mut self.table else { return };
        let Some(last) = self.last else { return };
        let time = |values: &[u64]| values.get(last).copied().unwrap_or(0);
        self.times.clear();
        self.times.extend(table.iter().map(|flow| time(flow.values)));
        let excess = self.times.len().saturating_sub(kept);
        let Some(rank) = excess.checked_sub(1) else { return };
        let (older, oldest_kept, _) = self.times.select_nth_unstable(rank);
        let limit = *oldest_kept;
        // Of flows with the same time, as many as needed.
        let mut left = excess - older.iter().filter(|time| **time < limit).count();
        table.retain(|key, values, strings| {
            let is_kept = match time(values).cmp(&limit) {
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Equal if left > 0 => {
                    left -= 1;
                    false
                }
                std::cmp::Ordering::Equal => true,
            };
            if !is_kept {
                ended(key, values, strings);
            }
            is_kept
        });
    }

    /// Ends the flows that are due at `now_us`, microseconds since 1970.
    pub fn expire(&mut self, now_us: u64, ended: Ended<'_>) {
        let Some(mut table) = self.table.take() else { return };
        table.retain(|key, values, strings| {
            let is_kept = !self.is_due(key, values, now_us);
            if !is_kept {
                ended(key, values, strings);
            }
            is_kept
        });
        self.table = Some(table);
    }

    fn is_due(&self, key: &[u8], values: &[u64], now_us: u64) -> bool {
        let value = |index: Option<usize>| index.and_then(|index| values.get(index)).copied().unwrap_or(0);
        let age = |since: u64| now_us.saturating_sub(since) / 1_000_000;
        let timeouts = &self.timeouts;
        let protocol = self.protocol.and_then(|at| key.get(at)).copied();
        let flags = value(self.flags);
        let idle = match protocol {
            Some(TCP) if flags & RST != 0 => timeouts.tcp_rst,
            Some(TCP) if flags & FIN != 0 => timeouts.tcp_fin,
            Some(TCP) => timeouts.tcp,
            Some(UDP) => timeouts.udp,
            Some(protocol) if ICMP.contains(&protocol) => timeouts.icmp,
            _ => timeouts.general,
        };
        age(value(self.last)) >= u64::from(idle) || age(value(self.first)) >= u64::from(timeouts.maxlife)
    }

    /// Ends all flows.
    pub fn drain(&mut self, ended: Ended<'_>) {
        let Some(table) = self.table.take() else { return };
        for flow in table.iter() {
            ended(flow.key, flow.values, table.strings());
        }
    }
}
