//! Availability of a period: from a collector, or offline from a file.

use model::report::Statement;
use serde::Deserialize;

use crate::arguments::{Format, Report};
use crate::client::{self, Client};
use crate::exit::{DONE, Done, Failure};
use crate::{offline, out, statement};

/// One service of `GET /api/v1/services`, as far as a report needs it.
#[derive(Deserialize)]
struct Service {
    name: String,
    objective: Option<serde::de::IgnoredAny>,
}

/// `watchpost report`.
pub async fn run(order: Report) -> Done {
    match (&order.observations, &order.contract) {
        (Some(observations), Some(contract)) => {
            let mut said = Vec::new();
            offline::run(observations, contract, order.burn_at.as_deref(), &mut said)?;
            out::bytes(&said).map(|()| DONE)
        }
        _ => ask(order).await,
    }
}

async fn ask(order: Report) -> Done {
    let client = Client::find(&order.place)?;
    let names = match &order.service {
        Some(name) => vec![name.as_str().to_owned()],
        None => promised(&client).await?,
    };
    let mut answers = Vec::with_capacity(names.len());
    for name in &names {
        let mut query = vec![("service", name.as_str())];
        query.extend(order.period.as_deref().map(|period| ("period", period)));
        answers.push(client.get(&["statements"], &query).await?);
    }
    match order.format {
        // One service: its object, as the API gives it; all of them: an array of these.
        Format::Json if order.service.is_some() => {
            for answer in &answers {
                super::verbatim(answer)?;
            }
        }
        Format::Json => super::verbatim(&format!("[{}]", answers.join(",")))?,
        Format::Table => {
            for (place, answer) in answers.iter().enumerate() {
                let between = if place == 0 { "" } else { "\n" };
                out::print(&format!("{between}{}", shown(answer)?))?;
            }
        }
    }
    Ok(DONE)
}

/// The services that have an objective.
async fn promised(client: &Client) -> Result<Vec<String>, Failure> {
    let services: Vec<Service> = client::read(&client.get(&["services"], &[]).await?)?;
    let names: Vec<String> = services
        .into_iter()
        .filter(|service| service.objective.is_some())
        .map(|service| service.name)
        .collect();
    if names.is_empty() {
        return Err(anyhow::anyhow!(
            "no service has an objective: give one an `objective` in probes.yaml to report on it"
        )
        .into());
    }
    Ok(names)
}

/// What `GET /api/v1/statements` says besides the figures.
#[derive(Deserialize)]
struct Head {
    service: String,
    period: String,
    objective_ppm: u32,
    time_zone: String,
    now_ms: i64,
}

/// A statement as people read it.
fn shown(answer: &str) -> Result<String, Failure> {
    // Read twice rather than flattened: the figures stay what the model says they are.
    let head: Head = client::read(answer)?;
    let figures: Statement = client::read(answer)?;
    let (service, period, zone) =
        (out::clean(&head.service), out::clean(&head.period), out::clean(&head.time_zone));
    let mut text = statement::table(&service, &period, &zone, head.objective_ppm, &figures);
    // Of a period that has not begun, no more than its own length.
    let to_come = figures.period_to.saturating_sub(head.now_ms.max(figures.period_from));
    if to_come > 0 {
        text.push_str(&format!(
            "\nThe period is not over: {} are still to come and stand above as not measured.\n",
            statement::short(to_come)
        ));
    }
    Ok(text)
}
