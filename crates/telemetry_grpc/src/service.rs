//! The dial-out services.

use std::fmt;

/// A service, by the vendor whose routers use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// `mdt_dialout.gRPCMdtDialout/MdtDialout`.
    Cisco,
    /// `huawei_dialout.gRPCDataservice/dataPublish`.
    Huawei,
    /// `Subscriber/DialOutSubscriber`.
    Juniper,
    /// `Nokia.SROS.DialoutTelemetry/Publish`.
    Nokia,
}

impl Service {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// All.
    pub const ALL: [Self; Self::COUNT] = [Self::Cisco, Self::Huawei, Self::Juniper, Self::Nokia];

    /// The vendor, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cisco => "cisco",
            Self::Huawei => "huawei",
            Self::Juniper => "juniper",
            Self::Nokia => "nokia",
        }
    }

    /// The path of its method in HTTP.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Cisco => "/mdt_dialout.gRPCMdtDialout/MdtDialout",
            Self::Huawei => "/huawei_dialout.gRPCDataservice/dataPublish",
            Self::Juniper => "/Subscriber/DialOutSubscriber",
            Self::Nokia => "/Nokia.SROS.DialoutTelemetry/Publish",
        }
    }

    /// Its position in arrays by service.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Services(u8);

impl Services {
    /// No service.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self((1 << Service::COUNT) - 1);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, service: Service) -> Self {
        Self(self.0 | 1 << service.index())
    }

    /// Whether a service is in the set.
    #[must_use]
    pub const fn has(self, service: Service) -> bool {
        self.0 >> service.index() & 1 == 1
    }

    /// The service of this path, if it is in the set.
    pub(crate) fn at(self, path: &str) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.path() == path && self.has(*service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_their_path() {
        let some = Services::NONE.with(Service::Huawei).with(Service::Nokia);
        for service in Service::ALL {
            assert_eq!(Services::ALL.at(service.path()), Some(service));
            assert_eq!(some.at(service.path()).is_some(), matches!(service, Service::Huawei | Service::Nokia));
            assert_eq!(Service::ALL[service.index()], service);
        }
        assert_eq!(Services::ALL.at("/gnmi.gNMI/Subscribe"), None);
    }
}
