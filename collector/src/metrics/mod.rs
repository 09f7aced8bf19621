//! What `/metrics` shows: the edge's own counters, and the core's view as it is at the scrape.

pub mod table;
#[cfg(test)]
mod tests;
mod view;
#[cfg(test)]
pub(crate) use view::in_seconds;

use std::collections::BTreeMap;

use model::time::Timestamp;
use prometheus::proto::{Counter, Gauge, LabelPair, MetricFamily, MetricType};
use prometheus::{IntCounterVec, Opts, Registry, TextEncoder};

use self::table::{ALL, Metric, Sort};
use crate::handle::CoreView;

/// The counters of the edge: requests, refusals, notices, panics.
#[derive(Clone, Debug)]
pub struct Counted {
    registry: Registry,
    counters: BTreeMap<&'static str, IntCounterVec>,
}

impl Default for Counted {
    fn default() -> Self {
        let registry = Registry::new();
        let mut counters = BTreeMap::new();
        for metric in ALL.iter().filter(|metric| metric.sort == Sort::Counter) {
            let Ok(counter) =
                IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels)
            else {
                continue;
            };
            if metric.labels.is_empty() {
                // Without labels it can be shown before it first counts.
                let _ = counter.get_metric_with_label_values::<&str>(&[]);
            }
            if registry.register(Box::new(counter.clone())).is_ok() {
                counters.insert(metric.name, counter);
            }
        }
        Self { registry, counters }
    }
}

impl Counted {
    /// Counts one.
    pub fn count(&self, metric: &Metric, labels: &[&str]) {
        self.add(metric, labels, 1);
    }

    /// Counts some.
    pub fn add(&self, metric: &Metric, labels: &[&str], some: u64) {
        if let Some(counter) = self.counters.get(metric.name)
            && let Ok(counter) = counter.get_metric_with_label_values(labels)
        {
            counter.inc_by(some);
        }
    }

    /// How often it was counted.
    pub fn value(&self, metric: &Metric, labels: &[&str]) -> u64 {
        let counter = self.counters.get(metric.name);
        counter
            .and_then(|counter| counter.get_metric_with_label_values(labels).ok())
            .map_or(0, |counter| counter.get())
    }
}

/// Metric families in the making, each once, in order of name.
#[derive(Default)]
struct Families(BTreeMap<String, MetricFamily>);

impl Families {
    fn put(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        let labels = metric.labels.iter().copied().zip(labels.iter().copied());
        self.put_any(metric.name, metric.sort, metric.help, labels, value);
    }

    fn put_any<'a>(
        &mut self,
        name: &str,
        sort: Sort,
        help: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: f64,
    ) {
        let family = self.0.entry(name.to_owned()).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(match sort {
                Sort::Counter | Sort::Core => MetricType::COUNTER,
                Sort::Gauge => MetricType::GAUGE,
            });
            family
        });
        let pairs = labels.map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut point = prometheus::proto::Metric::from_label(pairs.collect());
        match sort {
            Sort::Counter | Sort::Core => {
                let mut counter = Counter::default();
                counter.set_value(value);
                point.set_counter(counter);
            }
            Sort::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                point.set_gauge(gauge);
            }
        }
        family.mut_metric().push(point);
    }
}

/// The whole text for Prometheus. Without a view, only what the edge counts itself.
///
/// # Errors
/// The text cannot be made: a fault of this program.
pub fn exposition(
    counted: &Counted,
    view: Option<&CoreView>,
    now: Timestamp,
) -> Result<String, prometheus::Error> {
    let mut families = Families::default();
    families.put(&table::BUILD, &[env!("CARGO_PKG_VERSION")], 1.0);
    families.put(&table::CORE_UP, &[], flag(view.is_some()));
    if let Some(view) = view {
        view::put(&mut families, view, now);
    }
    let mut all = counted.registry.gather();
    all.extend(families.0.into_values());
    TextEncoder::new().encode_to_string(&all)
}

fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Milliseconds as seconds, for a person or Prometheus.
fn seconds(at: Timestamp) -> f64 {
    at.ms() as f64 / 1000.0
}
