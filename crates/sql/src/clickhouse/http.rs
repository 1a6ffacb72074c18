//! Requests to a server (ClickHouse manual, "HTTP Interface"), each with a timeout.

use super::error::WriteError;
use crate::settings::Settings;
use delivery::StoreError;
use std::path::Path;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The default ports, without TLS and with it.
const PORTS: [u16; 2] = [8123, 8443];
/// The maximum size of an answer in bytes.
const ANSWER: u64 = 1 << 20;

/// A connection to a server.
pub(super) struct Http {
    agent: Agent,
    url: String,
    user: String,
    password: String,
    database: String,
    /// The server supports tokens of INSERTs.
    tokens: bool,
}

impl Http {
    /// Checks that the server answers and accepts the login.
    pub(super) fn new(host: &str, settings: &Settings) -> Result<Self, WriteError> {
        let wants_tls = settings.ca_file.is_some();
        let (scheme, host) = host.split_once("://").unwrap_or((if wants_tls { "https" } else { "http" }, host));
        let (login, host) = host.rsplit_once('@').map_or((None, host), |(login, host)| (Some(login), host));
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (decoded(user), decoded(password)),
            None => (settings.user.clone(), settings.password.clone()),
        };
        if wants_tls && scheme != "https" {
            let what = format!("{scheme}:// in sql_host does not use TLS; use https:// or omit the scheme");
            return Err(WriteError::Store(StoreError::Configuration { key: "sql_conn_ca_file", what }));
        }
        let [plain, encrypted] = PORTS;
        let port = settings.port.unwrap_or(if scheme == "https" { encrypted } else { plain });
        // An IPv6 address needs brackets before a port.
        let url = match host.contains(':') && !host.starts_with('[') {
            true => format!("{scheme}://[{host}]:{port}/"),
            false => format!("{scheme}://{host}:{port}/"),
        };
        let mut config = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .max_redirects(0);
        if let Some(path) = &settings.ca_file {
            config = config.tls_config(TlsConfig::builder().root_certs(authorities(path)?).build());
        }
        let mut http = Self {
            agent: config.build().into(),
            url,
            user,
            password,
            database: settings.db.clone(),
            tokens: false,
        };
        let answer = http.ask("SELECT count() FROM system.settings WHERE name = 'insert_deduplication_token'")?;
        http.tokens = answer.trim() == "1";
        Ok(http)
    }

    /// Sends a statement and reads the answer.
    pub(super) fn ask(&self, statement: &str) -> Result<String, WriteError> {
        self.post(&[("database", &self.database)], statement.as_bytes())
    }

    /// Inserts rows.
    pub(super) fn insert(&self, statement: &str, token: &str, rows: &[u8]) -> Result<(), WriteError> {
        let mut parameters = vec![("database", self.database.as_str()), ("query", statement)];
        if self.tokens {
            parameters.push(("insert_deduplication_token", token));
        }
        self.post(&parameters, rows).map(drop)
    }

    fn post(&self, parameters: &[(&str, &str)], body: &[u8]) -> Result<String, WriteError> {
        let down = |error: ureq::Error| {
            let refused = delivery::tls::configuration_error("sql_conn_ca_file", cause(&error));
            WriteError::Store(refused.unwrap_or_else(|| StoreError::Down(error.to_string())))
        };
        let request = (self.agent.post(&self.url))
            .header("X-ClickHouse-User", &self.user)
            .header("X-ClickHouse-Key", &self.password)
            .query_pairs(parameters.iter().copied());
        let mut response = request.send(body).map_err(down)?;
        let status = response.status();
        let answer = response.body_mut().with_config().limit(ANSWER).lossy_utf8(true).read_to_string();
        let answer = answer.map_err(down)?;
        // An error after the first bytes of an answer is reported in the answer itself.
        if status.is_success() && !answer.contains("DB::Exception: ") {
            return Ok(answer);
        }
        match answer.trim() {
            "" => Err(WriteError::Store(StoreError::Down(status.to_string()))),
            said => Err(WriteError::from_server(said)),
        }
    }
}

/// Decodes the percent-encoding of a part of a URL (RFC 3986, section 2.1).
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let escaped = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The error that the client library wraps.
fn cause(error: &ureq::Error) -> &(dyn std::error::Error + 'static) {
    match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Rustls(error) => error,
        error => error,
    }
}

/// The authorities in a file (`sql_conn_ca_file`).
fn authorities(path: &Path) -> Result<RootCerts, WriteError> {
    let certificates = delivery::tls::certificates("sql_conn_ca_file", path).map_err(WriteError::Store)?;
    let certificates: Vec<Certificate<'static>> =
        certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_decoded() {
        assert_eq!(decoded("p%40ss%3a%"), "p@ss:%");
        assert_eq!((decoded(""), decoded("%zz"), decoded("a%4")), (String::new(), "%zz".into(), "a%4".into()));
    }
}
