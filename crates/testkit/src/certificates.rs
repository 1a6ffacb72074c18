//! Certificates for servers and clients of tests, from authorities of their own.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// An authority that nobody trusts unless told to.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When there is no randomness.
    #[expect(clippy::new_without_default, reason = "no two of them are the same")]
    pub fn new() -> Self {
        let mut params = params(Vec::new(), "authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = pair();
        let certificate = params.self_signed(&key).unwrap_or_else(|error| panic!("an authority: {error}"));
        Self { issuer: Issuer::new(params, key), pem: certificate.pem() }
    }

    /// Its certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a host: a name or an address.
    ///
    /// # Panics
    /// When the host's name cannot stand in a certificate.
    pub fn certify(&self, host: &str) -> Certified {
        let mut params = params(vec![host.to_owned()], host);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = pair();
        let certificate = params.signed_by(&key, &self.issuer).unwrap_or_else(|error| panic!("{host}: {error}"));
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A name of its own: some take a certificate whose issuer has the same name for one that signed itself.
fn params(hosts: Vec<String>, name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).unwrap_or_else(|error| panic!("{name}: {error}"));
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn pair() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("a key: {error}"))
}
