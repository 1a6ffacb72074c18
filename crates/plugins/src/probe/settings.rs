//! Settings of the probes.

use super::session::settings::Transport;
use super::session::{self, Dialler};
use super::target::Target;
use ::probe::interfaces::{self, Direction, Ifindex, Tag};
use ::probe::samples;
use ::probe::{Precision, Settings, Timeouts, Version};
use config::keys::aggregation::NFACCTD_PEER_AS;
use config::keys::core::{PLUGIN_EXIT_TIMEOUT, PLUGIN_QUEUE_MEMORY, PLUGIN_WRITE_TIMEOUT};
use config::keys::input::{InterfaceIndex, PCAP_IFINDEX, PCAP_INTERFACE};
use config::keys::maps::PCAP_INTERFACES_MAP;
use config::keys::nfprobe::{self as keys, NfprobeVersion, ProbeDirection};
use config::keys::sampling::{NFACCTD_EXT_SAMPLING_RATE, NFACCTD_RENORMALIZE, SAMPLING_RATE};
use config::keys::sfprobe::{SFPROBE_AGENTIP, SFPROBE_AGENTSUBID, SFPROBE_IFSPEED, SFPROBE_RECEIVER};
use config::keys::time::TIMESTAMPS_SECS;
use config::{Diagnostics, Plugin};
use flow::schema::{Options, Selection};
use runtime::clock;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What an nfprobe plugin does.
#[derive(Clone, Debug)]
pub struct Nfprobe {
    /// Where it sends.
    pub target: Target,
    /// How it sends.
    pub(crate) transport: Transport,
    /// What makes connections, if there are any.
    pub(crate) dialler: Option<Dialler>,
    /// `plugin_queue_memory`.
    queue_bytes: usize,
    /// `plugin_write_timeout`, `plugin_exit_timeout`.
    timeouts_of_session: [Duration; 2],
    /// What it exports.
    pub export: Settings,
    /// 5, 9 or 10.
    pub version: u8,
    /// `nfprobe_timeouts`.
    pub timeouts: Timeouts,
    /// `nfprobe_maxflows`.
    pub max_flows: usize,
    /// Flows are cached; not with `nfprobe_dont_cache`.
    pub caches: bool,
    /// The input is a capture file, whose packets have times of their own.
    pub is_replay: bool,
    /// Interface indexes are those of the system, which has names for them.
    pub names_interfaces: bool,
}

/// The target of a plugin from its receiver, or a problem.
pub(super) fn target(
    plugin: &Plugin,
    receiver: (&'static str, &str),
    hop_limit: Option<u32>,
    problems: &mut Diagnostics,
) -> Target {
    let (key, text) = receiver;
    let (host, port) = Target::split(text).unwrap_or_else(|| {
        problems.fatal(
            plugin.blame_named(key),
            format!("{key}[{}]: '{text}' is not a host and a port.", plugin.name),
            Some("For example 192.0.2.1:2055, [2001:db8::1]:2055 or collector.example.net:2055.".to_owned()),
        );
        (String::new(), 0)
    });
    Target {
        host,
        port,
        source: plugin.get(&keys::NFPROBE_SOURCE_IP),
        hop_limit: hop_limit.and_then(|limit| u8::try_from(limit).ok()),
        precedence: u8::try_from(plugin.get(&keys::NFPROBE_IPPREC)).unwrap_or(0),
        datagram_size: plugin.get(&keys::NFPROBE_DATAGRAM_SIZE).map(|size| size as usize),
        key,
    }
}

/// Direction and interface index.
pub(super) fn interfaces(plugin: &Plugin, problems: &mut Diagnostics) -> interfaces::Settings {
    let direction = plugin.get(&keys::NFPROBE_DIRECTION).map(|direction| match direction {
        ProbeDirection::In => Direction::In,
        ProbeDirection::Out => Direction::Out,
        ProbeDirection::Tag => Direction::By(Tag::First),
        ProbeDirection::Tag2 => Direction::By(Tag::Second),
    });
    let text = plugin.get(&keys::NFPROBE_IFINDEX);
    let ifindex = text.as_deref().and_then(ifindex);
    let (origin, name) = (plugin.blame(&keys::NFPROBE_IFINDEX), &plugin.name);
    let key = plugin.written_as(&keys::NFPROBE_IFINDEX).unwrap_or("nfprobe_ifindex");
    match (&text, ifindex) {
        (Some(text), None) => problems.warn(
            origin,
            format!("{key}[{name}]: '{text}' is neither an interface index nor 'tag' nor 'tag2'. Ignored."),
            None,
        ),
        (Some(_), Some(_)) if direction.is_none() => problems.warn(
            origin,
            format!("{key}[{name}]: has no effect without a direction."),
            Some(format!("Add {}[{name}]: in", key.replace("ifindex", "direction"))),
        ),
        _ => {}
    }
    interfaces::Settings { direction, ifindex, overrides: plugin.get(&keys::NFPROBE_IFINDEX_OVERRIDE) }
}

fn ifindex(text: &str) -> Option<Ifindex> {
    match text.trim() {
        "tag" => Some(Ifindex::By(Tag::First)),
        "tag2" => Some(Ifindex::By(Tag::Second)),
        text => {
            let number = match text.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            };
            number.filter(|number| *number > 0).map(Ifindex::Fixed)
        }
    }
}

