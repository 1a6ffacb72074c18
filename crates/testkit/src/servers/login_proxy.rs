//! An authenticating proxy in front of a Kafka broker without authentication.
//!
//! Until a client is authenticated, the proxy answers its requests; then it forwards everything to the broker. SASL uses
//! Kafka's requests SaslHandshake and SaslAuthenticate (KIP-43, KIP-152), with PLAIN (RFC 4616) and SCRAM (RFC 5802,
//! RFC 7677). It follows the RFCs, and has one user.

use super::own_address;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;
/// Kafka's code for a mechanism that the broker does not have.
const UNSUPPORTED_MECHANISM: i16 = 33;
/// Kafka's code for a login that failed.
const AUTHENTICATION_FAILED: i16 = 58;
/// Maximum length of a request before the login, in octets.
const MAX_REQUEST: usize = 65_536;
/// The supported mechanisms.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const SALT: &[u8] = b"salt of tests";
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).expect("it is not zero");

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct LoginProxy {
    listens: SocketAddr,
    _runtime: Runtime,
}

impl LoginProxy {
    /// An address for a proxy that is started later: brokers that advertise their address must know it first.
    pub fn address() -> SocketAddr {
        own_address()
    }

    /// Starts a proxy that admits that user to the broker.
    ///
    /// # Panics
    /// If the address is in use.
    pub fn start(listens: SocketAddr, broker: SocketAddr, user: &'static str, password: &'static str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("cannot start a runtime: {error}"));
        let listener = runtime.block_on(TcpListener::bind(listens));
        let listener = listener.unwrap_or_else(|error| panic!("{listens}: {error}"));
        runtime.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut upstream = TcpStream::connect(broker).await.ok()?;
                    log_in(&mut client, &mut upstream, user, password).await.ok()?;
                    copy_bidirectional(&mut client, &mut upstream).await.ok()
                });
            }
        });
        Self { listens, _runtime: runtime }
    }

    /// Its address.
    pub fn listens(&self) -> SocketAddr {
        self.listens
    }
}

/// Answers requests until the client is authenticated.
async fn log_in(client: &mut TcpStream, broker: &mut TcpStream, user: &str, password: &str) -> io::Result<()> {
    let no = || io::Error::from(io::ErrorKind::PermissionDenied);
    let mut login: Option<Login> = None;
    loop {
        let request = read(client).await?;
        let head = Head::read(&request).ok_or_else(no)?;
        match head.api {
            API_VERSIONS => {
                write(broker, &request).await?;
                let answer = read(broker).await?;
                write(client, &answer).await?;
            }
            SASL_HANDSHAKE => {
                let mechanism =
                    head.body.get(2..).and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(no)?;
                login = Login::new(mechanism, user, password);
                let error = if login.is_some() { 0 } else { UNSUPPORTED_MECHANISM };
                let mut answer = head.answer(error);
                answer.extend_from_slice(&3i32.to_be_bytes());
                MECHANISMS.iter().for_each(|name| string(&mut answer, name));
                write(client, &answer).await?;
            }
            SASL_AUTHENTICATE if head.version <= 1 => {
                let message = head.body.get(4..).ok_or_else(no)?;
                let step = login.as_mut().and_then(|login| login.step(message));
                let mut answer = head.answer(if step.is_some() { 0 } else { AUTHENTICATION_FAILED });
                match &step {
                    Some(_) => answer.extend_from_slice(&(-1i16).to_be_bytes()),
                    None => string(&mut answer, "wrong user or password"),
                }
                let word = step.as_ref().map(|step| step.say.as_slice()).unwrap_or_default();
                answer.extend_from_slice(&u32::try_from(word.len()).unwrap_or(0).to_be_bytes());
                answer.extend_from_slice(word);
                if head.version == 1 {
                    answer.extend_from_slice(&0i64.to_be_bytes());
                }
                write(client, &answer).await?;
                match step {
                    None => return Err(no()),
                    Some(Step { done: true, .. }) => return Ok(()),
                    Some(_) => {}
                }
            }
            _ => return Err(no()),
        }
    }
}

/// A request header: `i16` API key, `i16` version, `i32` correlation id, client id with an `i16` length, or -1.
struct Head<'a> {
    api: i16,
    version: i16,
    number: [u8; 4],
    body: &'a [u8],
}

impl<'a> Head<'a> {
    fn read(request: &'a [u8]) -> Option<Self> {
        let (api, rest) = request.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let body = rest.get(usize::try_from(i16::from_be_bytes(*length)).unwrap_or(0)..)?;
        Some(Self { api: i16::from_be_bytes(*api), version: i16::from_be_bytes(*version), number: *number, body })
    }

