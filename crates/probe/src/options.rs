//! Options data: the exporter's addresses, its sampling, and the names of interfaces.

use crate::{Settings, Version};
use netflow::elements as ie;
use netflow::template::{Field, Kind, Template};
use std::net::IpAddr;

/// Id of the options template with the exporter's addresses, as in pmacct.
const EXPORTER: u16 = 4098;
/// Id of that with the sampling.
const SAMPLING: u16 = 4099;
/// Id of that with the names of interfaces.
const INTERFACES: u16 = 4100;
/// Id of that with the names of applications.
const APPLICATIONS: u16 = 4101;
/// Length of an application's name.
const APPLICATION_NAME: usize = 48;
/// Length of an interface's name, which is that of the kernel's.
const NAME: u16 = 16;
/// The scopes of NetFlow v9 (RFC 3954 section 6.1).
const SYSTEM_SCOPE: u16 = 1;
const INTERFACE_SCOPE: u16 = 2;
/// samplingAlgorithm: random.
const RANDOM: u8 = 2;

/// An options template and its records.
pub(crate) struct Options {
    pub(crate) template: Template,
    pub(crate) records: Vec<Vec<u8>>,
}

/// What an exporter reports about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Names of interfaces by index.
    pub interfaces: Vec<(u32, String)>,
}

fn field(element: u16, length: u16) -> Field {
    Field { enterprise: 0, element, length }
}

/// Names of applications, by their number. In IPFIX the number is the scope (RFC 6759 section 5).
pub(crate) fn applications(settings: &Settings, names: &[(u32, Box<[u8]>)]) -> Options {
    let ipfix = settings.version == Version::Ipfix;
    let id = field(ie::APPLICATION_ID, 4);
    let name = field(ie::APPLICATION_NAME, APPLICATION_NAME as u16);
    let fields = if ipfix { vec![id, name] } else { vec![field(SYSTEM_SCOPE, 4), id, name] };
    let mut template = Template::new(settings.domain, APPLICATIONS, Kind::Options { scopes: 1 }, fields);
    template.ipfix = ipfix;
    let domain = settings.domain.to_be_bytes();
    let scope = if ipfix { &[][..] } else { &domain };
    let record = |(id, name): &(u32, Box<[u8]>)| {
        let mut record = [scope, &id.to_be_bytes()].concat();
        let end = record.len() + APPLICATION_NAME;
        record.extend(name.iter().take(APPLICATION_NAME));
        record.resize(end, 0);
        record
    };
    Options { template, records: names.iter().map(record).collect() }
}

/// Everything that there is to tell.
pub(crate) fn all(settings: &Settings, about: &About) -> Vec<Options> {
    let ipfix = settings.version == Version::Ipfix;
    let make = |id, (v9_scope, scope): (u16, u16), fields: &[Field], records| {
        let scope = field(if ipfix { scope } else { v9_scope }, 4);
        let fields = std::iter::once(scope).chain(fields.iter().copied()).collect();
        let mut template = Template::new(settings.domain, id, Kind::Options { scopes: 1 }, fields);
        template.ipfix = ipfix;
        Options { template, records }
    };
    let process = (SYSTEM_SCOPE, ie::EXPORTING_PROCESS_ID);
    let domain = settings.domain.to_be_bytes();
    let mut options = Vec::new();
    if let Some(address) = about.address {
        let (v4, v6) = match address {
            IpAddr::V4(v4) => (v4.octets(), [0; 16]),
            IpAddr::V6(v6) => ([0; 4], v6.octets()),
        };
        let fields = [field(ie::EXPORTER_IPV4_ADDRESS, 4), field(ie::EXPORTER_IPV6_ADDRESS, 16)];
        options.push(make(EXPORTER, process, &fields, vec![[&domain[..], &v4, &v6].concat()]));
    }
    if let Some(interval) = settings.sampling {
        let fields = [field(ie::SAMPLING_INTERVAL, 4), field(ie::SAMPLING_ALGORITHM, 1)];
        let record = [&domain[..], &interval.to_be_bytes(), &[RANDOM]].concat();
        options.push(make(SAMPLING, process, &fields, vec![record]));
    }
    if !about.interfaces.is_empty() {
        let named = |(index, name): &(u32, String)| {
            let mut record = index.to_be_bytes().to_vec();
            record.extend(name.bytes().take(usize::from(NAME)));
            record.resize(4 + usize::from(NAME), 0);
            record
        };
        let records = about.interfaces.iter().map(named).collect();
        let fields = [field(ie::INTERFACE_NAME, NAME)];
        options.push(make(INTERFACES, (INTERFACE_SCOPE, ie::INGRESS_INTERFACE), &fields, records));
    }
    options
}