/// The sampling interval that the export announces.
pub(super) fn sampling(plugin: &Plugin) -> Option<u32> {
    let of_input = plugin.get(&NFACCTD_EXT_SAMPLING_RATE).filter(|_| !plugin.get(&NFACCTD_RENORMALIZE));
    plugin.get(&SAMPLING_RATE).or(of_input).filter(|interval| *interval > 1)
}

impl Nfprobe {
    /// Reads the settings.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Self {
        let receiver = plugin.get(&keys::NFPROBE_RECEIVER);
        let export = export(plugin, problems);
        let timeouts =
            plugin.get(&keys::NFPROBE_TIMEOUTS).map_or(Ok(Timeouts::default()), |text| Timeouts::parse(&text));
        let timeouts = timeouts.unwrap_or_else(|pair| {
            problems.fatal(
                plugin.blame(&keys::NFPROBE_TIMEOUTS),
                format!("nfprobe_timeouts[{}]: '{pair}' is not a name and a number of seconds.", plugin.name),
                Some(format!("For example tcp=120:maxlife=3600; names are {}.", Timeouts::NAMES.join(", "))),
            );
            Timeouts::default()
        });
        let target =
            target(plugin, ("nfprobe_receiver", &receiver), plugin.get(&keys::NFPROBE_HOPLIMIT), problems);
        let limit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            transport: Transport::read(plugin, &target.host, problems),
            dialler: None,
            queue_bytes: limit(plugin.get(&PLUGIN_QUEUE_MEMORY)),
            timeouts_of_session: [plugin.get(&PLUGIN_WRITE_TIMEOUT), plugin.get(&PLUGIN_EXIT_TIMEOUT)],
            target,
            version: match export.version {
                Version::V5 => 5,
                Version::V9 => 9,
                Version::Ipfix => 10,
            },
            export,
            timeouts,
            max_flows: plugin.get(&keys::NFPROBE_MAXFLOWS) as usize,
            caches: !plugin.get(&keys::NFPROBE_DONT_CACHE),
            is_replay: false,
            names_interfaces: plugin.get(&PCAP_IFINDEX) == InterfaceIndex::System
                && plugin.get(&keys::NFPROBE_IFINDEX).is_none(),
        }
    }

    /// What a session needs, if there are any.
    pub(super) fn session(&self) -> Option<session::Settings> {
        let [timeout, exit] = self.timeouts_of_session;
        Some(session::Settings {
            dialler: self.dialler.clone()?,
            transport: self.transport.clone(),
            queue_bytes: self.queue_bytes,
            timeout,
            exit,
            is_patient: self.is_replay,
        })
    }

    /// What its tables need beyond the configured primitives.
    pub fn shape(plugin: &Plugin, selection: &mut Selection, options: &mut Options) {
        let export = export(plugin, &mut Diagnostics::new());
        let selected: Vec<&str> = selection.primitives().map(|primitive| primitive.name).collect();
        let implied: Vec<&str> = export.implied(|name| selected.contains(&name)).collect();
        options.icmp = selected.contains(&"dst_port");
        options.first_and_last = true;
        options.distinct = plugin.get(&keys::NFPROBE_DONT_CACHE);
        // The precision of exported times is not that of keys.
        options.whole_seconds = false;
        implied.into_iter().for_each(|name| selection.add(name));
    }
}

/// What an sfprobe plugin does.
#[derive(Clone, Debug)]
pub struct Sfprobe {
    /// Where it sends.
    pub target: Target,
    /// What it samples.
    pub samples: samples::Settings,
    /// `sfprobe_agentip`.
    pub address: IpAddr,
    /// `sfprobe_agentsubid`.
    pub sub_agent: u32,
    /// `sfprobe_ifspeed`, if it is set: bits per second.
    pub speed: Option<u64>,
    /// `pcap_interface`, whose counters are sent.
    pub interface: Option<String>,
    /// `pcap_interfaces_map`: those of its interfaces are sent, too.
    pub interfaces_map: Option<PathBuf>,
    /// The input is a capture file.
    pub is_replay: bool,
}

