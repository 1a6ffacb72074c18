//! Packets of interfaces: one, or those of a map.

#[cfg(feature = "pcap")]
pub(crate) use live::choose;
#[cfg(feature = "pcap")]
pub(super) use live::{check_filter, expression, known, sources_named};

/// Without libpcap, pmacctd has nothing to read.
#[cfg(not(feature = "pcap"))]
pub(crate) fn choose(
    reading: &mut crate::host::part::Reading<'_>,
    _: &enrich::Context,
) -> crate::flows::input::Choice<crate::flows::worker::Packets> {
    reading.problems.fatal(
        reading.config.source(),
        "this program was built without libpcap",
        Some("Build it with the feature pcap.".to_owned()),
    );
    crate::flows::input::Choice::Invalid
}

#[cfg(feature = "pcap")]
mod live {
    use super::super::{kernel_size, sorted};
    use crate::flows::input::{Choice, Intake, Opened, ReadInterfaces, Source};
    use crate::flows::worker::{Packets, Worker};
    use crate::host::blame;
    use crate::host::part::Reading;
    use ::maps::interfaces;
    use capture::live::{self, Direction, Interface, Live, Settings};
    use config::keys::input::{self, InterfaceIndex};
    use config::keys::maps;
    use config::{AnyKey, Config, Diagnostics, Origin};
    use enrich::Context;
    use filter::Filter;
    use packet::LinkType;
    use plugins::outlet::Wake;
    use std::path::PathBuf;
    use std::sync::Arc;
    use tracing::{info, warn};

    struct Interfaces {
        settings: Settings,
        map: Option<Map>,
    }

    /// `pcap_interfaces_map`, and how its interfaces are numbered.
    #[derive(Clone)]
    struct Map {
        path: PathBuf,
        numbers: InterfaceIndex,
    }

