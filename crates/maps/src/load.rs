//! Turns the text of any keyed map into rules: looks up keys, parses values into conditions, and reports errors. What a rule
//! means is up to the map.

use crate::grammar::{self, Line, Pair};
use crate::key::{self, Key, Need, Target};
use crate::matcher::{PacketSource, Rule};
use crate::value::{self, ValueError};
use config::Daemon;
use config::problem::{Diagnostics, Origin};

/// Where a value is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The records themselves.
    pub flow: bool,
    /// The networks file.
    pub file: bool,
    /// BGP routes.
    pub bgp: bool,
}

/// The parts of the configuration that a map depends on.
#[derive(Clone, Debug)]
pub struct Context {
    /// The daemon.
    pub daemon: Daemon,
    /// Whether it replicates datagrams (the tee plugin).
    pub tee: bool,
    /// Sources of AS numbers (`nfacctd_as` and the like).
    pub asn: Sources,
    /// Sources of networks and next hops (`nfacctd_net` and the like).
    pub net: Sources,
    /// Labels are encoded as maps (`pre_tag_label_encode_as_map`).
    pub label_as_map: bool,
    /// Rules of pre_tag_map without an exporter match IPv4 exporters only (`pre_tag_map_dont_recirculate`).
    pub exporters_v4: bool,
    /// Link types of the frames that filters are applied to, by libpcap's numbers; Ethernet if empty.
    pub links: Vec<i32>,
}

impl Context {
    /// The daemon's defaults: collectors take AS numbers and next hops from flows.
    pub fn new(daemon: Daemon) -> Self {
        let flow = matches!(daemon, Daemon::Nfacctd | Daemon::Sfacctd);
        let sources = Sources { flow, ..Sources::default() };
        Self {
            daemon,
            tee: false,
            asn: sources,
            net: sources,
            label_as_map: false,
            exporters_v4: false,
            links: Vec::new(),
        }
    }

    /// Where the packets for filters come from.
    pub fn packets(&self) -> PacketSource {
        match self.daemon {
            Daemon::Pmacctd | Daemon::Uacctd | Daemon::Sfacctd => PacketSource::Packets,
            Daemon::Nfacctd | Daemon::Pmbgpd | Daemon::Pmbmpd | Daemon::Pmtelemetryd => PacketSource::Rows,
        }
    }

    /// True if rows come from packets that the daemon captures itself.
    pub fn packets_have_no_exporter(&self) -> bool {
        matches!(self.daemon, Daemon::Pmacctd | Daemon::Uacctd)
    }

    /// True if routes are available.
    pub fn has_routes(&self) -> bool {
        self.asn.bgp || self.net.bgp
    }
}

/// A setting that the map reads itself.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// The value.
    pub value: String,
    /// Where the value is.
    pub origin: Origin,
}

impl Setting {
    /// Reports that the value is invalid, and rejects the rule.
    pub fn reject<T>(&self, error: ValueError, problems: &mut Diagnostics) -> Option<T> {
        reject(&self.origin, error, problems)
    }

    /// A number within the limits of the key.
    pub fn decimal(&self, problems: &mut Diagnostics) -> Option<u64> {
        let number = match self.key.value {
            key::Value::Decimal { min, max } => value::decimal(&self.value, min, max),
            _ => None,
        };
        number.or_else(|| self.reject(ValueError::value(self.key, &self.value), problems))
    }
}

/// A rule with its conditions parsed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Location of the line.
    pub origin: Origin,
    /// The exporters and conditions.
    pub rule: Rule,
    /// Settings that the map reads itself, in the order of the line.
    pub settings: Vec<Setting>,
}

impl Entry {
    /// Returns the setting with this name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key.name == name)
    }

    /// Reports that the rule is invalid, and rejects it.
    pub fn reject<T>(&self, what: impl Into<String>, problems: &mut Diagnostics) -> Option<T> {
        reject(&self.origin, ValueError { what: what.into(), hint: None }, problems)
    }
}

fn reject<T>(origin: &Origin, error: ValueError, problems: &mut Diagnostics) -> Option<T> {
    problems.warn(origin, format!("{} Line ignored.", error.what), error.hint);
    None
}

/// Reads a map. Passes each valid rule to `take`, which may reject it too; returns what `take` keeps.
pub fn load<T>(
    keys: &'static [Key],
    context: &Context,
    origin: &Origin,
    text: &[u8],
    problems: &mut Diagnostics,
    mut take: impl FnMut(Entry, &mut Diagnostics) -> Option<T>,
) -> Vec<T> {
    let mut kept = Vec::new();
    for line in grammar::parse(origin, text, problems) {
        if let Some(entry) = entry(keys, context, origin, &line, problems) {
            kept.extend(take(entry, problems));
        }
    }
    kept
}

