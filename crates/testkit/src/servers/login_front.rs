//! Asks clients of a Kafka broker who they are, in front of a broker that does not.
//!
//! Before a client is known, its requests are looked at; when it has logged in, all goes on to the broker as it is. SASL by
//! Kafka's requests SaslHandshake and SaslAuthenticate (KIP-43, KIP-152), with PLAIN (RFC 4616) and SCRAM (RFC 5802,
//! RFC 7677). It is written after the RFCs alone, and knows one user.

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
/// Most octets of a request before the login.
const LONGEST: usize = 65_536;
/// The mechanisms that are known.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const SALT: &[u8] = b"salt of tests";
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).expect("it is not zero");

/// Takes connections until it is dropped.
#[derive(Debug)]
pub struct LoginFront {
    listens: SocketAddr,
    _runtime: Runtime,
}

impl LoginFront {
    /// An address for a front that is not there yet: brokers that name their own address must know it before.
    pub fn address() -> SocketAddr {
        own_address()
    }

    /// Listens there, and lets that user in to the broker.
    ///
    /// # Panics
    /// When the address is taken.
    pub fn start(listens: SocketAddr, broker: SocketAddr, user: &'static str, password: &'static str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let listener = runtime.block_on(TcpListener::bind(listens));
        let listener = listener.unwrap_or_else(|error| panic!("{listens}: {error}"));
        runtime.spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut behind = TcpStream::connect(broker).await.ok()?;
                    log_in(&mut client, &mut behind, user, password).await.ok()?;
                    copy_bidirectional(&mut client, &mut behind).await.ok()
                });
            }
        });
        Self { listens, _runtime: runtime }
    }

    /// Where it listens.
    pub fn listens(&self) -> SocketAddr {
        self.listens
    }
}

/// Answers requests until the client is known.
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
                let said = head.body.get(4..).ok_or_else(no)?;
                let step = login.as_mut().and_then(|login| login.step(said));
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

/// The head of a request: `i16` API, `i16` version, `i32` number, client's name with an `i16` length, or -1.
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

    /// An answer that begins with an error code, 0 for none.
    fn answer(&self, error: i16) -> Vec<u8> {
        [self.number.as_slice(), &error.to_be_bytes()].concat()
    }
}

fn string(answer: &mut Vec<u8>, text: &str) {
    answer.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
    answer.extend_from_slice(text.as_bytes());
}

/// What follows an `i32` length.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await? as usize;
    if length > LONGEST {
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

/// What is answered to a word of the client.
struct Step {
    say: Vec<u8>,
    done: bool,
}

/// A login that is under way.
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
    /// The client's first message without its head, and ours, with a comma between.
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

    /// What is answered; `None` is no.
    fn step(&mut self, said: &[u8]) -> Option<Step> {
        match self {
            Self::Plain { right } => (said == right.as_slice()).then(|| Step { say: Vec::new(), done: true }),
            Self::Scram(scram) => {
                let said = std::str::from_utf8(said).ok()?;
                match scram.so_far.take() {
                    None => scram.first(said),
                    Some(so_far) => scram.last(&so_far, said),
                }
            }
        }
    }
}

impl Scram {
    /// `n,,n=USER,r=NONCE`
    fn first(&mut self, said: &str) -> Option<Step> {
        let bare = said.strip_prefix("n,,")?;
        let (name, nonce) = bare.split_once(",r=")?;
        if name.strip_prefix("n=") != Some(self.user.as_str()) {
            return None;
        }
        let ours = format!("r={nonce}ofTheFront,s={},i={ROUNDS}", STANDARD.encode(SALT));
        self.so_far = Some(format!("{bare},{ours}"));
        Some(Step { say: ours.into_bytes(), done: false })
    }

    /// `c=biws,r=NONCES,p=PROOF`
    fn last(&self, so_far: &str, said: &str) -> Option<Step> {
        let (without_proof, proof) = said.rsplit_once(",p=")?;
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
    fn the_example_of_the_rfc_is_let_in() {
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
