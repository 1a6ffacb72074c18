//! A real cache: StayRTR, which Debian has. Tests are skipped if it is not installed, unless `PMACCT_TEST_SERVERS=required` is set.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rpki::client::Settings as ClientSettings;
use rpki::rtr::Version;
use rpki::runner::{Address, Handle, Runner, Settings};
use rpki::{Shared, Validity, Vrp, Vrps};
use runtime::events::{self, Stop};
use runtime::log::Identity;
use runtime::threads::Threads;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use testkit::conditions::eventually;
use wire::{Afi, Asn, Prefix};

/// As many as the RPKI will soon have.
const MANY: u32 = 500_000;

/// `number` VRPs, of which one in five is for IPv6.
fn generated(number: u32) -> impl Iterator<Item = Vrp> {
    (0..number).map(|number| {
        let (prefix, max) = if number % 5 == 4 {
            let bits = 0x2001_0000_u128 << 96 | u128::from(number) << 80;
            (Prefix::new(Ipv6Addr::from_bits(bits).into(), 48), 48 + number % 17)
        } else {
            // Different lengths, some of them inside others.
            let length = 18 + number % 7;
            (
                Prefix::new(Ipv4Addr::from_bits(0x0100_0000 + number * 0x1000).into(), length as u8),
                length + number % 3,
            )
        };
        Vrp::new(prefix.unwrap(), max as u8, Asn(64_496 + number % 50_000)).unwrap()
    })
}

fn json(vrps: impl Iterator<Item = Vrp>, rest: &str) -> String {
    let mut text = "{\"metadata\": {\"buildtime\": \"2030-01-01T00:00:00Z\"}, \"roas\": [".to_owned();
    for (number, vrp) in vrps.enumerate() {
        let comma = if number == 0 { "\n" } else { ",\n" };
        let (prefix, max, asn) = (vrp.prefix(), vrp.max_length(), vrp.asn());
        write!(
            text,
            "{comma}{{\"asn\": \"AS{asn}\", \"prefix\": \"{prefix}\", \"maxLength\": {max}, \"ta\": \"t\"}}"
        )
        .unwrap();
    }
    text.push(']');
    text.push_str(rest);
    text.push('}');
    text
}

fn program() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').map(|folder| Path::new(folder).join("stayrtr")).find(|path| path.is_file());
    if found.is_none() {
        let required = std::env::var("PMACCT_TEST_SERVERS").is_ok_and(|value| value == "required");
        assert!(!required, "stayrtr is not installed");
        eprintln!("skipped: stayrtr is not installed");
    }
    found
}

/// A running cache, killed when it is dropped.
struct Cache {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
    program: PathBuf,
    version: Version,
}

