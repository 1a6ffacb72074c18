//! The file of templates (`nfacctd_templates_file`): what exporters announced, kept over a restart.
//!
//! One JSON object a line: exporter, domain, id, number of scope fields for options, and the fields as
//! `[enterprise, element, length]`. It is written whole, aside, and renamed.

use netflow::template::{Field, Kind, Template};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Longest time that a change waits to be written.
const DELAY_US: u64 = 5_000_000;

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
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Line {
    fn of(exporter: IpAddr, template: &Template) -> Self {
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
        }
    }

    /// The template, unless it could not have come from an exporter.
    fn template(self) -> Option<(IpAddr, Template)> {
        let field = |(enterprise, element, length)| Field { enterprise, element, length };
        let kind = self.scopes.map_or(Kind::Data, |scopes| Kind::Options { scopes });
        let fields = self.fields.into_iter().map(field).collect();
        let mut template = Template::new(self.domain, self.template, kind, fields);
        template.ipfix = !self.v9;
        let usable = template.min_length > 0 && template.fields.len() <= netflow::template::MAX_FIELDS;
        (usable && template.id >= netflow::datagram::MIN_TEMPLATE_ID).then_some((self.exporter, template))
    }
}

/// Reads the file. Lines that are no templates are counted, not used; a file that does not exist has none.
pub(crate) fn read(path: &Path) -> io::Result<(Vec<(IpAddr, Template)>, usize)> {
    let text = match std::fs::read(path) {
        Ok(octets) => String::from_utf8_lossy(&octets).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let mut bad = 0;
    let mut templates = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Line>(line).ok().and_then(Line::template) {
            Some(template) => templates.push(template),
            None => bad += 1,
        }
    }
    Ok((templates, bad))
}

/// The templates known to all workers, and their file.
pub(crate) struct TemplatesFile {
    path: PathBuf,
    files: runtime::files::Settings,
    known: BTreeMap<(IpAddr, bool, u32, u16), Template>,
    changed_since: Option<u64>,
}

impl TemplatesFile {
    pub(crate) fn new(path: PathBuf, files: runtime::files::Settings, known: &[(IpAddr, Template)]) -> Self {
        let known = known.iter().map(|(ip, t)| ((*ip, t.ipfix, t.domain, t.id), t.clone())).collect();
        Self { path, files, known, changed_since: None }
    }

    pub(crate) fn learn(&mut self, exporter: IpAddr, template: Template, now: u64) {
        self.known.insert((exporter, template.ipfix, template.domain, template.id), template);
        self.changed_since.get_or_insert(now);
    }

    /// Takes in what the workers know at the end, and forgets the rest: it was withdrawn.
    pub(crate) fn replace(&mut self, all: Vec<(IpAddr, Template)>) {
        self.known = all.into_iter().map(|(ip, t)| ((ip, t.ipfix, t.domain, t.id), t)).collect();
        self.changed_since = Some(0);
    }

    /// Writes the file if something has changed and waited long enough at `now`.
    pub(crate) fn write_if_due(&mut self, now: u64) {
        if self.changed_since.is_some_and(|since| now.saturating_sub(since) >= DELAY_US) {
            if let Err(error) = self.write() {
                tracing::error!("nfacctd_templates_file: {}: {error}", self.path.display());
            }
            self.changed_since = None;
        }
    }

    fn write(&self) -> io::Result<()> {
        let mut file = runtime::files::Aside::create(&self.path, &self.files)?;
        for ((exporter, ..), template) in &self.known {
            serde_json::to_writer(&mut file, &Line::of(*exporter, template))?;
            file.write_all(b"\n")?;
        }
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_outlive_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("templates");
        let exporter: IpAddr = "192.0.2.1".parse().unwrap();
        let field = Field { enterprise: 9, element: 1, length: 65535 };
        let template = Template::new(7, 300, Kind::Options { scopes: 1 }, vec![field]);
        let mut file = TemplatesFile::new(path.clone(), runtime::files::Settings::default(), &[]);
        file.learn(exporter, template.clone(), 1);
        file.write_if_due(2);
        assert!(!path.exists());
        file.write_if_due(1 + DELAY_US);
        assert_eq!(read(&path).unwrap(), (vec![(exporter, template)], 0));
        std::fs::write(&path, "{\"foo\": 1}\n").unwrap();
        assert_eq!(read(&path).unwrap(), (vec![], 1));
        assert_eq!(read(&folder.path().join("none")).unwrap(), (vec![], 0));
    }
}