    /// A response that begins with an error code, 0 for none.
    fn answer(&self, error: i16) -> Vec<u8> {
        [self.number.as_slice(), &error.to_be_bytes()].concat()
    }
}

fn string(answer: &mut Vec<u8>, text: &str) {
    answer.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
    answer.extend_from_slice(text.as_bytes());
}

/// Reads a message with an `i32` length.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await? as usize;
    if length > MAX_REQUEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

async fn write(stream: &mut TcpStream, octets: &[u8]) -> io::Result<()> {
    stream.write_u32(u32::try_from(octets.len()).unwrap_or(0)).await?;
    stream.write_all(octets).await
}

/// The response to a message of the client.
struct Step {
    say: Vec<u8>,
    done: bool,
}

/// A login in progress.
enum Login {
    Plain { right: Vec<u8> },
    Scram(Scram),
}

struct Scram {
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    user: String,
    /// `SaltedPassword` of RFC 5802 section 3.
    salted: Vec<u8>,
    /// The client's first message without its GS2 header, a comma, and the server's.
    so_far: Option<String>,
}

impl Login {
    fn new(mechanism: &str, user: &str, password: &str) -> Option<Self> {
        let scram = |digest: &'static digest::Algorithm, hmac, derive| {
            let mut salted = vec![0; digest.output_len()];
            pbkdf2::derive(derive, ROUNDS, SALT, password.as_bytes(), &mut salted);
            Some(Self::Scram(Scram { digest, hmac, user: user.to_owned(), salted, so_far: None }))
        };
        match mechanism {
            "PLAIN" => Some(Self::Plain { right: format!("\0{user}\0{password}").into_bytes() }),
            "SCRAM-SHA-256" => scram(&digest::SHA256, hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
            "SCRAM-SHA-512" => scram(&digest::SHA512, hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512),
            _ => None,
        }
    }

    /// The response; `None` if the login fails.
    fn step(&mut self, message: &[u8]) -> Option<Step> {
        match self {
            Self::Plain { right } => (message == right.as_slice()).then(|| Step { say: Vec::new(), done: true }),
            Self::Scram(scram) => {
                let message = std::str::from_utf8(message).ok()?;
                match scram.so_far.take() {
                    None => scram.first(message),
                    Some(so_far) => scram.last(&so_far, message),
                }
            }
        }
    }
}

impl Scram {
    /// `n,,n=USER,r=NONCE`
    fn first(&mut self, message: &str) -> Option<Step> {
        let bare = message.strip_prefix("n,,")?;
        let (name, nonce) = bare.split_once(",r=")?;
        if name.strip_prefix("n=") != Some(self.user.as_str()) {
            return None;
        }
        let ours = format!("r={nonce}ofTheProxy,s={},i={ROUNDS}", STANDARD.encode(SALT));
        self.so_far = Some(format!("{bare},{ours}"));
        Some(Step { say: ours.into_bytes(), done: false })
    }

    /// `c=biws,r=NONCES,p=PROOF`
    fn last(&self, so_far: &str, message: &str) -> Option<Step> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let nonces = without_proof.strip_prefix("c=biws,")?;
        if !so_far.contains(&format!(",{nonces},s=")) {
            return None;
        }
        let message = format!("{so_far},{without_proof}");
        let sign = |key: &[u8], what: &[u8]| hmac::sign(&hmac::Key::new(self.hmac, key), what);
        let client_key = sign(&self.salted, b"Client Key");
        let stored = digest::digest(self.digest, client_key.as_ref());
        let signature = sign(stored.as_ref(), message.as_bytes());
        let right: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        if STANDARD.decode(proof).ok()? != right {
            return None;
        }
        let server_key = sign(&self.salted, b"Server Key");
        let verifier = sign(server_key.as_ref(), message.as_bytes());
        Some(Step { say: format!("v={}", STANDARD.encode(verifier)).into_bytes(), done: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 section 3, with its nonces and salt.
    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let mut salted = vec![0; 32];
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, b"pencil", &mut salted);
        let (digest, hmac, user) = (&digest::SHA256, hmac::HMAC_SHA256, "user".to_owned());
        let scram = Scram { digest, hmac, user, salted, so_far: None };
        let nonces = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let so_far = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{nonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = |proof: &str| scram.last(&so_far, &format!("c=biws,{nonces},p={proof}"));
        let step = last("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        assert_eq!(step.say, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(last("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=").is_none());
    }
}
