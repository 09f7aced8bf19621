//! What an agent tells about itself on `/metrics`.

use prometheus::{Encoder, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};

/// One figure: name, help, label name or `""`, and label value with figure for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// `watchpost_agent_…`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// A counter; else a gauge.
    pub counter: bool,
    /// The label that tells the values apart; empty if there is one value.
    pub label: &'static str,
    /// Label value and figure.
    pub values: Vec<(String, f64)>,
}

impl Figure {
    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, counter: false, label: "", values: vec![(String::new(), value)] }
    }

    /// A counter without labels.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, counter: true, label: "", values: vec![(String::new(), value as f64)] }
    }

    /// A counter with one label.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn counters<L: Into<String>>(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> Self {
        let values = values.into_iter().map(|(word, value)| (word.into(), value as f64)).collect();
        Self { name, help, counter: true, label, values }
    }
}

/// The figures as Prometheus text.
///
/// # Errors
/// A name or label is not one that Prometheus takes, or stands twice.
pub fn render(figures: &[Figure]) -> Result<String, prometheus::Error> {
    let registry = Registry::new();
    for figure in figures {
        let labels: &[&str] = if figure.label.is_empty() { &[] } else { &[figure.label] };
        let opts = Opts::new(figure.name, figure.help);
        if figure.counter {
            let family = IntCounterVec::new(opts, labels)?;
            for (word, value) in &figure.values {
                let words: &[&str] = if figure.label.is_empty() { &[] } else { &[word] };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "it was a count before"
                )]
                family.get_metric_with_label_values(words)?.inc_by(*value as u64);
            }
            registry.register(Box::new(family))?;
        } else {
            let family = GaugeVec::new(opts, labels)?;
            for (word, value) in &figure.values {
                let words: &[&str] = if figure.label.is_empty() { &[] } else { &[word] };
                family.get_metric_with_label_values(words)?.set(*value);
            }
            registry.register(Box::new(family))?;
        }
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
