//! Metrics as text: OpenMetrics 1.0, and the text format of Prometheus, which differ only in their headers.
//!
//! In OpenMetrics a counter's family has no `_total`, a family with a unit declares it, and the text has an end marker, by which a
//! client detects truncation.

use crate::family::{Family, Kind};
use crate::format::Format;
use std::fmt::{Display, Write};

/// A text that grows family by family.
pub(crate) struct Exposition {
    text: String,
    format: Format,
}

impl Exposition {
    pub(crate) fn new(format: Format) -> Self {
        Self { text: String::new(), format }
    }

    /// Begins a family. Its samples must follow before the next one begins.
    pub(crate) fn family(&mut self, family: &Family<'_>) {
        let Family { name, kind, unit, help } = *family;
        // Writing to a `String` cannot fail.
        let text = &mut self.text;
        match self.format {
            Format::OpenMetrics => {
                let _ = writeln!(text, "# TYPE {name} {}", kind.word());
                if let Some(unit) = unit {
                    let _ = writeln!(text, "# UNIT {name} {unit}");
                }
                let _ = write!(text, "# HELP {name} ");
                escape(text, help, true);
            }
            Format::Prometheus => {
                let (suffix, word) = (kind.suffix(), kind.plain_word());
                let _ = write!(text, "# HELP {name}{suffix} ");
                escape(text, help, false);
                let _ = write!(text, "\n# TYPE {name}{suffix} {word}");
            }
        }
        self.text.push('\n');
    }

    /// A sample of the family that was begun last.
    pub(crate) fn sample<'a>(
        &mut self,
        family: &Family<'_>,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        value: impl Display,
    ) {
        let text = &mut self.text;
        text.push_str(family.name);
        text.push_str(family.kind.suffix());
        let mut open = '{';
        for (name, value) in labels {
            text.push(open);
            open = ',';
            text.push_str(name);
            text.push_str("=\"");
            escape(text, value, true);
            text.push('"');
        }
        if open == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }

    /// A family with one sample and no labels.
    pub(crate) fn single(&mut self, family: &Family<'_>, value: impl Display) {
        self.family(family);
        self.sample(family, [], value);
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Kind {
    /// The type in the older format, which has no infos.
    fn plain_word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
        }
    }
}

fn escape(text: &mut String, value: &str, quotes: bool) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Family<'_> =
        Family { name: "a_bytes", kind: Kind::Counter, unit: Some("bytes"), help: "Bytes of \"a\"." };
    const INFO: Family<'_> = Family { name: "b", kind: Kind::Info, unit: None, help: "What b is." };

    fn text(format: Format) -> String {
        let mut exposition = Exposition::new(format);
        exposition.family(&BYTES);
        exposition.sample(&BYTES, [("x", "a\"\\\n"), ("y", "é")], 7);
        exposition.sample(&BYTES, [], 8);
        exposition.family(&INFO);
        exposition.sample(&INFO, [("v", "1")], 1);
        exposition.finish()
    }

    #[test]
    fn openmetrics_has_types_units_and_an_end() {
        assert_eq!(
            text(Format::OpenMetrics),
            "# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes Bytes of \\\"a\\\".\n\
             a_bytes_total{x=\"a\\\"\\\\\\n\",y=\"é\"} 7\na_bytes_total 8\n\
             # TYPE b info\n# HELP b What b is.\nb_info{v=\"1\"} 1\n# EOF\n"
        );
    }

    #[test]
    fn the_older_format_names_families_as_samples() {
        assert_eq!(
            text(Format::Prometheus),
            "# HELP a_bytes_total Bytes of \"a\".\n# TYPE a_bytes_total counter\n\
             a_bytes_total{x=\"a\\\"\\\\\\n\",y=\"é\"} 7\na_bytes_total 8\n\
             # HELP b_info What b is.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n"
        );
    }
}
