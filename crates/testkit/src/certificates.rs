//! Certificates for test servers and clients, from private authorities.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// A certificate authority.
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
    /// Creates an authority.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[expect(clippy::new_without_default, reason = "no two of them are the same")]
    pub fn new() -> Self {
        let mut params = params(Vec::new(), "authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = pair();
        let certificate =
            params.self_signed(&key).unwrap_or_else(|error| panic!("cannot create an authority: {error}"));
        Self { issuer: Issuer::new(params, key), pem: certificate.pem() }
    }

    /// The certificate of the authority, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate for a host name or address.
    ///
    /// # Panics
    /// If the host name is not valid in a certificate.
    pub fn certify(&self, host: &str) -> Certified {
        let mut params = params(vec![host.to_owned()], host);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = pair();
        let certificate = params.signed_by(&key, &self.issuer).unwrap_or_else(|error| panic!("{host}: {error}"));
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// Subjects have unique names: some libraries treat a certificate whose issuer has the same name as self-signed.
fn params(hosts: Vec<String>, name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).unwrap_or_else(|error| panic!("{name}: {error}"));
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn pair() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("cannot create a key: {error}"))
}
