//! What the agent says about itself when asked.

use std::time::Duration;

use super::Driver;
use crate::metrics::Figure;

/// Without a receipt for so long an agent is not well.
const RECEIPT_AGE_MAX: Duration = Duration::from_secs(60);

/// The figures, and why the agent is not well, if so.
pub(in crate::run) struct Report {
    pub(in crate::run) figures: Vec<Figure>,
    pub(in crate::run) unwell: Option<String>,
}

pub(super) fn report(driver: &Driver) -> Report {
    let status = *driver.status.borrow();
    let age = driver.receipt.map_or(driver.begun.elapsed(), |receipt| receipt.elapsed());
    let unwell = if age > RECEIPT_AGE_MAX {
        Some(format!("no receipt from the collector for {} s", age.as_secs()))
    } else if status.unwritten > 0 {
        Some(format!("the disk refuses {} results", status.unwritten))
    } else {
        None
    };
    let mut figures = runs(driver);
    figures.extend(queue(driver));
    Report { figures, unwell }
}

#[expect(clippy::cast_precision_loss, reason = "for people and graphs")]
fn runs(driver: &Driver) -> Vec<Figure> {
    let machine = &driver.machine;
    let (counts, plan) = (machine.counts(), machine.plan());
    let mut figures = vec![
        Figure::gauge("watchpost_agent_probes", "Probes assigned.", plan.len() as f64),
        Figure::gauge("watchpost_agent_runs", "Runs in progress.", machine.runs() as f64),
        Figure::counters(
            "watchpost_agent_results_total",
            "Results that say something about a target, by outcome.",
            "outcome",
            counts.outcomes.iter().map(|(word, count)| (*word, *count)),
        ),
        Figure::counters(
            "watchpost_agent_void_total",
            "Results that say nothing about a target, by reason.",
            "reason",
            counts.voids.iter().map(|(word, count)| (*word, *count)),
        ),
        Figure::counters(
            "watchpost_agent_skipped_total",
            "Slots without a run: the agent stood still, or the run before was not over.",
            "why",
            [("late", plan.skipped.late), ("overrun", plan.skipped.overrun)],
        ),
        Figure::counter(
            "watchpost_agent_second_attempts_total",
            "Runs that passed at their second attempt.",
            counts.second_attempts,
        ),
        Figure::counter(
            "watchpost_agent_forced_refused_total",
            "Orders to run at once that came too soon after another or during a run.",
            counts.forced_refused,
        ),
        Figure::counter(
            "watchpost_agent_clock_steps_total",
            "How often the wall clock moved away from the schedule.",
            plan.steps,
        ),
    ];
    if let Some(clock) = machine.clock().offset(super::now(driver.begun)) {
        figures.push(Figure::gauge(
            "watchpost_agent_clock_offset_seconds",
            "The collector's clock minus this agent's.",
            clock.offset_ms as f64 / 1000.0,
        ));
        figures.push(Figure::gauge(
            "watchpost_agent_clock_error_seconds",
            "Half the round trip of that measurement.",
            clock.error_ms as f64 / 1000.0,
        ));
    }
    figures
}

#[expect(clippy::cast_precision_loss, reason = "for people and graphs")]
fn queue(driver: &Driver) -> Vec<Figure> {
    let status = *driver.status.borrow();
    let counts = driver.machine.counts();
    let dropped = status.dropped;
    vec![
        Figure::gauge(
            "watchpost_agent_spool_results",
            "Results in the spool without a receipt.",
            status.waiting as f64,
        ),
        Figure::gauge("watchpost_agent_spool_bytes", "Bytes of the spool.", status.bytes as f64),
        Figure::counters(
            "watchpost_agent_spool_dropped_total",
            "Results that the spool lost, by cause.",
            "why",
            [
                ("full", dropped.full),
                ("old", dropped.old),
                ("disk", dropped.disk),
                ("refused", dropped.refused),
                ("no_room", driver.lost),
            ],
        ),
        Figure::counter(
            "watchpost_agent_spool_faults_total",
            "Writes of the spool that the disk refused.",
            status.faults,
        ),
        Figure::counters(
            "watchpost_agent_batches_total",
            "Batches by whether a receipt came.",
            "result",
            [("received", counts.batches), ("failed", counts.batches_failed)],
        ),
        Figure::counters(
            "watchpost_agent_rejected_total",
            "Results that the collector refused for good, by its word.",
            "code",
            counts.rejected.iter().map(|(code, count)| (code.clone(), *count)),
        ),
    ]
}
