//! The exposition format for a client, by its `Accept` header (RFC 9110, section 12.5.1).

/// A text format for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
}

/// Maximum number of ranges of an `Accept` header that are read.
const RANGES: usize = 32;

impl Format {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::OpenMetrics, Self::Prometheus];

    /// The value of `Content-Type`.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// OpenMetrics, unless the client prefers the older format.
    pub(crate) fn accepted(header: &str) -> Self {
        let quality = |format: Self| {
            let ranges = header.split(',').take(RANGES);
            // The most specific range decides; of several equal ones the best.
            ranges.filter_map(|range| format.quality(range)).max().map_or(0, |(_, quality)| quality)
        };
        if quality(Self::Prometheus) > quality(Self::OpenMetrics) { Self::Prometheus } else { Self::OpenMetrics }
    }

    /// The specificity of a range that includes this format, and its quality in thousandths.
    fn quality(self, range: &str) -> Option<(u8, u16)> {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next()?.to_ascii_lowercase();
        let (name, group, version) = match self {
            Self::OpenMetrics => ("application/openmetrics-text", "application/*", "1.0.0"),
            Self::Prometheus => ("text/plain", "text/*", "0.0.4"),
        };
        let specific = match kind.as_str() {
            "*/*" => 0,
            kind if kind == group => 1,
            kind if kind == name => 2,
            _ => return None,
        };
        let mut quality = 1000;
        for part in parts {
            let (key, value) = part.split_once('=')?;
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "version" if value != version => return None,
                "q" => quality = thousandths(value)?,
                _ => {}
            }
        }
        Some((specific, quality))
    }
}

/// A quality between 0 and 1, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let quality: f32 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
    (0.0..=1.0).contains(&quality).then_some((quality * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_openmetrics_unless_it_prefers_the_older_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in
            ["", "*/*", "application/openmetrics-text", prometheus, "text/plain;q=0.5, application/*", "image/png"]
        {
            assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
        }
        let newer = "application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.9";
        for accept in ["text/plain", "TEXT/PLAIN; version=\"0.0.4\"", "text/*;q=0.9, */*;q=0.1", newer] {
            assert_eq!(Format::accepted(accept), Format::Prometheus, "{accept}");
        }
    }

    #[test]
    fn the_most_specific_range_decides() {
        assert_eq!(
            Format::accepted("text/plain;q=0.1, text/*;q=1, application/openmetrics-text;q=0.2"),
            Format::OpenMetrics
        );
        assert_eq!(Format::accepted("application/openmetrics-text;q=0, */*"), Format::Prometheus);
    }

    #[test]
    fn unusual_headers_do_no_harm() {
        let long = "text/plain;q=0.9,".repeat(10_000);
        assert_eq!(Format::accepted(&long), Format::Prometheus);
        for accept in
            [";;;,,,===", "text/plain;q=NaN", "text/plain;q=inf", "text/plain;q=-1", "text/plain;q", "/", "é;q=é"]
        {
            assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
        }
    }
}
