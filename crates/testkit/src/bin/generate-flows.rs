//! generate-flows: sends flows of a made-up network to a collector, for demonstrations and trials.

use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};
use testkit::conditions;
use testkit::traffic::{self, Flow, Flows, Stream, Total, Version};

const USAGE: &str = "\
Sends flows of a made-up network to a NetFlow and IPFIX collector.

Usage: generate-flows [OPTION]... ADDRESS:PORT

  --flows N        flows in all (10000)
  --version V      v5, v9, ipfix, or all: each a third (all)
  --source IP      address to send from; several may be given, and share the flows
  --domain N       source id of v9, observation domain of IPFIX (1)
  --rate N         datagrams a second; 0 sends as fast as it can (2000)
  --time SECONDS   export time, seconds since 1970 (now)
  --seed N         another seed gives other flows (1)
  --ipv4           no IPv6
  -h, --help       this text
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    target: SocketAddr,
    flows: usize,
    versions: Vec<Version>,
    sources: Vec<IpAddr>,
    domain: u32,
    rate: u32,
    time: Option<u32>,
    seed: u64,
    ipv4: bool,
}

/// What cannot be understood.
#[derive(Debug, PartialEq, Eq)]
enum Misunderstood {
    /// Not wrong: the usage is wanted.
    Help,
    Unknown(String),
    NoValue(String),
    BadValue(String, String),
    NoTarget,
}

impl fmt::Display for Misunderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help => f.write_str(USAGE),
            Self::Unknown(what) => write!(f, "{what}: no such option"),
            Self::NoValue(option) => write!(f, "{option} wants a value"),
            Self::BadValue(option, value) => write!(f, "{option}: {value:?} will not do"),
            Self::NoTarget => f.write_str("where to? ADDRESS:PORT, such as 127.0.0.1:2100"),
        }
    }
}

fn understand(arguments: impl IntoIterator<Item = String>) -> Result<Order, Misunderstood> {
    let mut order = Order {
        target: SocketAddr::from(([127, 0, 0, 1], 0)),
        flows: 10_000,
        versions: vec![Version::V5, Version::V9, Version::Ipfix],
        sources: Vec::new(),
        domain: 1,
        rate: 2000,
        time: None,
        seed: 1,
        ipv4: false,
    };
    let mut target = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| Misunderstood::NoValue(argument.clone()));
        match argument.as_str() {
            "-h" | "--help" => return Err(Misunderstood::Help),
            "--flows" => order.flows = parse(&argument, &value()?)?,
            "--version" => order.versions = versions(&argument, &value()?)?,
            "--source" => order.sources.push(parse(&argument, &value()?)?),
            "--domain" => order.domain = parse(&argument, &value()?)?,
            "--rate" => order.rate = parse(&argument, &value()?)?,
            "--time" => order.time = Some(parse(&argument, &value()?)?),
            "--seed" => order.seed = parse(&argument, &value()?)?,
            "--ipv4" => order.ipv4 = true,
            option if option.starts_with('-') => return Err(Misunderstood::Unknown(argument)),
            address => target = Some(parse("ADDRESS:PORT", address)?),
        }
    }
    order.target = target.ok_or(Misunderstood::NoTarget)?;
    if order.sources.is_empty() {
        let any: IpAddr = if order.target.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        order.sources.push(any);
    }
    Ok(order)
}

fn parse<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, Misunderstood> {
    value.parse().map_err(|_| Misunderstood::BadValue(option.to_owned(), value.to_owned()))
}

fn versions(option: &str, value: &str) -> Result<Vec<Version>, Misunderstood> {
    match value {
        "v5" => Ok(vec![Version::V5]),
        "v9" => Ok(vec![Version::V9]),
        "ipfix" => Ok(vec![Version::Ipfix]),
        "all" => Ok(vec![Version::V5, Version::V9, Version::Ipfix]),
        _ => Err(Misunderstood::BadValue(option.to_owned(), value.to_owned())),
    }
}

#[expect(clippy::disallowed_methods, reason = "a generator of traffic has no batch that could carry the time")]
fn now() -> u32 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// What was sent.
#[derive(Default)]
struct Sent {
    datagrams: u64,
    total: Total,
}

fn send(order: &Order) -> std::io::Result<Sent> {
    let mut all = Flows::new(order.seed);
    if order.ipv4 {
        all = all.ipv4();
    }
    let flows: Vec<Flow> = all.take(order.flows).collect();
    let time = order.time.unwrap_or_else(now);
    let mut sent = Sent::default();
    let shares = order.sources.len() * order.versions.len();
    let size = flows.len().div_ceil(shares).max(1);
    let mut rest = flows.chunks(size);
    for source in &order.sources {
        let socket = UdpSocket::bind((*source, 0))?;
        socket.connect(order.target)?;
        for version in &order.versions {
            let flows = rest.next().unwrap_or_default();
            for datagram in Stream::new(*version, order.domain, time).datagrams(flows) {
                socket.send(&datagram)?;
                sent.datagrams += 1;
                if order.rate > 0 {
                    conditions::pause(Duration::from_secs(1) / order.rate);
                }
            }
            let sent_flows = flows.iter().filter(|flow| *version != Version::V5 || flow.source.is_ipv4());
            let share = traffic::total(sent_flows);
            sent.total.flows += share.flows;
            sent.total.packets += share.packets;
            sent.total.octets += share.octets;
        }
    }
    Ok(sent)
}

fn main() -> ExitCode {
    let order = match understand(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(Misunderstood::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(misunderstood) => {
            eprintln!("generate-flows: {misunderstood}");
            return ExitCode::FAILURE;
        }
    };
    match send(&order) {
        Ok(Sent { datagrams, total: Total { flows, packets, octets } }) => {
            println!(
                "sent {flows} flows in {datagrams} datagrams to {}: {packets} packets, {octets} bytes",
                order.target
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("generate-flows: {}: {error}", order.target);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Order, Misunderstood> {
        understand(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_understood() {
        let order =
            of("--flows 5 --version v9 --source 127.0.1.1 --source 127.0.1.2 --time 9 --ipv4 [::1]:2100").unwrap();
        assert_eq!((order.flows, order.time, order.ipv4), (5, Some(9), true));
        assert_eq!(order.versions, [Version::V9]);
        assert_eq!(order.sources.len(), 2);
        assert_eq!(order.target, "[::1]:2100".parse().unwrap());
        assert_eq!(of(""), Err(Misunderstood::NoTarget));
        assert_eq!(of("--flows"), Err(Misunderstood::NoValue("--flows".to_owned())));
        assert_eq!(of("--flows x :1"), Err(Misunderstood::BadValue("--flows".to_owned(), "x".to_owned())));
        assert_eq!(of("--foo"), Err(Misunderstood::Unknown("--foo".to_owned())));
    }

    #[test]
    fn what_is_sent_is_what_is_told() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut order = of("--flows 200 --time 1700000000 --rate 0 127.0.0.1:1").unwrap();
        order.target = receiver.local_addr().unwrap();
        let sent = send(&order).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let mut octets = [0; 2000];
        let received = std::iter::from_fn(|| receiver.recv(&mut octets).ok()).count();
        assert_eq!(received as u64, sent.datagrams);
        assert!(sent.total.flows > 150 && sent.total.flows <= 200);
    }
}
