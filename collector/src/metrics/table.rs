//! Every metric there is: one table, from which the code registers and docs/metrics.md is made.

/// What a metric's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Only rises while the program runs; counted by the edge.
    Counter,
    /// Only rises while the program runs; counted by the core and read from its view.
    Core,
    /// Goes up and down.
    Gauge,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its whole name.
    pub name: &'static str,
    /// What its number means.
    pub sort: Sort,
    /// Its labels in order.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// The labels of everything that one region found of one target.
const TARGET: &[&str] = &["job", "instance", "probe", "region"];
/// The same with a phase.
const PHASE: &[&str] = &["job", "instance", "probe", "region", "phase"];
/// The same with what is described.
const VERSION: &[&str] = &["job", "instance", "probe", "region", "version"];

macro_rules! metrics {
    ($($constant:ident $sort:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric =
                Metric { name: $name, sort: Sort::$sort, labels: $labels, help: $help };
        )*
        /// All of them, in the order in which they are documented.
        pub const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    PROBE_SUCCESS Gauge "probe_success" TARGET, "Whether the newest run passed (1) or failed (0); absent when it is void or too old.";
    PROBE_DURATION Gauge "probe_duration_seconds" TARGET, "How long the newest run took.";
    PROBE_HTTP_STATUS Gauge "probe_http_status_code" TARGET, "Status code of the answer.";
    PROBE_HTTP_DURATION Gauge "probe_http_duration_seconds" PHASE, "How long each phase took: resolve, connect, tls, processing, transfer.";
    PROBE_HTTP_REDIRECTS Gauge "probe_http_redirects" TARGET, "Redirects that were followed.";
    PROBE_HTTP_VERSION Gauge "probe_http_version" TARGET, "HTTP version of the answer, such as 1.1 or 2.";
    PROBE_HTTP_LENGTH Gauge "probe_http_content_length" TARGET, "Bytes of the body that was received.";
    PROBE_HTTP_SSL Gauge "probe_http_ssl" TARGET, "Whether TLS protected the answer.";
    PROBE_CERT_EXPIRY Gauge "probe_ssl_earliest_cert_expiry" TARGET, "When the first certificate of the chain ends, seconds since 1970.";
    PROBE_TLS_VERSION Gauge "probe_tls_version_info" VERSION, "The TLS version that was negotiated; always 1.";
    PROBE_DNS_TIME Gauge "probe_dns_lookup_time_seconds" TARGET, "How long the name took to resolve.";
    PROBE_ICMP_TIME Gauge "probe_icmp_duration_seconds" PHASE, "How long each phase of the ping took: resolve, rtt.";
    PROBE_FAILED_REGEX Gauge "probe_failed_due_to_regex" TARGET, "Whether the body was what failed it.";

    UP Gauge "watchpost_probe_up" &["probe"], "What the quorum says: 1 up, 0 down, absent while unknown.";
    VERDICT Gauge "watchpost_probe_verdict" &["probe", "verdict"], "1 for the verdict that holds, 0 for the others.";
    PARTIAL Gauge "watchpost_probe_partial" &["probe"], "Whether it is up, but not from every region.";
    SINCE Gauge "watchpost_probe_verdict_since_timestamp_seconds" &["probe"], "Since when the verdict holds.";
    PAUSED Gauge "watchpost_probe_paused" &["probe"], "Whether the probe is paused.";
    VOTE Gauge "watchpost_probe_vote" &["probe", "region", "vote"], "1 for the vote that the region casts, 0 for the others.";
    LAST Gauge "watchpost_probe_last_result_timestamp_seconds" &["probe", "region"], "When the newest run of the region began.";
    AGENT_HEARD Gauge "watchpost_agent_last_heard_timestamp_seconds" &["agent", "region"], "When the agent was last heard.";
    AGENT_SILENT Gauge "watchpost_agent_silent" &["agent", "region"], "Whether the agent has not been heard for 45 s.";
    AGENTS Gauge "watchpost_agents" &["state"], "Agents by state: heard, silent.";
    INCIDENTS Gauge "watchpost_incidents_open" &["severity", "state"], "Open incidents.";
    RELOADED Gauge "watchpost_config_last_reload_successful" &[], "Whether the file as it stands now could be loaded.";
    RELOAD_TIME Gauge "watchpost_config_last_reload_success_timestamp_seconds" &[], "When the configuration in force was loaded.";
    BUILD Gauge "watchpost_build_info" &["version"], "The version that runs; always 1.";
    CORE_UP Gauge "watchpost_core_up" &[], "Whether the core answered; without it only the counters of the edge are shown.";

    ACCEPTED Core "watchpost_results_accepted_total" &[], "Results that were stored.";
    DUPLICATES Core "watchpost_results_duplicate_total" &[], "Results that were known already.";
    REJECTED Core "watchpost_results_rejected_total" &["code"], "Results that were refused for good.";
    GAPS Core "watchpost_gaps_total" &[], "Stretches of results that agents had to drop.";
    GAP_RESULTS Core "watchpost_gap_results_total" &[], "Results in those stretches.";
    JOURNAL_ROWS Core "watchpost_journal_rows_total" &["input"], "Inputs that were journaled and applied.";
    JOURNAL_BYTES Core "watchpost_journal_bytes_total" &[], "Bytes that were written to the journal.";
    JOURNAL_PRUNED Core "watchpost_journal_pruned_rows_total" &[], "Inputs that were pruned from the journal.";
    EFFECTS Core "watchpost_effects_total" &["effect"], "What the decisions wanted done.";
    LAG Gauge "watchpost_evaluation_lag_seconds" &[], "From the arrival of the last group of inputs to its effects being durable.";
    CORE_REFUSED Core "watchpost_refused_total" &["why"], "Questions that the core refused: reader_busy, unwritable, busy.";
    CLOCK_BACK Core "watchpost_clock_back_total" &[], "Times that the clock stood before what it had shown.";
    SNAPSHOTS Core "watchpost_snapshot_failures_total" &[], "Snapshots that could not be written.";
    RETIRED Core "watchpost_results_retired_slices_total" &[], "Slices of old results that were removed.";
    COMMITS Core "watchpost_commits_total" &[], "Transactions that were committed.";
    COMMIT_TIME Core "watchpost_commit_seconds_total" &[], "How long those commits took together.";
    COMMIT_FAILURES Core "watchpost_commit_failures_total" &[], "Transactions that could not be committed.";
    JOURNAL_POSITION Gauge "watchpost_journal_position" &[], "Number of the newest input in the journal.";
    EFFECTS_WAITING Gauge "watchpost_effects_waiting" &[], "Effects that wait until they can be committed.";
    SNAPSHOT_AGE Gauge "watchpost_snapshot_age_seconds" &[], "How old the newest snapshot is.";
    OUTBOX_DEPTH Gauge "watchpost_outbox_depth" &[], "Notices that are still to be delivered.";
    OUTBOX_RESTARTS Core "watchpost_outbox_restarts_total" &[], "Times that the outbox was started again after a fault.";

    REQUESTS Counter "watchpost_http_requests_total" &["route", "method", "status"], "Requests that were answered.";
    REFUSALS Counter "watchpost_http_refusals_total" &["code"], "Requests that were refused, by the word of the error.";
    CONNECTIONS Counter "watchpost_http_connections_total" &["result"], "Connections: accepted, refused as too_many or too_many_from_address, ended as idle.";
    ORDERS_LOST Counter "watchpost_orders_lost_total" &[], "Orders that a stream missed because it was read too slowly.";
    NOTICES Counter "watchpost_notices_total" &["contact", "result"], "Attempts to send a notice by their end: delivered, retry, undeliverable, or unwanted where the notifier does not tell such an event.";
    NOTICES_HELD Counter "watchpost_notices_held_total" &["contact"], "Notices that waited because an earlier one about the same incident was not through.";
    OUTBOX_FAULTS Counter "watchpost_outbox_faults_total" &["operation"], "Times the core did not take what the outbox asked: claim, record.";
    PANICS Counter "watchpost_panics_total" &["where"], "Panics that were caught: http, notifier.";
}
