//! Where pmacctd and uacctd get their packets from, and how they read them.

use super::blame;
use crate::intake::Intake;
#[cfg(feature = "pcap")]
use ::maps::interfaces;
use capture::nflog;
#[cfg(feature = "pcap")]
use config::Origin;
use config::keys::input::{self, Direction, InterfaceIndex};
use config::keys::{aggregation, maps, sampling};
use config::{Config, Daemon, Plugin, Problems};
use decode::from_packet::{self, flows};
use enrich::Context;
use flow::primitive::Supply;
use flow::schema::Selection;
use packet::tunnel::{Kind, Ports};
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "pcap")]
use capture::live;

/// Most layers of `tunnel_0`.
const LAYERS: usize = 4;
/// Silence after which a TCP flow is another one, if the configuration does not tell.
const TCP_LIFETIME: Duration = Duration::from_secs(60);

/// `pcap_interfaces_map`, and what numbers its interfaces have.
#[derive(Clone, Debug)]
pub(crate) struct InterfacesMap {
    pub(crate) path: PathBuf,
    numbers: InterfaceIndex,
}

impl InterfacesMap {
    /// The key; the file is read by [`InterfacesMap::read`].
    pub(super) fn read_key(config: &Config, daemon: Daemon) -> Option<Self> {
        let path = config.core(&maps::PCAP_INTERFACES_MAP).filter(|_| daemon == Daemon::Pmacctd)?;
        Some(Self { path, numbers: config.core(&input::PCAP_IFINDEX) })
    }

    /// Reads the file. One that cannot be read is fatal, a bad line in it is not.
    #[cfg(feature = "pcap")]
    pub(crate) fn read(&self, context: &Context, problems: &mut Problems) -> Vec<live::Interface> {
        let origin = Origin::whole(&self.path.display().to_string());
        let text = match config::text::read(&self.path) {
            Ok(text) => text,
            Err(error) => {
                problems.fatal(&origin, format!("pcap_interfaces_map: {error}."), None);
                return Vec::new();
            }
        };
        let numbered = self.numbers == InterfaceIndex::Map;
        let found = interfaces::parse(&origin, &text, context, numbered, problems);
        if found.is_empty() {
            problems.fatal(&origin, "pcap_interfaces_map: it names no interface.", None);
        }
        let interface = |found: interfaces::Interface| live::Interface {
            index: index(self.numbers, &found.name, found.index),
            name: found.name,
            direction: found.direction.map(|direction| match direction {
                interfaces::Direction::In => live::Direction::In,
                interfaces::Direction::Out => live::Direction::Out,
            }),
        };
        found.into_iter().map(interface).collect()
    }
}

/// The number of an interface in flows; 0: none.
#[cfg(feature = "pcap")]
fn index(numbers: InterfaceIndex, name: &str, by_map: Option<u32>) -> u32 {
    match numbers {
        InterfaceIndex::System => live::system_index(name).unwrap_or(0),
        InterfaceIndex::Hash => name_hash(name),
        InterfaceIndex::Map => by_map.unwrap_or(0),
        InterfaceIndex::None => 0,
    }
}

/// A number that a name always has, and no other machine gives it another (FNV-1a), above those that systems give.
#[cfg(feature = "pcap")]
fn name_hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)) | 1 << 31
}

