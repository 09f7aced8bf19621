//! One run: requests from redirect to redirect, then the judgement.

use std::time::Duration;

use model::result::Reason;

use super::exchange::exchange;
use super::judge::judge;
use super::params::Params;
use super::plan::{Plan, masks};
use super::redirect::{Hop, is_redirect, refuse_loop};
use crate::probe::{Attempt, Fault, Finding, Trace, slower_than};

/// Asks and judges within the attempt's timeout.
pub(super) async fn look(params: &Params, attempt: &Attempt) -> Finding {
    let mut trace = Trace::begin();
    let asking = ask(params, attempt, &mut trace);
    let ended = tokio::time::timeout(attempt.timeout, asking).await.ok();
    trace.end(ended, attempt.timeout, &masks(params, &attempt.secrets))
}

async fn ask(params: &Params, attempt: &Attempt, trace: &mut Trace) -> Result<(), Fault> {
    let plan = Plan::fill(params, &attempt.secrets)?;
    let answer = follow(params, &plan, attempt.timeout, trace).await?;
    judge(params, &attempt.secrets, plan.has_credentials(), &answer, &trace.body)?;
    slower_than(params.max_time, trace.elapsed())
}

/// Goes from redirect to redirect to the answer that is judged.
async fn follow(
    params: &Params,
    plan: &Plan,
    timeout: Duration,
    trace: &mut Trace,
) -> Result<super::exchange::Answer, Fault> {
    let mut made = Vec::new();
    let mut hop = Hop::first(plan);
    loop {
        trace.values.insert("redirects".to_owned(), i64::try_from(made.len()).unwrap_or(i64::MAX));
        let follow = params.follow_redirects > 0;
        let answer = exchange(params, plan, &hop, follow, timeout, trace).await;
        let answer = answer.map_err(|fault| after_redirect(fault, &hop, &made))?;
        if !follow || !is_redirect(answer.status, &answer.headers) {
            return Ok(answer);
        }
        let next = hop.next(plan, answer.status, &answer.headers)?;
        trace.seen.redirects.push(next.url.to_string());
        made.push(hop);
        refuse_loop(&made, &next)?;
        if made.len() > usize::from(params.follow_redirects) {
            let count = params.follow_redirects;
            return Err(Fault::failed(Reason::Redirect, format!("more than {count} redirects")));
        }
        hop = next;
    }
}

/// Says where it happened when that is not the configured place.
fn after_redirect(mut fault: Fault, hop: &Hop, made: &[Hop]) -> Fault {
    if !made.is_empty() {
        fault.detail = format!("after a redirect to {}: {}", hop.url, fault.detail);
    }
    fault
}