/// Parses the keys and values of a line; reports all of its errors.
fn entry(
    keys: &'static [Key],
    context: &Context,
    origin: &Origin,
    line: &Line,
    problems: &mut Diagnostics,
) -> Option<Entry> {
    let origin = origin.at(line.number);
    let mut entry = Entry { origin: origin.clone(), rule: Rule::default(), settings: Vec::new() };
    let mut used: Vec<&'static str> = Vec::new();
    let mut good = true;
    for pair in &line.pairs {
        let Some(key) = find_key(keys, context, &origin.column(pair.key_column), pair, problems) else {
            good = false;
            continue;
        };
        if used.contains(&key.name) {
            let what = format!("Multiple '{}' clauses part of the same statement.", key.name);
            good =
                reject::<()>(&origin.column(pair.key_column), ValueError { what, hint: None }, problems).is_some();
            continue;
        }
        used.push(key.name);
        good &= pair_of(key, context, &origin, pair, &mut entry, problems).is_some();
    }
    good.then_some(entry)
}

fn pair_of(
    key: &'static Key,
    context: &Context,
    origin: &Origin,
    pair: &Pair,
    entry: &mut Entry,
    problems: &mut Diagnostics,
) -> Option<()> {
    let at = origin.column(pair.value_column);
    if let Some(error) = unmet_need(key, context) {
        return reject(&origin.column(pair.key_column), error, problems);
    }
    match key.target {
        Target::Setting => entry.settings.push(Setting { key, value: pair.value.clone(), origin: at }),
        Target::Exporter => match value::network(&pair.value) {
            Ok(prefix) => entry.rule.exporter = Some(prefix),
            Err(error) => return reject(&at, error, problems),
        },
        _ => match value::condition(key, &pair.value, context) {
            Ok(condition) => entry.rule.conditions.push(condition),
            Err(error) => return reject(&at, error, problems),
        },
    }
    Some(())
}

/// Returns the key of a pair if this daemon accepts it in this map.
fn find_key(
    keys: &'static [Key],
    context: &Context,
    at: &Origin,
    pair: &Pair,
    problems: &mut Diagnostics,
) -> Option<&'static Key> {
    let serves = |key: &Key| key.daemons.contains(context.daemon) && (key.tee || !context.tee);
    let hint = match key::find(keys, &pair.key) {
        Some(key) if serves(key) => return Some(key),
        Some(key) if key.target == Target::Exporter => {
            let what = format!("key '{}' not applicable.", pair.key);
            return reject(
                at,
                ValueError { what, hint: Some(format!("It is valid for {}.", key.daemons)) },
                problems,
            );
        }
        Some(key) if key.daemons.contains(context.daemon) => {
            Some("It is not valid with the tee plugin.".to_owned())
        }
        Some(key) => Some(format!("It is valid for {}.", key.daemons)),
        None => {
            let names = keys.iter().filter(|key| serves(key)).flat_map(Key::names);
            config::nearest(&pair.key, names).map(|name| format!("Did you mean '{name}'?"))
        }
    };
    problems.warn(at, format!("Line ignored because of unknown key '{}'.", shown(&pair.key)), hint);
    None
}

