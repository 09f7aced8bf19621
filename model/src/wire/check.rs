//! What must hold of every part of a batch, whichever form it came in.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::NUMBER_BOUND;
use crate::result::{
    DETAIL_BYTES_MAX, EVIDENCE_BODY_BYTES_MAX, Evidence, Outcome, ProbeResult, Reason, VALUES_MAX,
    VoidReason, cut,
};
use crate::time::{Millis, Timestamp};

/// The most phases of one result.
const PHASES_MAX: usize = 32;
/// The longest name of a phase or value, bytes.
const WORD_BYTES_MAX: usize = 64;
/// The most entries of each list of the evidence.
const EVIDENCE_LIST_MAX: usize = 16;
/// The longest text of the evidence other than the body, bytes.
const EVIDENCE_TEXT_BYTES_MAX: usize = 512;
/// The longest interval, as in probes.yaml.
const INTERVAL_MAX: Millis = Millis::from_secs(86_400);
/// The last instant that RFC 3339 can write.
const LAST_MS: i64 = 253_402_300_799_999;
/// The most attempts that a result may claim.
const ATTEMPTS_MAX: u32 = 1000;
/// The longest text of a batch's head, a gap or an alarm, bytes.
const HEAD_TEXT_BYTES_MAX: usize = 512;

/// Numbers of an outcome on the wire; they never change.
pub(super) const PASSED: i32 = 1;
pub(super) const FAILED: i32 = 2;
pub(super) const VOID: i32 = 3;

/// The outcome as its two numbers.
pub(super) fn numbers(outcome: Outcome) -> (i32, i32) {
    match outcome {
        Outcome::Passed => (PASSED, 0),
        Outcome::Failed(reason) => (FAILED, reason as i32),
        Outcome::Void(reason) => (VOID, reason as i32),
    }
}

/// The outcome from its two numbers.
pub(super) fn outcome_of_numbers(outcome: i32, reason: i32) -> Result<Outcome, String> {
    match outcome {
        PASSED => Ok(Outcome::Passed),
        FAILED => Reason::from_number(reason)
            .map(Outcome::Failed)
            .ok_or_else(|| format!("{reason} is not the number of a reason for a failure")),
        VOID => VoidReason::from_number(reason)
            .map(Outcome::Void)
            .ok_or_else(|| format!("{reason} is not the number of a reason for a void run")),
        _ => Err(format!("{outcome} is not the number of an outcome")),
    }
}

/// The outcome from its words.
pub(super) fn outcome_of_words(outcome: &str, reason: Option<&str>) -> Result<Outcome, String> {
    let shown = |text: &str| {
        let mut text: String = text.escape_debug().collect();
        cut(&mut text, WORD_BYTES_MAX);
        text
    };
    let reason = reason.unwrap_or_default();
    match outcome {
        "passed" => Ok(Outcome::Passed),
        "failed" => Reason::from_word(reason)
            .map(Outcome::Failed)
            .ok_or_else(|| format!("`{}` is not a reason for a failure", shown(reason))),
        "void" => VoidReason::from_word(reason)
            .map(Outcome::Void)
            .ok_or_else(|| format!("`{}` is not a reason for a void run", shown(reason))),
        _ => Err(format!("`{}` is not an outcome: write passed, failed or void", shown(outcome))),
    }
}

/// Checks that a number of the head is small enough to be exact in JSON.
pub(super) fn number(what: &str, number: u64) -> Result<u64, String> {
    if number < NUMBER_BOUND {
        Ok(number)
    } else {
        Err(format!("{what} must be below 2^53, this is {number}"))
    }
}

/// Checks that an instant is one that can be written.
pub(super) fn instant(what: &str, ms: i64) -> Result<Timestamp, String> {
    if (0..=LAST_MS).contains(&ms) {
        Ok(Timestamp::from_ms(ms))
    } else {
        Err(format!("{what} must lie between the years 1970 and 9999, this is {ms} ms"))
    }
}

/// Checks that a list is not longer than its bound.
pub(super) fn at_most(what: &str, count: usize, max: usize) -> Result<(), String> {
    if count <= max {
        Ok(())
    } else {
        Err(format!("a batch has at most {max} {what}, this has {count}"))
    }
}