/// Where pmacctd gets its packets from: a file, interfaces of a map, or one interface.
#[cfg(feature = "pcap")]
pub(super) fn pmacctd(
    config: &Config,
    map: Option<&InterfacesMap>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Intake> {
    let (file, name) = (config.core(&input::PCAP_SAVEFILE), config.core(&input::PCAP_INTERFACE));
    if [file.is_some(), name.is_some(), map.is_some()].into_iter().filter(|named| *named).count() > 1 {
        problems.fatal(
            config.source(),
            "interface (-i), pcap_interfaces_map and pcap_savefile (-I) directives are mutually exclusive.",
            Some("Keep one of them.".to_owned()),
        );
        return None;
    }
    let filter = filter(config);
    if let Some(path) = file {
        let settings = capture::pcap_file::Settings {
            path,
            wait: config.core(&input::PCAP_SAVEFILE_WAIT),
            delay: config.core(&input::PCAP_SAVEFILE_DELAY),
            replay: config.core(&input::PCAP_SAVEFILE_REPLAY),
            ..capture::pcap_file::Settings::default()
        };
        return Some(Intake::Packets(settings, filter));
    }
    let direction = config.core(&input::PCAP_DIRECTION).map(|direction| match direction {
        Direction::In => live::Direction::In,
        Direction::Out => live::Direction::Out,
    });
    let interfaces = match (map, name) {
        (Some(map), _) => map.read(context, problems),
        (None, Some(name)) => {
            let index = index(config.core(&input::PCAP_IFINDEX), &name, None);
            vec![live::Interface { name, index, direction }]
        }
        (None, None) => match live::default_interface() {
            Ok(name) => {
                let index = index(config.core(&input::PCAP_IFINDEX), &name, None);
                vec![live::Interface { name, index, direction }]
            }
            Err(error) => {
                problems.fatal(config.source(), error.to_string(), None);
                return None;
            }
        },
    };
    Some(Intake::Live(live::Settings {
        interfaces,
        promiscuous: config.core(&input::PROMISC),
        snaplen: octets(config.core(&input::SNAPLEN)),
        buffer: config.core(&input::NFACCTD_PIPE_SIZE).map(octets),
        filter,
        wait: config.core(&input::PCAP_INTERFACE_WAIT),
    }))
}

/// Without libpcap there is nothing that pmacctd could read.
#[cfg(not(feature = "pcap"))]
pub(super) fn pmacctd(
    config: &Config,
    _: Option<&InterfacesMap>,
    _: &Context,
    problems: &mut Problems,
) -> Option<Intake> {
    problems.fatal(
        config.source(),
        "this program was built without libpcap",
        Some("build it with the feature pcap".to_owned()),
    );
    None
}

/// Link types of the frames that come, by libpcap's numbers, as far as they are known before anything is opened: those of a
/// capture file. Says what is wrong with the file, and with `pcap_filter`.
#[cfg(feature = "pcap")]
pub(super) fn links(config: &Config, intake: &Intake, problems: &mut Problems) -> Vec<i32> {
    let (settings, expression) = match intake {
        Intake::File(settings) => (Some(settings), None),
        Intake::Packets(settings, expression) => (Some(settings), expression.as_deref()),
        Intake::Live(settings) => (None, settings.filter.as_deref()),
        Intake::Udp(_) | Intake::Nflog(_) => (None, None),
    };
    let found = settings.and_then(|settings| file_links(config, settings, problems));
    if let Some(text) = expression {
        // What an interface delivers shows when it is opened; an expression that suits no frames at all is wrong now.
        let kinds: Vec<Vec<i32>> = match &found {
            Some(links) => vec![links.clone()],
            None => packet::LinkType::ALL.iter().map(|(link, _)| vec![link.0 as i32]).collect(),
        };
        let compiled = |links: &Vec<i32>| filter::Filter::compile_for_all(links, text);
        let first =
            if found.is_some() { kinds.first().map(compiled) } else { Some(filter::Filter::compile(text)) };
        if let Some(Err(error)) = first
            && (found.is_some() || kinds.iter().all(|links| compiled(links).is_err()))
        {
            let what = format!("pcap_filter: '{text}': {error}.");
            let hint = "An expression as of tcpdump, such as src net 192.0.2.0/24 and tcp.";
            problems.fatal(blame(config, &input::PCAP_FILTER), what, Some(hint.to_owned()));
        }
    }
    match intake {
        Intake::Packets(..) => found.unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[cfg(not(feature = "pcap"))]
pub(super) fn links(_: &Config, _: &Intake, _: &mut Problems) -> Vec<i32> {
    Vec::new()
}

/// The link types of a capture file. A pipe is left alone: it can be read only once.
#[cfg(feature = "pcap")]
fn file_links(
    config: &Config,
    settings: &capture::pcap_file::Settings,
    problems: &mut Problems,
) -> Option<Vec<i32>> {
    if std::fs::metadata(&settings.path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return None;
    }
    let opened = capture::pcap_file::Source::open(settings).map_err(|error| error.to_string()).and_then(|file| {
        let unknown = file.links().into_iter().find(|link| link.name().is_none());
        match unknown.filter(|_| config.daemon() == Daemon::Pmacctd) {
            Some(link) => {
                Err(format!("{}: frames of link type {} cannot be read", settings.path.display(), link.0))
            }
            None => Ok(file.links()),
        }
    });
    match opened {
        Ok(links) => Some(links.into_iter().map(|link| link.0 as i32).collect()),
        Err(error) => {
            problems.fatal(blame(config, &input::PCAP_SAVEFILE), format!("pcap_savefile: {error}"), None);
            None
        }
    }
}

/// `pcap_filter` and `pcap_protocol` as one expression.
#[cfg(feature = "pcap")]
fn filter(config: &Config) -> Option<String> {
    let protocol = config.core(&input::PCAP_PROTOCOL).map(|number| format!("ether proto {number:#x}"));
    match (protocol, config.core(&input::PCAP_FILTER)) {
        (Some(protocol), Some(filter)) => Some(format!("{protocol} and ({filter})")),
        (protocol, filter) => protocol.or(filter),
    }
}

/// Where uacctd gets its packets from.
pub(super) fn uacctd(config: &Config) -> Intake {
    Intake::Nflog(nflog::Settings {
        group: config.core(&input::UACCTD_GROUP),
        snaplen: octets(config.core(&input::SNAPLEN)),
        buffer: octets(config.core(&input::UACCTD_NL_SIZE)),
        threshold: config.core(&input::UACCTD_THRESHOLD),
    })
}

/// How packets are read. `flows`: some plugin counts them.
pub(super) fn decode(config: &Config, flows: bool, problems: &mut Problems) -> from_packet::Settings {
    let bound = |octets: u64| usize::try_from(octets).unwrap_or(usize::MAX);
    from_packet::Settings {
        unknown_etypes: config.core(&aggregation::AGGREGATE_UNKNOWN_ETYPE),
        trailer: config.core(&input::PCAP_ARISTA_TRAILER_OFFSET).map(|offset| {
            let flag = config.core(&input::PCAP_ARISTA_TRAILER_FLAG_VALUE);
            (usize::try_from(offset).unwrap_or(usize::MAX), u32::from(flag))
        }),
        inside: tunnels(config, problems),
        direction: config.core(&input::PCAP_DIRECTION).map(|direction| u8::from(direction == Direction::Out)),
        fragments: bound(config.core(&input::PMACCTD_FRAG_BUFFER_SIZE)),
        force_fragments: config.core(&input::PMACCTD_FORCE_FRAG_HANDLING),
        flows: flows.then(|| flows::Settings {
            bound: bound(config.core(&input::PMACCTD_FLOW_BUFFER_SIZE)),
            lifetime: config.core(&input::PMACCTD_FLOW_TCP_LIFETIME).unwrap_or(TCP_LIFETIME),
        }),
    }
}

/// `tunnel_0`: the packet inside these tunnels is the one that counts.
pub(super) fn tunnels(config: &Config, problems: &mut Problems) -> Option<Ports> {
    let text = config.core(&input::TUNNEL_0)?;
    let layer = |layer: &str| {
        let (word, port) = layer.split_once(',')?;
        let kind = match word.trim() {
            "gtp" => Kind::Gtp,
            "vxlan" => Kind::Vxlan,
            "geneve" => Kind::Geneve,
            _ => return None,
        };
        Some((port.trim().parse::<u16>().ok()?, kind))
    };
    let layers: Option<Vec<_>> = text.split(';').map(layer).collect();
    match layers {
        Some(layers) if layers.len() <= LAYERS => Some(Ports::only(layers)),
        _ => {
            problems.fatal(
                blame(config, &input::TUNNEL_0),
                format!("tunnel_0: '{text}' names no tunnels."),
                Some("Such as 'gtp, 2152' or 'vxlan, 4789'; up to four, with ';' between them.".to_owned()),
            );
            None
        }
    }
}

fn octets(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Packets are sampled before they come, or here, but not twice.
pub(super) fn refuse_two_samplings(config: &Config, problems: &mut Problems) {
    if let Some(origin) = config.core_origin(&sampling::NFACCTD_EXT_SAMPLING_RATE)
        && config.core(&sampling::SAMPLING_RATE).is_some()
    {
        let what = "Internal packet sampling and external packet sampling are mutual exclusive.";
        let hint = "Either sampling_rate (sampled here) or pmacctd_ext_sampling_rate (sampled before).";
        problems.fatal(origin, what, Some(hint.to_owned()));
    }
}

/// Packets tell neither AS numbers nor prefixes: a plugin that asks for them must say where they come from.
pub(super) fn refuse_without_source(plugin: &Plugin, selection: &Selection, problems: &mut Problems) {
    let file = plugin.get(&maps::NETWORKS_FILE).is_some();
    let ases = file || plugin.get(&aggregation::NFACCTD_AS).is_some();
    let mask = plugin.get(&aggregation::NETWORKS_MASK).is_some();
    let nets = file || mask || plugin.get(&aggregation::NFACCTD_NET).is_some();
    let rules = [
        (ases, Supply::Ases, "AS numbers", "Set networks_file, or pmacctd_as."),
        (nets, Supply::Networks, "prefixes", "Set networks_file, networks_mask, or pmacctd_net."),
    ];
    for (has_source, supply, what, hint) in rules {
        if let Some(primitive) = selection.supplied_by(supply).filter(|_| !has_source) {
            let word = primitive.name;
            let what = format!("aggregate[{}]: '{word}' has no source: packets tell no {what}.", plugin.name);
            problems.fatal(plugin.blame(&aggregation::AGGREGATE), what, Some(hint.to_owned()));
        }
    }
}