impl Cache {
    fn start(version: Version, document: &str) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vrps.json"), document).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Self::spawn(&program, address, version, folder.path());
        Some(Self { child, address, folder, program, version })
    }

    fn spawn(program: &Path, address: SocketAddr, version: Version, folder: &Path) -> Child {
        let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Command::new(program)
            .args(["-bind", &address.to_string(), "-metrics.addr", &metrics.to_string()])
            .args(["-protocol", &version.number().to_string(), "-checktime=false", "-refresh", "1"])
            .args(["-cache", folder.join("vrps.json").to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::spawn(&self.program, self.address, self.version, self.folder.path());
    }

    fn replace(&self, document: &str) {
        let next = self.folder.path().join("next.json");
        fs::write(&next, document).unwrap();
        fs::rename(next, self.folder.path().join("vrps.json")).unwrap();
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Running {
    shared: Arc<Shared>,
    _handle: Handle,
    _threads: Threads,
    _events: events::Events,
}

fn run(cache: &Cache, version: Version) -> Running {
    let (sender, events) = events::channel(None);
    let threads = Threads::new(sender, Stop::new());
    let shared = Arc::new(Shared::new());
    let client = ClientSettings {
        version,
        timers: rpki::client::Timers { retry: Some(Duration::from_millis(200)), ..Default::default() },
        ..ClientSettings::default()
    };
    let settings = Settings {
        caches: vec![Address::parse(&cache.address.to_string()).unwrap()],
        client,
        tls: None,
        ip_precedence: 0,
        receive_buffer: None,
    };
    let identity = Identity::new("default", "core");
    let handle = Runner::new(settings).unwrap().start(&threads, identity, Arc::clone(&shared)).unwrap();
    Running { shared, _handle: handle, _threads: threads, _events: events }
}

impl Running {
    fn becomes(&self, count: usize) {
        eventually("the number of VRPs", || (self.shared.load().len() == count).then_some(()));
    }
}

#[test]
fn versions_are_negotiated_changes_arrive_and_a_restart_loses_nothing() {
    for (cache_version, first) in [
        (Version::V0, Version::V0),
        (Version::V0, Version::V1),
        (Version::V0, Version::V2),
        (Version::V1, Version::V0),
        (Version::V1, Version::V1),
        (Version::V1, Version::V2),
        (Version::V2, Version::V0),
        (Version::V2, Version::V1),
        (Version::V2, Version::V2),
    ] {
        let Some(mut cache) = Cache::start(cache_version, &json(generated(100), "")) else { return };
        let running = run(&cache, first);
        running.becomes(100);
        let expected = Vrps::new(generated(100));
        for vrp in generated(100) {
            for length in [0, 1] {
                let prefix = Prefix::new(vrp.prefix().address(), vrp.max_length() + length).unwrap();
                let validity = running.shared.load().validity(&prefix, Some(vrp.asn()));
                assert_eq!(validity, expected.validity(&prefix, Some(vrp.asn())));
            }
            let validity = running.shared.load().validity(&vrp.prefix(), Some(vrp.asn()));
            assert_eq!(validity, Validity::Valid);
        }
        cache.replace(&json(generated(120).skip(50), ""));
        running.becomes(70);
        let counters = running.shared.counters();
        assert!(counters.serial_queries.load(Relaxed) > 0, "{cache_version:?} {first:?}");
        cache.kill();
        let connections = counters.connections.load(Relaxed);
        cache.replace(&json(generated(130).skip(50), ""));
        cache.restart();
        assert_eq!(running.shared.load().len(), 70);
        running.becomes(80);
        assert!(counters.connections.load(Relaxed) > connections);
    }
}

#[test]
fn aspas_are_read_from_version_2() {
    let aspas = |providers| {
        format!(
            ", \"provider_authorizations\": {{\"ipv4\": [{{\"customer_asid\": 64496, \"expires\": 4000000000, \
             \"providers\": [{providers}]}}], \"ipv6\": [{{\"customer_asid\": 64496, \"expires\": 4000000000, \
             \"providers\": [64499]}}]}}"
        )
    };
    let Some(cache) = Cache::start(Version::V2, &json(generated(10), &aspas("64497, 64498"))) else { return };
    let running = run(&cache, Version::V2);
    let providers = |family| running.shared.aspas().providers(Asn(64_496), family).map(<[Asn]>::to_vec);
    eventually("the ASPA", || (providers(Afi::IPV4)? == [Asn(64_497), Asn(64_498)]).then_some(()));
    assert_eq!(providers(Afi::IPV6), Some(vec![Asn(64_499)]));
    assert_eq!(running.shared.load().len(), 10);
    cache.replace(&json(generated(10), &aspas("64498")));
    eventually("the change", || (providers(Afi::IPV4)? == [Asn(64_498)]).then_some(()));
}

#[test]
fn many_vrps_load_fast_and_in_little_memory() {
    let document = json(generated(MANY), "");
    let Some(cache) = Cache::start(Version::V1, &document) else { return };
    drop(document);
    // The cache itself takes seconds to read them.
    let first = run(&cache, Version::V1);
    first.becomes(MANY as usize);
    drop(first);
    let start = Instant::now();
    let running = run(&cache, Version::V1);
    running.becomes(MANY as usize);
    let (time, bytes) = (start.elapsed(), running.shared.load().size());
    eprintln!("{MANY} VRPs from stayrtr: {time:?}, a snapshot of {:.1} MB", bytes as f64 / 1e6);
    assert!(bytes < 40_000_000);
}
