//! The file of gNMI targets, `telemetry_gnmi_targets`: a subscription on each line, in the syntax of keyed maps.
//!
//! ```text
//! ! a comment
//! name=edge-1 address=192.0.2.1:57400 username=telemetry password_file=edge.pw ca=ca.pem mode=sample interval=10 path=/interfaces/interface/state/counters
//! name=edge-1 address=192.0.2.1:57400 username=telemetry password_env=EDGE_PW    ca=ca.pem mode=on_change path=openconfig:/interfaces/interface[name=*]/state/oper-status
//! ```
//!
//! [`KEYS`] lists the keys. A line that is wrong is reported and ignored. Names of files are relative to the folder of the file.

use crate::dial_in::{Credentials, Encoding, Mode, Target};
use crate::tls::{Client, ClientFiles};
use config::{Diagnostics, Origin, nearest};
use http::HeaderValue;
use maps::grammar::{self, Line, Pair};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use telemetry_gpb::messages::gnmi::{Path as GnmiPath, PathElem};

/// The keys of a line and what they mean.
pub const KEYS: [(&str, &str); 17] = [
    ("name", "Name of the target in the output; the address without it."),
    ("address", "Name or address, and port: HOST:PORT. Required."),
    (
        "path",
        "A path, such as /interfaces/interface[name=*]/state; ORIGIN: before it names the models. Required; may be repeated.",
    ),
    ("mode", "sample (default), on_change, target_defined, once or poll."),
    ("interval", "Seconds between samples, polls, or subscriptions of mode once; 10 by default."),
    ("encoding", "json_ietf (default), json or proto."),
    ("target", "The target behind a gateway."),
    ("username", "The user."),
    ("password_file", "The file with the password: its first line."),
    ("password_env", "The environment variable with the password."),
    ("tls", "true (default) or false: plain text."),
    ("ca", "The authorities of the target's certificate (PEM); those of the system without it."),
    ("cert", "The certificate of the collector (PEM), with key."),
    ("key", "Its private key (PEM)."),
    ("server_name", "The name in the target's certificate; the host of the address without it."),
    ("verify", "true (default) or false: any certificate is accepted."),
    ("disabled", "true: the line is ignored."),
];

/// The most targets of a file.
const MAX_TARGETS: usize = 4096;
/// Bytes of the largest password file.
const MAX_PASSWORD: u64 = 4096;

/// Reads a file, and the files that it names.
pub fn load(path: &Path, problems: &mut Diagnostics) -> Vec<Arc<Target>> {
    let origin = Origin::whole(&path.display().to_string());
    let text = match config::text::read(path) {
        Ok(text) => text,
        Err(error) => {
            problems.fatal(&origin, format!("cannot be read: {error}."), None);
            return Vec::new();
        }
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&origin, &text, folder, |name| std::env::var(name).ok(), problems)
}

/// Parses the text of a file. `environment` looks a variable up.
pub fn parse(
    origin: &Origin,
    text: &[u8],
    folder: &Path,
    environment: impl Fn(&str) -> Option<String>,
    problems: &mut Diagnostics,
) -> Vec<Arc<Target>> {
    let mut targets = Vec::new();
    for line in grammar::parse(origin, text, problems) {
        let at = origin.at(line.number);
        if targets.len() == MAX_TARGETS {
            problems.error(&at, format!("more than {MAX_TARGETS} targets. The others are ignored."), None);
            break;
        }
        let reader = Reader { line: &line, folder, environment: &environment };
        let mut remarks = Vec::new();
        match reader.target(&mut remarks) {
            Ok(Some(target)) => targets.push(Arc::new(target)),
            Ok(None) => {}
            Err(Wrong { key, what, hint }) => {
                problems.error(&at, format!("{key}: {what}. The line is ignored."), hint)
            }
        }
        for (what, hint) in remarks {
            problems.warn(&at, what, Some(hint));
        }
    }
    targets
}

struct Wrong {
    key: &'static str,
    what: String,
    hint: Option<String>,
}

fn wrong(key: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Wrong {
    Wrong { key, what: what.into(), hint: Some(hint.into()) }
}

/// What is valid, but perhaps not intended, and what to do.
type Remark = (String, String);

struct Reader<'a, E> {
    line: &'a Line,
    folder: &'a Path,
    environment: &'a E,
}