/// A name for a message, cut to a limited length.
fn shown(name: &str) -> String {
    match name.char_indices().nth(64) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

/// Returns an error if the key needs something that is not configured.
fn unmet_need(key: &Key, context: &Context) -> Option<ValueError> {
    let (name, daemon) = (key.name, context.daemon.name());
    let error = |what| Some(ValueError { what, hint: None });
    let Sources { flow, file, bgp } = context.asn;
    match key.need {
        Need::As if !(flow || file || bgp) => {
            error(format!("'{name}' requires either 'networks_file' or '{daemon}_as: false' to be specified."))
        }
        Need::Net if !(context.net.flow || context.net.bgp) => {
            error(format!("'{name}' requires '{daemon}_net: [ flow | bgp | longest ]' to be specified."))
        }
        Need::FlowNet if !context.net.flow => error(format!(
            "'{name}' is compared with the next hop of the record, and requires '{daemon}_net: [ flow | longest ]' to be specified."
        )),
        Need::Bgp if !context.has_routes() => {
            error(format!("'{name}' requires '{daemon}_as: [ bgp | longest ]' to be specified."))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::pre_tag;

    fn loaded(context: &Context, text: &str) -> (Vec<u32>, Vec<String>) {
        let mut problems = Diagnostics::new();
        let origin = Origin::whole("p.map");
        let kept =
            load(pre_tag::KEYS, context, &origin, text.as_bytes(), &mut problems, |entry, _| entry.origin.line);
        (kept, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reports_invalid_rules_and_ignores_them() {
        let text = "set_tag=1 nonsense=3\n! c\n\nset_tag=2 in=abc\nset_tag=3 in=4\nthis is no rule\n\
                    set_tag=4 ip=300.1.2.3\nset_tag=5 in=5\nset_tag=6 in=1 in=2\nset_tag=7 id=7\nset_tag=8 src_prot=1";
        let (kept, problems) = loaded(&Context::new(Daemon::Nfacctd), text);
        assert_eq!(kept, [5, 8]);
        // Malformed lines are reported first.
        let wanted = [
            "WARN: [p.map:6:5] malformed line. Ignored. ",
            "WARN: [p.map:1:11] Line ignored because of unknown key 'nonsense'.",
            "WARN: [p.map:4:14] bad 'in' value: 'abc'. Line ignored. Expected: decimal number.",
            "WARN: [p.map:7:14] Bad IP address or prefix '300.1.2.3'. Line ignored. '300.1.2.3' is not an IP address.",
            "WARN: [p.map:9:16] Multiple 'in' clauses part of the same statement. Line ignored.",
            "WARN: [p.map:10:11] Multiple 'set_tag' clauses part of the same statement. Line ignored.",
            "WARN: [p.map:11:11] Line ignored because of unknown key 'src_prot'. Did you mean 'src_port'?",
        ];
        assert_eq!(problems.len(), 7, "{problems:?}");
        for (problem, wanted) in problems.iter().zip(wanted) {
            assert!(problem.starts_with(wanted), "{problem}");
        }
    }

    #[test]
    fn reports_all_errors_of_a_line() {
        let (kept, problems) = loaded(&Context::new(Daemon::Nfacctd), "set_tag=1 in=x src_mac=y foo=1");
        assert!(kept.is_empty());
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn rejects_keys_of_other_daemons_and_modes() {
        let (kept, problems) =
            loaded(&Context::new(Daemon::Pmacctd), "set_tag=1 ip=10.0.0.1\nset_tag=1 flowset_id=1");
        assert!(kept.is_empty());
        assert!(problems[0].contains("key 'ip' not applicable. Line ignored. It is valid for nfacctd, sfacctd."));
        assert!(problems[1].contains("unknown key 'flowset_id'. It is valid for nfacctd."), "{}", problems[1]);
        let tee = Context { tee: true, ..Context::new(Daemon::Nfacctd) };
        assert_eq!(loaded(&tee, "set_tag=1 in=3\nset_tag=1 cvlan=3").0, [1]);
    }

    #[test]
    fn route_keys_require_routes() {
        let context = Context::new(Daemon::Nfacctd);
        let (kept, problems) = loaded(&context, "set_tag=1 local_pref=3");
        assert!(kept.is_empty());
        assert!(problems[0].contains("'local_pref' requires 'nfacctd_as: [ bgp | longest ]' to be specified."));
        let bgp = Context { asn: Sources { bgp: true, ..context.asn }, ..context.clone() };
        let text = "set_tag=1 local_pref=3\nset_tag=1 comms=65000:1.,65000:2\nset_tag=1 dst_roa=-valid\n\
                    set_tag=1 mpls_vpn_rd=0:1:1";
        assert_eq!(loaded(&bgp, text), (vec![1, 2, 3, 4], vec![]));
        let none = Context { asn: Sources::default(), net: Sources::default(), ..context };
        let (_, problems) = loaded(&none, "set_tag=1 src_as=1\nset_tag=1 bgp_nexthop=10.0.0.1");
        assert!(problems[0].contains("requires either 'networks_file' or 'nfacctd_as: false' to be specified."));
        assert!(problems[1].contains("'bgp_nexthop' requires"));
    }

    #[test]
    fn every_matching_key_accepts_a_value() {
        let text = "in=1\nout=-2\nengine_type=0\nengine_id=3\nflowset_id=256\nnexthop=10.0.0.1\nnexthop=-2001:db8::1\n\
            bgp_nexthop=10.0.0.1\nsample_type=flow\nsample_type=-event\nis_bi_flow=true\nis_nsel=false\nis_nel=-true\n\
            direction=1\nsrc_as=65000\ndst_as=-1\nmpls_vpn_id_in=1\nmpls_vpn_id_out=-1\nmpls_pw_id=0\n\
            src_mac=02:00:00:00:00:01\ndst_mac=-02:00:00:00:00:01\nvlan=4096\ncvlan=7\nsrc_net=10.0.0.0/8\n\
            dst_net=-2001:db8::/32\nip_proto=6\nsrc_port=0\ndst_port=-80\ntcp_flags=0x12\nis_multicast=true\nfwd_status=256";
        let (kept, problems) = loaded(&Context::new(Daemon::Nfacctd), text);
        assert_eq!(problems, [""; 0]);
        assert_eq!(kept.len(), text.lines().count());
        let (kept, problems) =
            loaded(&Context::new(Daemon::Sfacctd), "agent_id=1\nsample_type=0:1\nsample_type=-0:3");
        assert_eq!((kept.len(), problems.len()), (3, 0), "{problems:?}");
    }
}
