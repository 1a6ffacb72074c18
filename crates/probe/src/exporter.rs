//! Packs records into datagrams.
//!
//! A datagram is sent when the next record does not fit, and at [`Exporter::flush`]. In v9 and IPFIX, the first datagram starts
//! with all templates and the options data; they are repeated after a number of datagrams and after a time, since
//! a collector over UDP may have missed them (RFC 7011 section 8.4). The buffer belongs to the exporter: no record allocates memory.
//!
//! Over connections, templates belong to a transport session, and are sent once in each (RFC 7011 sections 8 and 10.4). Then the
//! sender begins each session with the messages of [`Exporter::announcement`], and numbers messages ([`renumber`]), since sequence numbers
//! begin with the session, too.

use crate::applications::Applications;
use crate::options::{self, About, Options};
use crate::record::Forms;
use crate::{Settings, Version, v5};
use flow::schema::{Schema, VALUE_BYTES, VALUE_PACKETS};
use flow::strings::Strings;
use netflow::encode::Message;
use netflow::template::Kind;
use std::collections::BTreeSet;

/// Datagrams after which templates are repeated.
const REFRESH_DATAGRAMS: u32 = 20;
/// Microseconds after which they are.
const REFRESH_US: u64 = 60_000_000;
/// Length of the header of an IPFIX message, in octets.
const IPFIX_HEADER: usize = 16;
/// Length of the header of v9, in octets.
const V9_HEADER: usize = 20;
/// Length of the header of a set, in octets.
const SET_HEADER: usize = 4;
/// The shortest datagram that every record fits in: texts are limited.
const MIN_DATAGRAM: usize = 512;

/// The flows in a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Flow records.
    pub flows: u64,
    /// Packets that they count.
    pub packets: u64,
    /// Bytes that they count.
    pub bytes: u64,
}

impl Contents {
    fn add(&mut self, values: &[u64]) {
        let value = |index: usize| values.get(index).copied().unwrap_or(0);
        self.flows += 1;
        self.packets = self.packets.saturating_add(value(VALUE_PACKETS));
        self.bytes = self.bytes.saturating_add(value(VALUE_BYTES));
    }
}

/// A complete datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its octets.
    pub octets: &'a [u8],
    /// The flows in it.
    pub contents: Contents,
    /// By how much it advances the sequence number: records in v5 and IPFIX, else 1.
    pub units: u32,
}

/// The sequence number of the first datagram: v9 counts datagrams from 1; v5 and IPFIX count records from 0.
pub fn first_sequence(version: Version) -> u32 {
    u32::from(version == Version::V9)
}

/// Overwrites the sequence number of a complete datagram.
pub fn renumber(version: Version, datagram: &mut [u8], sequence: u32) {
    let at = match version {
        Version::V5 => 16,
        Version::V9 => 12,
        Version::Ipfix => 8,
    };
    overwrite(datagram, at, &sequence.to_be_bytes());
}