impl<E: Fn(&str) -> Option<String>> Reader<'_, E> {
    fn target(&self, remarks: &mut Vec<Remark>) -> Result<Option<Target>, Wrong> {
        self.check_keys()?;
        if self.boolean("disabled", false)? {
            return Ok(None);
        }
        let address = self.one("address").ok_or_else(|| wrong("address", "it is missing", "Write HOST:PORT."))?;
        let (host, port) = split_address(address).ok_or_else(|| {
            let example =
                "Write a name or an address, and a port, such as router.example.net:57400 or [2001:db8::1]:57400.";
            wrong("address", format!("'{address}' is not HOST:PORT"), example)
        })?;
        let paths: Result<Vec<GnmiPath>, Wrong> = self
            .all("path")
            .map(|path| {
                parse_path(path).ok_or_else(|| {
                    wrong("path", format!("'{path}' is not a path"), "Write it as in /a/b[key=value]/c.")
                })
            })
            .collect();
        let paths = paths?;
        if paths.is_empty() {
            return Err(wrong("path", "it is missing", "Write at least one, such as path=/interfaces."));
        }
        let tls = self.tls(&host)?;
        let credentials = self.credentials(remarks)?;
        if credentials.is_some() && tls.is_none() {
            remarks.push(("the password is sent in plain text.".to_owned(), "Use tls=true.".to_owned()));
        }
        if tls.is_some() && !self.boolean("verify", true)? {
            let what = "verify=false: anybody can pretend to be the target.".to_owned();
            remarks.push((what, "Name the authorities of its certificate by ca.".to_owned()));
        }
        Ok(Some(Target {
            name: self.one("name").unwrap_or(address).into(),
            host,
            port,
            credentials,
            tls,
            paths,
            prefix_target: self.one("target").unwrap_or_default().to_owned(),
            mode: self.choice("mode", &Mode::ALL, Mode::Sample)?,
            interval: self.interval()?,
            encoding: self.choice("encoding", &Encoding::ALL, Encoding::JsonIetf)?,
        }))
    }

    fn all<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s str> {
        self.line.pairs.iter().filter(move |pair| pair.key == key).map(|pair| pair.value.as_str())
    }

    fn one<'s>(&'s self, key: &'s str) -> Option<&'s str> {
        self.all(key).next()
    }

    fn check_keys(&self) -> Result<(), Wrong> {
        let pairs: &[Pair] = &self.line.pairs;
        for (index, pair) in pairs.iter().enumerate() {
            let Some((key, _)) = KEYS.into_iter().find(|(key, _)| *key == pair.key) else {
                let near = nearest(&pair.key, KEYS.map(|(key, _)| key));
                let hint = near.map(|near| format!("Did you mean '{near}'?"));
                return Err(Wrong { key: "line", what: format!("unknown key '{}'", pair.key), hint });
            };
            let before = pairs.get(..index).unwrap_or_default();
            if key != "path" && before.iter().any(|other| other.key == key) {
                return Err(wrong(key, "it occurs twice", "Only path may be repeated."));
            }
            if pair.value.is_empty() {
                return Err(wrong(key, "it has no value", "Write KEY=VALUE, without blanks."));
            }
        }
        Ok(())
    }

    fn boolean(&self, key: &'static str, default: bool) -> Result<bool, Wrong> {
        self.choice(key, &[("true", true), ("false", false)], default)
    }

    fn choice<T: Copy>(&self, key: &'static str, known: &[(&str, T)], default: T) -> Result<T, Wrong> {
        let Some(value) = self.one(key) else { return Ok(default) };
        let found = known.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice);
        found.ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            wrong(key, format!("'{value}' is not known"), format!("Known are {}.", names.join(", ")))
        })
    }

    fn interval(&self) -> Result<Duration, Wrong> {
        let Some(value) = self.one("interval") else { return Ok(Duration::from_secs(10)) };
        let seconds = value.parse::<u32>().ok().filter(|seconds| (1..=86_400).contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            wrong("interval", format!("'{value}' is not a number of seconds"), "Write a number from 1 to 86400.")
        })?;
        Ok(Duration::from_secs(seconds.into()))
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.one(key).map(|name| self.folder.join(name))
    }

    fn tls(&self, host: &str) -> Result<Option<(Client, String)>, Wrong> {
        if !self.boolean("tls", true)? {
            let unused = ["ca", "cert", "key", "server_name", "verify"];
            return match KEYS.into_iter().find(|(key, _)| unused.contains(key) && self.one(key).is_some()) {
                None => Ok(None),
                Some((key, _)) => Err(wrong(key, "it has no effect without TLS", "Remove it, or tls=false.")),
            };
        }
        let is_insecure = !self.boolean("verify", true)?;
        let identity = match (self.path("cert"), self.path("key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(wrong("cert", "a certificate needs its key", "Write both cert and key.")),
        };
        if is_insecure && self.one("ca").is_some() {
            return Err(wrong("ca", "it has no effect with verify=false", "Remove one of them."));
        }
        let files = ClientFiles { ca: self.path("ca"), identity, is_insecure };
        let client = Client::load(&files).map_err(|what| Wrong { key: "tls", what, hint: None })?;
        let name = self.one("server_name").unwrap_or(host).to_owned();
        if rustls::pki_types::ServerName::try_from(name.as_str()).is_err() {
            return Err(wrong(
                "server_name",
                format!("'{name}' is neither a host name nor an address"),
                "Correct it.",
            ));
        }
        Ok(Some((client, name)))
    }

    fn credentials(&self, remarks: &mut Vec<Remark>) -> Result<Option<Credentials>, Wrong> {
        let (file, variable) = (self.path("password_file"), self.one("password_env"));
        let Some(username) = self.one("username") else {
            return match (file, variable) {
                (None, None) => Ok(None),
                _ => Err(wrong("username", "it is missing, and there is a password", "Write username=NAME.")),
            };
        };
        let password = match (file, variable) {
            (Some(file), None) => read_password(&file, remarks)?,
            (None, Some(variable)) => (self.environment)(variable).ok_or_else(|| {
                wrong("password_env", format!("the variable {variable} is not set"), "Set it for the daemon.")
            })?,
            (None, None) => {
                return Err(wrong("username", "there is no password", "Write password_file or password_env."));
            }
            (Some(_), Some(_)) => {
                return Err(wrong("password_env", "there is a password_file too", "Remove one of them."));
            }
        };
        for (key, text) in [("username", username), ("password_file", password.as_str())] {
            if text.is_empty() || HeaderValue::from_str(text).is_err() {
                // Without the text, which may be the password.
                return Err(wrong(
                    key,
                    "it is empty, or contains what HTTP headers cannot",
                    "Use printable ASCII.",
                ));
            }
        }
        Ok(Some(Credentials { username: username.to_owned(), password }))
    }
}