/// Cuts a text of the head.
pub(super) fn head_text(mut text: String) -> String {
    cut(&mut text, HEAD_TEXT_BYTES_MAX);
    text
}

fn word(what: &str, text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !text.is_empty() && text.len() <= WORD_BYTES_MAX && text.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!("the name of a {what} is 1 to {WORD_BYTES_MAX} letters, digits, `_`, `-` and `.`"))
}

/// Checks a result that was read, and cuts what is only for people to its bounds.
pub(super) fn result(mut result: ProbeResult) -> Result<ProbeResult, String> {
    if result.seq == 0 {
        return Err("seq begins at 1, this is 0".into());
    }
    number("seq", result.seq)?;
    number("duration_us", result.duration_us)?;
    instant("slot", result.slot.ms())?;
    instant("started", result.started.ms())?;
    if result.interval <= Millis::ZERO || result.interval > INTERVAL_MAX {
        return Err(format!(
            "interval must be above 0 and at most one day, this is {} ms",
            result.interval.ms()
        ));
    }
    if !(1..=ATTEMPTS_MAX).contains(&result.attempts) {
        return Err(format!("attempts must be 1 to {ATTEMPTS_MAX}, this is {}", result.attempts));
    }
    if result.phases.len() > PHASES_MAX {
        return Err(format!(
            "a result has at most {PHASES_MAX} phases, this has {}",
            result.phases.len()
        ));
    }
    for phase in &result.phases {
        word("phase", &phase.name)?;
        number("a phase", phase.us)?;
    }
    if result.values.len() > VALUES_MAX {
        return Err(format!(
            "a result has at most {VALUES_MAX} values, this has {}",
            result.values.len()
        ));
    }
    for name in result.values.keys() {
        word("value", name)?;
    }
    cut(&mut result.detail, DETAIL_BYTES_MAX);
    if let Some(evidence) = &mut result.evidence {
        cut_evidence(evidence);
    }
    Ok(result)
}

/// Brings a result that is about to be sent within every bound that its reader checks: text is cut,
/// what is too many is left out, phases of the same name are added up.
pub fn bound(result: &mut ProbeResult) {
    let mut phases: Vec<crate::result::Phase> = Vec::new();
    for phase in core::mem::take(&mut result.phases) {
        if word("phase", &phase.name).is_err() {
            continue;
        }
        let us = phase.us.min(NUMBER_BOUND - 1);
        if let Some(known) = phases.iter_mut().find(|known| known.name == phase.name) {
            known.us = known.us.saturating_add(us).min(NUMBER_BOUND - 1);
        } else if phases.len() < PHASES_MAX {
            phases.push(crate::result::Phase { us, ..phase });
        }
    }
    result.phases = phases;
    result.values.retain(|name, _| word("value", name).is_ok());
    while result.values.len() > VALUES_MAX {
        result.values.pop_last();
    }
    result.duration_us = result.duration_us.min(NUMBER_BOUND - 1);
    result.attempts = result.attempts.clamp(1, ATTEMPTS_MAX);
    cut(&mut result.detail, DETAIL_BYTES_MAX);
    if let Some(evidence) = &mut result.evidence {
        cut_evidence(evidence);
    }
}

fn cut_evidence(evidence: &mut Evidence) {
    for list in [&mut evidence.addresses, &mut evidence.redirects, &mut evidence.errors] {
        list.truncate(EVIDENCE_LIST_MAX);
        list.iter_mut().for_each(|text| cut(text, EVIDENCE_TEXT_BYTES_MAX));
    }
    evidence.headers.truncate(EVIDENCE_LIST_MAX);
    for (name, value) in &mut evidence.headers {
        cut(name, WORD_BYTES_MAX);
        cut(value, EVIDENCE_TEXT_BYTES_MAX);
    }
    for text in [&mut evidence.status_line, &mut evidence.certificate].into_iter().flatten() {
        cut(text, EVIDENCE_TEXT_BYTES_MAX);
    }
    if let Some(body) = &mut evidence.body {
        cut(body, EVIDENCE_BODY_BYTES_MAX);
    }
}