/// Takes complete datagrams.
pub type Send<'a> = &'a mut dyn FnMut(Datagram<'_>);

/// Length of the header of v9 or IPFIX, in octets.
fn header(version: Version) -> usize {
    if version == Version::Ipfix { IPFIX_HEADER } else { V9_HEADER }
}

/// A complete set.
struct Ready {
    octets: Vec<u8>,
    /// Records and templates in it.
    count: u16,
    /// Data records among them.
    data: u32,
}

impl Ready {
    fn new(settings: &Settings, count: u16, data: u32, build: impl FnOnce(Message) -> Message) -> Self {
        let empty = match settings.version {
            Version::Ipfix => Message::ipfix(0, 0, 0),
            Version::V5 | Version::V9 => Message::v9(0, 0, 0, 0),
        };
        let octets = build(empty).finish();
        let octets = octets.get(header(settings.version)..).unwrap_or_default().to_vec();
        Self { octets, count, data }
    }

    /// The sets of an options template, if collectors do not know it, and of its records, of which there are a few in each.
    fn options(settings: &Settings, options: &Options, is_new: bool) -> Vec<Self> {
        /// Octets of records of a set, at most, unless it has only one.
        const LENGTH: usize = 400;
        let Options { template, records } = options;
        debug_assert_ne!(template.kind, Kind::Data);
        let mut sets = Vec::new();
        if is_new {
            sets.push(Self::new(settings, 1, 0, |message| message.templates(&[template])));
        }
        let size = records.first().map_or(1, Vec::len).max(1);
        for some in records.chunks((LENGTH / size).max(1)) {
            let len = some.len() * size;
            let pad = if settings.version == Version::V9 { len.next_multiple_of(4) - len } else { 0 };
            sets.push(Self::new(settings, some.len() as u16, some.len() as u32, |message| {
                message.records(template.id, some.len(), |w| {
                    some.iter().for_each(|record| _ = w.put(record));
                    (0..pad).for_each(|_| _ = w.u8(0));
                })
            }));
        }
        sets
    }
}

/// How records are written.
#[derive(Debug)]
enum Format {
    V5(Box<v5::Form>),
    Templates(Forms),
}

/// Encodes the flows of one probe.
#[derive(Debug)]
pub struct Exporter {
    settings: Settings,
    format: Format,
    about: About,
    applications: Applications,
    /// When all applications were named: microseconds since 1970.
    named: u64,
    /// Maximum length of a datagram, in octets.
    limit: usize,
    /// The datagram under construction; empty, or a header and what follows it.
    buffer: Vec<u8>,
    record: Vec<u8>,
    /// The set at the end of the buffer: its template and where it starts.
    set: Option<(u16, usize)>,
    contents: Contents,
    /// Records and templates in the datagram.
    count: u16,
    /// Data records in the datagram, options data included.
    data_records: u32,
    /// First and last time of each record of v5.
    times: Vec<[u64; 2]>,
    /// The sequence number of the next datagram.
    sequence: u32,
    since_templates: Option<(u32, u64)>,
    /// Templates are not repeated: they belong to transport sessions.
    in_sessions: bool,
    /// Ids of the templates that were sent last.
    announced: BTreeSet<u16>,
    skipped: Contents,
}

impl Exporter {
    /// For aggregates of `schema`. Datagrams have at most `limit` octets.
    pub fn new(settings: Settings, schema: &Schema, limit: usize) -> Self {
        let format = match settings.version {
            Version::V5 => Format::V5(Box::new(v5::Form::new(&settings, schema))),
            Version::V9 | Version::Ipfix => Format::Templates(Forms::new(&settings, schema)),
        };
        let sequence = first_sequence(settings.version);
        Self {
            settings,
            format,
            about: About::default(),
            applications: Applications::default(),
            named: 0,
            limit: limit.max(MIN_DATAGRAM),
            buffer: Vec::with_capacity(limit),
            record: Vec::new(),
            set: None,
            contents: Contents::default(),
            count: 0,
            data_records: 0,
            times: Vec::new(),
            sequence,
            since_templates: None,
            in_sessions: false,
            announced: BTreeSet::new(),
            skipped: Contents::default(),
        }
    }

    /// Leaves templates and options data to [`Self::announcement`] and [`Self::changes`].
    pub fn leave_out_templates(&mut self) {
        self.in_sessions = true;
    }

    /// Messages with all templates and the options data, which a transport session begins with. To be called after [`Self::flush`].
    pub fn announcement(&mut self, now_us: u64, send: Send<'_>) {
        self.announced.clear();
        self.applications.repeat();
        self.changes(now_us, send);
    }

    /// Messages with the options data, after they have changed, and with the templates that the last announcement lacked. To be called after
    /// [`Self::flush`].
    pub fn changes(&mut self, now_us: u64, send: Send<'_>) {
        if let Format::Templates(_) = &self.format {
            self.buffer.resize(self.header(), 0);
            self.announce(now_us, send);
            self.flush(now_us, send);
        }
    }

    /// Changes what options data tell. They are repeated soon if it differs. Returns whether it does.
    pub fn set_about(&mut self, about: About) -> bool {
        let differs = about != self.about;
        if differs {
            self.about = about;
            self.since_templates = None;
        }
        differs
    }

    /// Changes the maximum length of datagrams, in octets.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(MIN_DATAGRAM);
    }

    /// Flows that the version cannot express, since the last call: in v5, those of IPv6.
    pub fn take_skipped(&mut self) -> Contents {
        std::mem::take(&mut self.skipped)
    }

    /// Adds the record of an aggregate, whose string ids refer to `strings`.
    pub fn add(&mut self, key: &[u8], values: &[u64], strings: &Strings, now_us: u64, send: Send<'_>) {
        match &self.format {
            Format::V5(_) => self.add_v5(key, values, now_us, send),
            Format::Templates(_) => self.add_record(key, values, strings, now_us, send),
        }
    }

    fn add_v5(&mut self, key: &[u8], values: &[u64], now_us: u64, send: Send<'_>) {
        if self.times.len() >= v5::max_records(self.limit) {
            self.flush(now_us, send);
        }
        if self.buffer.is_empty() {
            self.buffer.resize(v5::HEADER, 0);
        }
        let Format::V5(form) = &self.format else { return };
        match form.write(key, values, &mut self.buffer) {
            Some(times) => {
                self.times.push(times);
                self.contents.add(values);
            }
            None => self.skipped.add(values),
        }
    }

    fn add_record(&mut self, key: &[u8], values: &[u64], strings: &Strings, now_us: u64, send: Send<'_>) {
        self.record.clear();
        let Format::Templates(forms) = &self.format else { return };
        let template = forms.write(key, values, strings, &mut self.applications, &mut self.record);
        if self.applications.has_new() {
            self.name_applications(now_us, send);
        }
        let header = if self.is_open(template) { 0 } else { SET_HEADER };
        // Three octets may be needed to pad a set of v9.
        if !self.buffer.is_empty() && self.buffer.len() + header + self.record.len() + 3 > self.limit {
            self.flush(now_us, send);
        }
        if self.buffer.is_empty() {
            self.start(now_us, send);
        }
        if !self.is_open(template) {
            self.close_set();
            self.set = Some((template, self.buffer.len()));
            self.buffer.extend_from_slice(&template.to_be_bytes());
            self.buffer.extend_from_slice(&[0; 2]);
        }
        self.buffer.extend_from_slice(&self.record);
        self.contents.add(values);
        self.count += 1;
        self.data_records += 1;
    }

    fn is_open(&self, template: u16) -> bool {
        self.set.is_some_and(|(open, _)| open == template)
    }

    fn header(&self) -> usize {
        header(self.settings.version)
    }

    /// Starts a datagram, with templates if they are due.
    fn start(&mut self, now_us: u64, send: Send<'_>) {
        self.buffer.resize(self.header(), 0);
        let is_due = self
            .since_templates
            .is_none_or(|(datagrams, sent)| datagrams >= REFRESH_DATAGRAMS || now_us.abs_diff(sent) >= REFRESH_US);
        if is_due && !self.in_sessions {
            self.announced.clear();
            self.since_templates = Some((0, now_us));
            self.announce(now_us, send);
        }
    }

    /// Adds all templates that have not been announced, and the options data.
    #[cold]
    fn announce(&mut self, now_us: u64, send: Send<'_>) {
        let Format::Templates(forms) = &self.format else { return };
        let templates: Vec<_> = forms.in_use(&self.settings).map(|form| form.template.clone()).collect();
        let (settings, announced) = (&self.settings, &mut self.announced);
        let mut sets: Vec<Ready> = templates
            .iter()
            .filter(|template| announced.insert(template.id))
            .map(|template| Ready::new(settings, 1, 0, |message| message.templates(&[template])))
            .collect();
        for options in options::all(settings, &self.about) {
            let is_new = announced.insert(options.template.id);
            sets.extend(Ready::options(settings, &options, is_new));
        }
        // Names are many, and repeated only after a time.
        if now_us.abs_diff(self.named) >= REFRESH_US {
            self.named = now_us;
            self.applications.repeat();
        }
        sets.extend(self.new_names());
        self.append(sets, now_us, send);
    }

    /// Adds the names of new applications, before the first record that has their number.
    #[cold]
    fn name_applications(&mut self, now_us: u64, send: Send<'_>) {
        self.close_set();
        if self.buffer.is_empty() {
            self.start(now_us, send);
        }
        let sets = self.new_names();
        self.append(sets, now_us, send);
    }

    /// The names of applications that collectors do not know.
    fn new_names(&mut self) -> Vec<Ready> {
        if !self.applications.has_new() {
            return Vec::new();
        }
        let options = options::applications(&self.settings, self.applications.take_new());
        // Over UDP, the datagram with the template may have been lost.
        let is_new = self.announced.insert(options.template.id) || !self.in_sessions;
        Ready::options(&self.settings, &options, is_new)
    }

    /// Adds complete sets, in as many datagrams as they need.
    fn append(&mut self, sets: Vec<Ready>, now_us: u64, send: Send<'_>) {
        for Ready { octets, count, data } in sets {
            if self.buffer.len() + octets.len() > self.limit {
                self.flush(now_us, send);
                self.buffer.resize(self.header(), 0);
            }
            self.buffer.extend_from_slice(&octets);
            self.count += count;
            self.data_records += data;
        }
    }

    /// Writes the length of the open set.
    fn close_set(&mut self) {
        let Some((_, start)) = self.set.take() else { return };
        if self.settings.version == Version::V9 {
            let padded = self.buffer.len().next_multiple_of(4);
            self.buffer.resize(padded, 0);
        }
        let length = (self.buffer.len() - start) as u16;
        overwrite(&mut self.buffer, start + 2, &length.to_be_bytes());
    }

    /// Sends what has been added.
    pub fn flush(&mut self, now_us: u64, send: Send<'_>) {
        let has_records = !self.times.is_empty() || self.count > 0;
        if has_records {
            self.close_set();
            let before = self.sequence;
            self.complete(now_us);
            let units = self.sequence.wrapping_sub(before);
            send(Datagram { octets: &self.buffer, contents: self.contents, units });
        }
        self.buffer.clear();
        self.times.clear();
        (self.contents, self.count, self.data_records) = (Contents::default(), 0, 0);
    }

    /// Writes the header.
    fn complete(&mut self, now_us: u64) {
        let (secs, settings) = ((now_us / 1_000_000) as u32, &self.settings);
        let domain = settings.domain.to_be_bytes();
        let sequence = self.sequence.to_be_bytes();
        if let Some((datagrams, _)) = &mut self.since_templates {
            *datagrams += 1;
        }
        match settings.version {
            Version::V5 => {
                v5::complete(&mut self.buffer, settings, self.sequence, &self.times, now_us);
                self.sequence = self.sequence.wrapping_add(self.times.len() as u32);
            }
            Version::V9 => {
                let uptime_ms = (now_us.saturating_sub(settings.started_us) / 1000) as u32;
                let (version, count) = (9u16.to_be_bytes(), self.count.to_be_bytes());
                let (uptime, secs) = (uptime_ms.to_be_bytes(), secs.to_be_bytes());
                let header = [&version[..], &count, &uptime, &secs, &sequence, &domain].concat();
                overwrite(&mut self.buffer, 0, &header);
                self.sequence = self.sequence.wrapping_add(1);
            }
            Version::Ipfix => {
                let (version, length) = (10u16.to_be_bytes(), (self.buffer.len() as u16).to_be_bytes());
                let header = [&version[..], &length, &secs.to_be_bytes(), &sequence, &domain].concat();
                overwrite(&mut self.buffer, 0, &header);
                self.sequence = self.sequence.wrapping_add(self.data_records);
            }
        }
    }

    /// Columns that are not exported.
    pub fn unsupported(&self) -> &[String] {
        match &self.format {
            Format::V5(form) => form.unsupported(),
            Format::Templates(forms) => forms.unsupported(),
        }
    }
}

fn overwrite(octets: &mut [u8], at: usize, with: &[u8]) {
    if let Some(place) = octets.get_mut(at..at + with.len()) {
        place.copy_from_slice(with);
    }
}
