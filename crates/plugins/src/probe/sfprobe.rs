//! The thread of sfprobe: an sFlow agent.

use super::packets::{Event, Inlet};
use super::sender::{Pace, Sender};
use super::settings::Sfprobe;
use crate::sink::Accounting;
use ::probe::agent::{Identity, InterfaceCounters};
use ::probe::{Agent, Batch};
use runtime::clock;
use stats::Counters;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often counters of interfaces are sent.
const COUNTERS: Duration = Duration::from_secs(20);
/// How often the agent looks at the time.
const TICK: Duration = Duration::from_secs(1);
/// Maximum number of interfaces whose counters are sent.
const MAX_INTERFACES: usize = 256;
/// Bits per second of a megabit per second.
const MEGABIT: u64 = 1_000_000;

/// Takes samples until all workers have ended.
pub(crate) fn run(settings: &Sfprobe, inlet: &Inlet, counters: Counters) {
    let pace = if settings.is_replay { Pace::Limited } else { Pace::Free };
    let mut sender = Sender::new(settings.target.clone(), pace, Accounting::new(counters));
    let identity = Identity { address: settings.address, sub_agent: settings.sub_agent, started_us: clock::now() };
    let mut agent = Agent::new(identity, sender.limit());
    let mut counters = Batch::default();
    let mut counted = Instant::now();
    loop {
        let event = inlet.wait(Instant::now() + TICK);
        let now = clock::now();
        match event {
            Event::Samples(mut batch) => {
                send(&mut agent, &mut batch, &mut sender, now);
                inlet.give_back(batch);
            }
            Event::Due => {}
            Event::Ended => return,
        }
        if counted.elapsed() >= COUNTERS {
            counted = Instant::now();
            for name in interfaces(settings) {
                if let Some(interface) = interface_counters(&name, settings.speed) {
                    agent.counters(&interface, &mut counters);
                }
            }
            send(&mut agent, &mut counters, &mut sender, now);
            counters.clear();
        }
        agent.set_limit(sender.limit());
    }
}

/// Sends the samples of a batch.
fn send(agent: &mut Agent, batch: &mut Batch, sender: &mut Sender, now_us: u64) {
    let packed = agent.pack(batch, now_us);
    let batch = &*batch;
    sender.send(packed.iter().map(|packed| (packed.pieces(batch), packed.contents)));
}

/// The interfaces that packets are captured on. The map is read each time, since a reload may have changed them.
fn interfaces(settings: &Sfprobe) -> Vec<String> {
    let map = settings.interfaces_map.as_ref().and_then(|path| config::text::read_lossy(path).ok());
    let mut names: Vec<String> = settings.interface.iter().cloned().collect();
    names.extend(map.as_deref().into_iter().flat_map(names_in));
    names.sort();
    names.dedup();
    names.truncate(MAX_INTERFACES);
    names
}

/// The names in a map of interfaces.
fn names_in(map: &str) -> impl Iterator<Item = String> {
    let lines = map.lines().map(str::trim).filter(|line| !line.starts_with(['!', '#']));
    lines.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix("ifname=")).map(str::to_owned)
}

/// The counters of an interface, from the kernel. `speed`: the configured one, in bits per second.
fn interface_counters(name: &str, speed: Option<u64>) -> Option<InterfaceCounters> {
    let folder = Path::new("/sys/class/net").join(name);
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
    let number = |file: &str| text(file).and_then(|text| text.trim().parse::<u64>().ok());
    let statistic = |file: &str| number(&format!("statistics/{file}")).unwrap_or(0);
    /// Bits of the flags of an interface (linux/if.h).
    const UP: u64 = 1;
    const PROMISCUOUS: u64 = 0x100;
    let flags = text("flags").and_then(|text| u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok());
    let flags = flags.unwrap_or(0);
    let is_running = text("operstate").is_some_and(|state| matches!(state.trim(), "up" | "unknown"));
    Some(InterfaceCounters {
        index: u32::try_from(number("ifindex")?).ok()?,
        speed: speed.or_else(|| Some(number("speed")? * MEGABIT)).unwrap_or(0),
        direction: match text("duplex").as_deref().map(str::trim) {
            Some("full") => 1,
            Some("half") => 2,
            _ => 0,
        },
        status: u32::from(flags & UP != 0) | u32::from(is_running) << 1,
        in_octets: statistic("rx_bytes"),
        in_packets: statistic("rx_packets"),
        in_multicast: statistic("multicast"),
        in_discards: statistic("rx_dropped"),
        in_errors: statistic("rx_errors"),
        out_octets: statistic("tx_bytes"),
        out_packets: statistic("tx_packets"),
        out_discards: statistic("tx_dropped"),
        out_errors: statistic("tx_errors"),
        is_promiscuous: flags & PROMISCUOUS != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_interfaces_has_names() {
        let names: Vec<String> =
            names_in("! comment ifname=no\nifname=eth0 ifindex=1\nifindex=2 ifname=eth1\n").collect();
        assert_eq!(names, ["eth0", "eth1"]);
    }

    #[test]
    fn the_loopback_interface_has_counters() {
        let counters = interface_counters("lo", Some(5 * MEGABIT)).unwrap();
        assert_eq!((counters.index > 0, counters.speed), (true, 5 * MEGABIT));
        assert_eq!(interface_counters("no-such-interface", None), None);
    }
}
