//! What the core counts, by the names under which `/metrics` shows it.

use std::collections::BTreeMap;

use model::engine::Input;

/// Sums since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Results refused for good, by code.
    pub(crate) rejected: BTreeMap<String, u64>,
    /// Inputs applied, by sort.
    pub(crate) inputs: BTreeMap<&'static str, u64>,
    /// Results stored.
    pub(crate) accepted: u64,
    /// Results that were known already.
    pub(crate) duplicates: u64,
    /// Stretches that agents had to drop, and the results in them.
    pub(crate) gaps: u64,
    /// Results in those stretches.
    pub(crate) gap_results: u64,
    /// Bytes written to the journal.
    pub(crate) journal_bytes: u64,
    /// Questions that the readers were too busy for.
    pub(crate) reader_busy: u64,
    /// Writes refused because the store could not write.
    pub(crate) unwritable: u64,
    /// Effects by sort.
    pub(crate) effects: BTreeMap<&'static str, u64>,
    /// Times that the clock stood before what it had shown.
    pub(crate) clock_back: u64,
    /// From the `now` of the last group to its effects being committed, ms.
    pub(crate) evaluation_lag_ms: u64,
    /// Snapshots that could not be written.
    pub(crate) snapshot_failures: u64,
    /// Slices of old results removed.
    pub(crate) retired: u64,
    /// Inputs pruned from the journal.
    pub(crate) pruned: u64,
}

/// The word of an input.
pub(crate) const fn sort_of(input: &Input) -> &'static str {
    match input {
        Input::Reconfigure { .. } => "reconfigure",
        Input::Batch { .. } => "batch",
        Input::Acknowledge { .. } => "acknowledge",
        Input::Resolve { .. } => "resolve",
        Input::Note { .. } => "note",
        Input::Delivered { .. } => "delivered",
        Input::Undeliverable { .. } => "undeliverable",
        Input::Resume { .. } => "resume",
        Input::Tick => "tick",
    }
}

impl Counters {
    /// All of them: name without its prefix, label, value.
    pub(crate) fn list(&self) -> Vec<(&'static str, String, u64)> {
        let mut list = vec![
            ("results_accepted_total", String::new(), self.accepted),
            ("results_duplicate_total", String::new(), self.duplicates),
            ("gaps_total", String::new(), self.gaps),
            ("gap_results_total", String::new(), self.gap_results),
            ("journal_bytes_total", String::new(), self.journal_bytes),
            ("refused_total", "reader_busy".into(), self.reader_busy),
            ("refused_total", "unwritable".into(), self.unwritable),
            ("clock_back_total", String::new(), self.clock_back),
            ("evaluation_lag_ms", String::new(), self.evaluation_lag_ms),
            ("snapshot_failures_total", String::new(), self.snapshot_failures),
            ("results_retired_slices_total", String::new(), self.retired),
            ("journal_pruned_rows_total", String::new(), self.pruned),
        ];
        for (code, count) in &self.rejected {
            list.push(("results_rejected_total", code.clone(), *count));
        }
        for (sort, count) in &self.inputs {
            list.push(("journal_rows_total", (*sort).into(), *count));
        }
        for (sort, count) in &self.effects {
            list.push(("effects_total", (*sort).into(), *count));
        }
        list
    }
}