    impl Map {
        /// Reads the file. An unreadable file is fatal, an invalid line is not.
        fn read(&self, context: &Context, problems: &mut Diagnostics) -> Vec<Interface> {
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
                problems.fatal(&origin, "pcap_interfaces_map: the map has no interface.", None);
            }
            let interface = |found: interfaces::Interface| Interface {
                index: index(self.numbers, &found.name, found.index),
                name: found.name,
                direction: found.direction.map(|direction| match direction {
                    interfaces::Direction::In => Direction::In,
                    interfaces::Direction::Out => Direction::Out,
                }),
            };
            found.into_iter().map(interface).collect()
        }
    }

    /// The number of an interface in flows; 0: none.
    fn index(numbers: InterfaceIndex, name: &str, by_map: Option<u32>) -> u32 {
        match numbers {
            InterfaceIndex::System => live::system_index(name).unwrap_or(0),
            InterfaceIndex::Hash => name_hash(name),
            InterfaceIndex::Map => by_map.unwrap_or(0),
            InterfaceIndex::None => 0,
        }
    }

    /// A number derived from the name only, the same on all machines (FNV-1a), above the numbers that systems assign.
    fn name_hash(name: &str) -> u32 {
        name.bytes().fold(0x811c_9dc5u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
            | 1 << 31
    }

    /// Number of packet sources in the configuration.
    pub(in super::super) fn sources_named(config: &Config) -> usize {
        let named = [
            config.core(&input::PCAP_SAVEFILE).is_some(),
            config.core(&input::PCAP_INTERFACE).is_some(),
            config.core(&maps::PCAP_INTERFACES_MAP).is_some(),
        ];
        named.into_iter().filter(|named| *named).count()
    }

    /// `pcap_filter` and `pcap_protocol` as one expression.
    pub(in super::super) fn expression(config: &Config) -> Option<String> {
        let protocol = config.core(&input::PCAP_PROTOCOL).map(|number| format!("ether proto {number:#x}"));
        match (protocol, config.core(&input::PCAP_FILTER)) {
            (Some(protocol), Some(filter)) => Some(format!("{protocol} and ({filter})")),
            (protocol, filter) => protocol.or(filter),
        }
    }

    /// Reports errors in the expression, for these link types if they are known.
    pub(in super::super) fn check_filter(
        reading: &mut Reading<'_>,
        expression: Option<&str>,
        found: Option<&Vec<i32>>,
    ) {
        let Some(text) = expression else { return };
        // The link type of an interface is known when it is opened; an expression that is invalid for all link types is an error now.
        let kinds: Vec<Vec<i32>> = match found {
            Some(links) => vec![links.clone()],
            None => LinkType::ALL.iter().map(|(link, _)| vec![link.0 as i32]).collect(),
        };
        let compiled = |links: &Vec<i32>| Filter::compile_for_all(links, text);
        let first = if found.is_some() { kinds.first().map(compiled) } else { Some(Filter::compile(text)) };
        if let Some(Err(error)) = first
            && (found.is_some() || kinds.iter().all(|links| compiled(links).is_err()))
        {
            let what = format!("pcap_filter: '{text}': {error}.");
            let hint = "Use tcpdump's syntax, for example: src net 192.0.2.0/24 and tcp.";
            reading.problems.fatal(blame(reading.config, &input::PCAP_FILTER), what, Some(hint.to_owned()));
        }
    }

    /// Frames of an unknown link type cannot be read.
    pub(in super::super) fn known(key: &str, what: &str, link: LinkType) -> Result<(), String> {
        match link.name() {
            Some(name) => {
                info!("[{what}] link type is: {} ({name})", link.0);
                Ok(())
            }
            None => Err(format!("{key}: {what}: frames of link type {} cannot be read", link.0)),
        }
    }

    /// What pmacctd reads: interfaces of a map, or one interface.
    pub(crate) fn choose(reading: &mut Reading<'_>, context: &Context) -> Choice<Packets> {
        let config = reading.config;
        let numbers = config.core(&input::PCAP_IFINDEX);
        let map = config.core(&maps::PCAP_INTERFACES_MAP).map(|path| Map { path, numbers });
        if sources_named(config) > 1 {
            reading.problems.fatal(
                config.source(),
                "interface (-i), pcap_interfaces_map and pcap_savefile (-I) directives are mutually exclusive.",
                Some("Keep one of them.".to_owned()),
            );
            return Choice::Invalid;
        }
        let direction = config.core(&input::PCAP_DIRECTION).map(|direction| match direction {
            input::Direction::In => Direction::In,
            input::Direction::Out => Direction::Out,
        });
        let one = |name: String| vec![Interface { index: index(numbers, &name, None), name, direction }];
        let interfaces = match (&map, config.core(&input::PCAP_INTERFACE)) {
            (Some(map), _) => map.read(context, reading.problems),
            (None, Some(name)) => one(name),
            (None, None) => match live::default_interface() {
                Ok(name) => one(name),
                Err(error) => {
                    reading.problems.fatal(config.source(), error.to_string(), None);
                    return Choice::Invalid;
                }
            },
        };
        let settings = Settings {
            interfaces,
            promiscuous: config.core(&input::PROMISC),
            snaplen: kernel_size(config.core(&input::SNAPLEN)),
            buffer: config.core(&input::NFACCTD_PIPE_SIZE).map(kernel_size),
            filter: expression(config),
            wait: config.core(&input::PCAP_INTERFACE_WAIT),
        };
        Choice::This(Box::new(Interfaces { settings, map }))
    }

    impl Intake<Packets> for Interfaces {
        fn links(&self, reading: &mut Reading<'_>) -> Vec<i32> {
            check_filter(reading, self.settings.filter.as_deref(), None);
            Vec::new()
        }

        fn open(&mut self) -> Result<Vec<Opened<Packets>>, String> {
            let live = Live::open(self.settings.clone()).map_err(|error| error.to_string())?;
            for (interface, link) in live.opened() {
                known("pcap_interface", &format!("{},{}", interface.name, interface.index), link)?;
            }
            for name in live.missing() {
                warn!("{name}: cannot capture on the interface yet; retrying");
            }
            let waker = live.waker();
            let wake: Wake = Arc::new(move || waker.wake());
            let source: Box<dyn Source<Packets>> = Box::new(Captured(live));
            Ok(vec![(source, wake)])
        }

        fn announce(&self, _what: &str) {
            for interface in &self.settings.interfaces {
                let direction = interface.direction.map(|direction| format!(" direction={}", direction.name()));
                info!(
                    "capturing on interface={} index={}{}",
                    interface.name,
                    interface.index,
                    direction.unwrap_or_default()
                );
            }
        }

        fn buffer(&self) -> Option<&'static dyn AnyKey> {
            Some(&input::NFACCTD_PIPE_SIZE)
        }

        fn interfaces(&self) -> Option<ReadInterfaces> {
            let map = self.map.clone()?;
            Some(Arc::new(move |context: &Context, problems: &mut Diagnostics| map.read(context, problems)))
        }
    }

    struct Captured(Live);

    impl Source<Packets> for Captured {
        fn links(&self) -> Vec<i32> {
            sorted(self.0.links())
        }

        fn run(self: Box<Self>, worker: Worker<Packets>) {
            worker.run_live(self.0);
        }
    }
}
