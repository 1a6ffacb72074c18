//! The file of templates (`nfacctd_templates_file`), which preserves them across a restart.
//!
//! One JSON object a line: exporter, domain, id, number of scope fields for options, the fields as
//! `[enterprise, element, length]`, and when an exporter last announced it. A thread of its own writes a temporary file and renames it
//! ([`Keeper`]).

mod keeper;
mod kept;

pub(crate) use keeper::{Keeper, Settings};
#[cfg(feature = "kafka")]
pub(crate) use kept::Kept;

use netflow::template::{Field, Kind, Template};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Microseconds since 1970.
pub(crate) type Time = u64;

/// How long a template is kept without being announced.
const MAX_AGE: Time = 30 * 86_400 * 1_000_000;

/// A template in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredTemplate {
    pub(crate) exporter: IpAddr,
    pub(crate) template: Template,
    /// When it was announced last.
    pub(crate) seen: Time,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    exporter: IpAddr,
    domain: u32,
    template: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<u16>,
    #[serde(default, skip_serializing_if = "is_false")]
    v9: bool,
    fields: Vec<(u32, u16, u16)>,
    /// Seconds since 1970; files of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<u64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Line {
    fn of(exporter: IpAddr, template: &Template, seen: Time) -> Self {
        Self {
            exporter,
            domain: template.domain,
            template: template.id,
            scopes: match template.kind {
                Kind::Data => None,
                Kind::Options { scopes } => Some(scopes),
            },
            v9: !template.ipfix,
            fields: template.fields.iter().map(|f| (f.enterprise, f.element, f.length)).collect(),
            seen: Some(seen / 1_000_000),
        }
    }

    /// Returns the template, if an exporter could have sent it.
    fn known(self, now: Time) -> Option<StoredTemplate> {
        let field = |(enterprise, element, length)| Field { enterprise, element, length };
        let kind = self.scopes.map_or(Kind::Data, |scopes| Kind::Options { scopes });
        let fields = self.fields.into_iter().map(field).collect();
        let mut template = Template::new(self.domain, self.template, kind, fields);
        template.ipfix = !self.v9;
        let usable = template.min_length > 0 && template.fields.len() <= netflow::template::MAX_FIELDS;
        let usable = usable && template.id >= netflow::datagram::MIN_TEMPLATE_ID;
        let usable = usable && self.scopes.is_none_or(|scopes| usize::from(scopes) <= template.fields.len());
        // A time in the future, from a wrong clock, must not keep a template forever.
        let seen = self.seen.map_or(now, |seconds| seconds.saturating_mul(1_000_000).min(now));
        usable.then_some(StoredTemplate { exporter: self.exporter, template, seen })
    }
}

/// A template as a line, without its end.
#[cfg(feature = "kafka")]
pub(crate) fn to_line(known: &StoredTemplate) -> Option<Vec<u8>> {
    serde_json::to_vec(&Line::of(known.exporter, &known.template, known.seen)).ok()
}

/// The template in a line, if an exporter could have sent it and has announced it in the last 30 days.
#[cfg(feature = "kafka")]
pub(crate) fn from_line(line: &[u8], now: Time) -> Option<StoredTemplate> {
    let known = serde_json::from_slice::<Line>(line).ok().and_then(|line| line.known(now))?;
    (now - known.seen <= MAX_AGE).then_some(known)
}

/// What is in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) templates: Vec<StoredTemplate>,
    /// Templates that are ignored, because they were not announced for long.
    pub(crate) old: usize,
    /// Lines that are not templates.
    pub(crate) bad: usize,
}

/// Reads the file at `now`; one that does not exist is empty.
pub(crate) fn read(path: &Path, now: Time) -> io::Result<Contents> {
    let text = match config::text::read_lossy(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
        Err(error) => return Err(error),
    };
    let mut contents = Contents::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Line>(line).ok().and_then(|line| line.known(now)) {
            Some(known) if now - known.seen > MAX_AGE => contents.old += 1,
            Some(known) => contents.templates.push(known),
            None => contents.bad += 1,
        }
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = 1_700_000_000_000_000;
    const FIELDS: &str = "\"fields\":[[9,1,65535]]";

    fn read_text(text: &str) -> Contents {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path(), NOW).unwrap()
    }

    #[test]
    fn files_of_earlier_versions_are_read() {
        let line = format!(
            "{{\"exporter\":\"192.0.2.1\",\"domain\":7,\"template\":300,\"scopes\":1,\"v9\":true,{FIELDS}}}\n"
        );
        let field = Field { enterprise: 9, element: 1, length: 65535 };
        let mut template = Template::new(7, 300, Kind::Options { scopes: 1 }, vec![field]);
        template.ipfix = false;
        let known = StoredTemplate { exporter: "192.0.2.1".parse().unwrap(), template, seen: NOW };
        assert_eq!(read_text(&line), Contents { templates: vec![known], ..Contents::default() });
        let cut = &line[..line.len() / 2];
        assert_eq!(read_text(&format!("{line}{{\"foo\": 1}}\n{cut}")).bad, 2);
        assert_eq!(read(Path::new("/no/such/file"), NOW).unwrap(), Contents::default());
    }

    #[test]
    fn templates_not_announced_for_thirty_days_are_ignored() {
        let line = |seen: u64| {
            format!("{{\"exporter\":\"192.0.2.1\",\"domain\":7,\"template\":300,{FIELDS},\"seen\":{seen}}}\n")
        };
        let day = 86_400;
        let seconds = NOW / 1_000_000;
        let contents =
            read_text(&[line(seconds - 31 * day), line(seconds - 29 * day), line(seconds + day)].concat());
        let seen: Vec<Time> = contents.templates.iter().map(|known| known.seen).collect();
        assert_eq!((seen, contents.old), (vec![NOW - 29 * day * 1_000_000, NOW], 1));
    }
}