/// The first line of a file. Others than its owner should not be able to read it.
fn read_password(path: &Path, remarks: &mut Vec<Remark>) -> Result<String, Wrong> {
    let failed = |error: std::io::Error| {
        let what = format!("'{}' cannot be read: {error}", path.display());
        Wrong { key: "password_file", what, hint: None }
    };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        let hint = format!("Others could use it. Run: chmod o= {}", path.display());
        return Err(wrong("password_file", format!("'{}' is accessible to all users", path.display()), hint));
    }
    if mode & 0o070 != 0 {
        let what = format!("password_file: '{}' is accessible to its group.", path.display());
        remarks.push((what, format!("If that is not intended, run: chmod go= {}", path.display())));
    }
    let text = config::text::read_bytes(path, MAX_PASSWORD).map_err(failed)?;
    let text =
        String::from_utf8(text).map_err(|_| wrong("password_file", "it is not UTF-8", "Use printable ASCII."))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn split_address(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').filter(|host| host.parse::<std::net::Ipv6Addr>().is_ok())?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = port.parse::<u16>().ok().filter(|number| *number != 0 && !port.starts_with('+'))?;
    (!host.is_empty() && host.chars().all(is_host)).then(|| (host.to_owned(), port))
}

/// A path as text (gNMI Path Conventions): `[ORIGIN:]/NAME[KEY=VALUE].../NAME`, with `\` before characters that would end a part.
fn parse_path(text: &str) -> Option<GnmiPath> {
    let (origin, path) = match text.split_once('/') {
        None => return None,
        Some(("", path)) => ("", path),
        Some((origin, path)) => (origin.strip_suffix(':').filter(|origin| !origin.is_empty())?, path),
    };
    let mut elem = Vec::new();
    let mut characters = path.chars().peekable();
    while characters.peek().is_some() {
        let mut element = PathElem::default();
        let end = part(&mut characters, &['/', '['], &mut element.name)?;
        if element.name.is_empty() {
            return None;
        }
        let mut end = end;
        while end == Some('[') {
            let (mut key, mut value) = (String::new(), String::new());
            if part(&mut characters, &['='], &mut key)? != Some('=') || key.is_empty() {
                return None;
            }
            if part(&mut characters, &[']'], &mut value)? != Some(']') {
                return None;
            }
            element.key.insert(key, value);
            end = characters.next();
            if !matches!(end, None | Some('/' | '[')) {
                return None;
            }
        }
        elem.push(element);
    }
    Some(GnmiPath { origin: origin.to_owned(), elem, ..GnmiPath::default() })
}

/// Characters up to one of these, which is returned, or to the end.
#[expect(clippy::option_option, reason = "a backslash at the end is wrong, and an end is not")]
fn part(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    ends: &[char],
    out: &mut String,
) -> Option<Option<char>> {
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push(characters.next()?),
            end if ends.contains(&end) => return Some(Some(end)),
            other => out.push(other),
        }
    }
    Some(None)
}

#[cfg(test)]
mod tests;