impl Sfprobe {
    /// Reads the settings.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Self {
        let receiver = plugin.get(&SFPROBE_RECEIVER);
        // As in pmacct, 0 is the default.
        const SUB_AGENT: u32 = 1402;
        Self {
            target: target(plugin, ("sfprobe_receiver", &receiver), None, problems),
            samples: samples_of(plugin, problems),
            address: plugin.get(&SFPROBE_AGENTIP),
            sub_agent: Some(plugin.get(&SFPROBE_AGENTSUBID)).filter(|id| *id > 0).unwrap_or(SUB_AGENT),
            speed: plugin.origin_of(&SFPROBE_IFSPEED).map(|_| plugin.get(&SFPROBE_IFSPEED)),
            interface: plugin.get(&PCAP_INTERFACE),
            interfaces_map: plugin.get(&PCAP_INTERFACES_MAP),
            is_replay: false,
        }
    }

    /// What its rows need beyond the configured primitives.
    pub fn shape(plugin: &Plugin, selection: &mut Selection, _options: &mut Options) {
        let settings = samples_of(plugin, &mut Diagnostics::new());
        let selected: Vec<&str> = selection.primitives().map(|primitive| primitive.name).collect();
        let implied: Vec<&str> = settings.implied(|name| selected.contains(&name)).collect();
        implied.into_iter().for_each(|name| selection.add(name));
    }
}

fn samples_of(plugin: &Plugin, problems: &mut Diagnostics) -> samples::Settings {
    samples::Settings {
        rate: sampling(plugin).unwrap_or(1),
        interfaces: interfaces(plugin, problems),
        peer_as: plugin.get(&NFACCTD_PEER_AS),
    }
}

fn export(plugin: &Plugin, problems: &mut Diagnostics) -> Settings {
    let version = match plugin.get(&keys::NFPROBE_VERSION) {
        NfprobeVersion::V5 => Version::V5,
        NfprobeVersion::V9 => Version::V9,
        NfprobeVersion::Ipfix => Version::Ipfix,
    };
    let engine = plugin.get(&keys::NFPROBE_ENGINE);
    let domain = engine.as_deref().map_or(Some(0), |text| domain(text, version)).unwrap_or_else(|| {
        let (text, name) = (engine.as_deref().unwrap_or_default(), &plugin.name);
        problems.fatal(
            plugin.blame(&keys::NFPROBE_ENGINE),
            format!("nfprobe_engine[{name}]: '{text}' is not an engine of this nfprobe_version."),
            Some("A number up to 4294967295; for nfprobe_version 5 type and id, such as 1:10.".to_owned()),
        );
        0
    });
    let precision = match (plugin.get(&TIMESTAMPS_SECS), plugin.get(&keys::NFPROBE_TSTAMP_USEC)) {
        (true, _) => Precision::Seconds,
        (_, true) => Precision::Microseconds,
        _ => Precision::Milliseconds,
    };
    Settings {
        version,
        domain,
        precision,
        interfaces: interfaces(plugin, problems),
        peer_as: plugin.get(&NFACCTD_PEER_AS),
        sampling: sampling(plugin),
        started_us: clock::now(),
    }
}

/// `nfprobe_engine`: a number, or in v5 `type:id`.
fn domain(text: &str, version: Version) -> Option<u32> {
    match text.trim().split_once(':') {
        Some((kind, id)) => {
            let (kind, id): (u8, u8) = (kind.trim().parse().ok()?, id.trim().parse().ok()?);
            Some(u32::from(kind) << 8 | u32::from(id))
        }
        None => {
            let number: u32 = text.trim().parse().ok()?;
            (version != Version::V5 || number <= 0xffff).then_some(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_numbers_or_type_and_id() {
        assert_eq!(domain("4711", Version::V9), Some(4711));
        assert_eq!(domain("1:10", Version::V5), Some(266));
        assert_eq!(domain("4294967295", Version::Ipfix), Some(u32::MAX));
        for wrong in ["", "x", "1:300", "-1", "4294967296"] {
            assert_eq!(domain(wrong, Version::Ipfix), None, "{wrong}");
        }
        assert_eq!(domain("70000", Version::V5), None);
    }

    #[test]
    fn interface_indexes_are_numbers_or_tags() {
        assert_eq!(ifindex("12"), Some(Ifindex::Fixed(12)));
        assert_eq!(ifindex("0x10"), Some(Ifindex::Fixed(16)));
        assert_eq!(ifindex("tag2"), Some(Ifindex::By(Tag::Second)));
        assert_eq!((ifindex("0"), ifindex("eth0")), (None, None));
    }
}
