//! generate-flows: sends synthetic flows to a collector, for demonstrations and tests.

use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};
use testkit::conditions;
use testkit::traffic::{self, Flow, Flows, Stream, Total, Version};

const USAGE: &str = "\
Sends synthetic flows to a NetFlow and IPFIX collector.

Usage: generate-flows [OPTION]... ADDRESS:PORT

  --flows N        total number of flows (10000)
  --version V      v5, v9, ipfix, or all: a third of each (all)
  --source IP      source address; if repeated, the flows are divided among them
  --domain N       v9 source ID, IPFIX observation domain (1)
  --rate N         datagrams per second; 0: unlimited (2000)
  --time SECONDS   export time, seconds since 1970 (now)
  --seed N         seed of the random flows (1)
  --ipv4           IPv4 flows only
  -h, --help       print this help
";

/// The parsed command line.
#[derive(Debug, PartialEq, Eq)]
struct Options {
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

/// Why the command line is not run.
#[derive(Debug, PartialEq, Eq)]
enum UsageError {
    /// Not an error: help was requested.
    Help,
    Unknown(String),
    NoValue(String),
    BadValue(String, String),
    NoTarget,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help => f.write_str(USAGE),
            Self::Unknown(what) => write!(f, "{what}: unknown option"),
            Self::NoValue(option) => write!(f, "{option}: missing value"),
            Self::BadValue(option, value) => write!(f, "{option}: invalid value {value:?}"),
            Self::NoTarget => f.write_str("missing target ADDRESS:PORT, such as 127.0.0.1:2100"),
        }
    }
}

fn parse_arguments(arguments: impl IntoIterator<Item = String>) -> Result<Options, UsageError> {
    let mut options = Options {
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
        let mut value = || arguments.next().ok_or_else(|| UsageError::NoValue(argument.clone()));
        match argument.as_str() {
            "-h" | "--help" => return Err(UsageError::Help),
            "--flows" => options.flows = parse(&argument, &value()?)?,
            "--version" => options.versions = versions(&argument, &value()?)?,
            "--source" => options.sources.push(parse(&argument, &value()?)?),
            "--domain" => options.domain = parse(&argument, &value()?)?,
            "--rate" => options.rate = parse(&argument, &value()?)?,
            "--time" => options.time = Some(parse(&argument, &value()?)?),
            "--seed" => options.seed = parse(&argument, &value()?)?,
            "--ipv4" => options.ipv4 = true,
            option if option.starts_with('-') => return Err(UsageError::Unknown(argument)),
            address => target = Some(parse("ADDRESS:PORT", address)?),
        }
    }
    options.target = target.ok_or(UsageError::NoTarget)?;
    if options.sources.is_empty() {
        let any: IpAddr = if options.target.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        options.sources.push(any);
    }
    Ok(options)
}

fn parse<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, UsageError> {
    value.parse().map_err(|_| UsageError::BadValue(option.to_owned(), value.to_owned()))
}

fn versions(option: &str, value: &str) -> Result<Vec<Version>, UsageError> {
    match value {
        "v5" => Ok(vec![Version::V5]),
        "v9" => Ok(vec![Version::V9]),
        "ipfix" => Ok(vec![Version::Ipfix]),
        "all" => Ok(vec![Version::V5, Version::V9, Version::Ipfix]),
        _ => Err(UsageError::BadValue(option.to_owned(), value.to_owned())),
    }
}

#[expect(clippy::disallowed_methods, reason = "a traffic generator has no batch that carries the time")]
fn now() -> u32 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// The totals sent.
#[derive(Default)]
struct Sent {
    datagrams: u64,
    total: Total,
}

fn send(options: &Options) -> std::io::Result<Sent> {
    let mut all = Flows::new(options.seed);
    if options.ipv4 {
        all = all.ipv4();
    }
    let flows: Vec<Flow> = all.take(options.flows).collect();
    let time = options.time.unwrap_or_else(now);
    let mut sent = Sent::default();
    let shares = options.sources.len() * options.versions.len();
    let size = flows.len().div_ceil(shares).max(1);
    let mut rest = flows.chunks(size);
    for source in &options.sources {
        let socket = UdpSocket::bind((*source, 0))?;
        socket.connect(options.target)?;
        for version in &options.versions {
            let flows = rest.next().unwrap_or_default();
            for datagram in Stream::new(*version, options.domain, time).datagrams(flows) {
                socket.send(&datagram)?;
                sent.datagrams += 1;
                if options.rate > 0 {
                    conditions::pause(Duration::from_secs(1) / options.rate);
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
    let options = match parse_arguments(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(UsageError::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(misunderstood) => {
            eprintln!("generate-flows: {misunderstood}");
            return ExitCode::FAILURE;
        }
    };
    match send(&options) {
        Ok(Sent { datagrams, total: Total { flows, packets, octets } }) => {
            println!(
                "sent {flows} flows in {datagrams} datagrams to {}: {packets} packets, {octets} bytes",
                options.target
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("generate-flows: {}: {error}", options.target);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Options, UsageError> {
        parse_arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_parsed() {
        let options =
            of("--flows 5 --version v9 --source 127.0.1.1 --source 127.0.1.2 --time 9 --ipv4 [::1]:2100").unwrap();
        assert_eq!((options.flows, options.time, options.ipv4), (5, Some(9), true));
        assert_eq!(options.versions, [Version::V9]);
        assert_eq!(options.sources.len(), 2);
        assert_eq!(options.target, "[::1]:2100".parse().unwrap());
        assert_eq!(of(""), Err(UsageError::NoTarget));
        assert_eq!(of("--flows"), Err(UsageError::NoValue("--flows".to_owned())));
        assert_eq!(of("--flows x :1"), Err(UsageError::BadValue("--flows".to_owned(), "x".to_owned())));
        assert_eq!(of("--foo"), Err(UsageError::Unknown("--foo".to_owned())));
    }

    #[test]
    fn the_reported_totals_are_sent() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut options = of("--flows 200 --time 1700000000 --rate 0 127.0.0.1:1").unwrap();
        options.target = receiver.local_addr().unwrap();
        let sent = send(&options).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let mut octets = [0; 2000];
        let received = std::iter::from_fn(|| receiver.recv(&mut octets).ok()).count();
        assert_eq!(received as u64, sent.datagrams);
        assert!(sent.total.flows > 150 && sent.total.flows <= 200);
    }
}
