//! Availability of a period: from a collector, or offline from a file.

use std::collections::BTreeSet;

use anyhow::Context as _;
use model::report::Statement;
use serde::Deserialize;
use serde_json::Value;

use super::explain::{self, Explained};
use crate::arguments::{Report, ReportFormat};
use crate::client::{self, Client};
use crate::exit::{DONE, Done, Failure};
use crate::statement::{self, About};
use crate::{offline, out};

/// One service of `GET /api/v1/services`, as far as a report needs it.
#[derive(Deserialize)]
struct Service {
    name: String,
    /// `all`, `any`, or a number.
    #[serde(default)]
    needs: Value,
    #[serde(default)]
    probes: Vec<String>,
    objective: Option<serde::de::IgnoredAny>,
}

/// One probe of `GET /api/v1/probes`, likewise.
#[derive(Deserialize)]
struct Probe {
    name: String,
    regions: std::collections::BTreeMap<String, serde::de::IgnoredAny>,
}

/// `watchpost report`.
pub async fn run(order: Report) -> Done {
    match (&order.observations, &order.contract) {
        (Some(observations), Some(contract)) => {
            let mut said = Vec::new();
            let asked = offline::Order {
                observations,
                contract,
                service: order.service.as_ref().map(|name| name.as_str()),
                format: order.format.unwrap_or(ReportFormat::Json),
                burn_at: order.burn_at.as_deref(),
            };
            offline::run(&asked, &mut said)?;
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
    let format = order.format.unwrap_or(ReportFormat::Table);
    if format == ReportFormat::Html && names.len() > 1 {
        return Err(Failure::Usage(format!(
            "--format html is one page about one service: add --service with one of {}",
            names.join(", ")
        )));
    }
    if order.explain && format == ReportFormat::Csv {
        return Err(Failure::Usage(
            "--explain goes with --format table or json, and is part of html anyway".into(),
        ));
    }
    let mut answers = Vec::with_capacity(names.len());
    for name in &names {
        let mut query = vec![("service", name.as_str())];
        query.extend(order.period.as_deref().map(|period| ("period", period)));
        let answer = client.get(&["statements"], &query).await?;
        let explained = if order.explain || format == ReportFormat::Html {
            let (_, figures) = read(&answer)?;
            explain::explain(&client, &probes(&client, name).await?, &figures).await?
        } else {
            Vec::new()
        };
        answers.push((answer, explained));
    }
    write(&client, &order, format, answers).await
}

/// The names of a service's probes.
async fn probes(client: &Client, name: &str) -> Result<Vec<String>, Failure> {
    let service = services(client).await?.into_iter().find(|service| service.name == name);
    Ok(service.map_or(Vec::new(), |service| service.probes))
}

/// An answer with its explanations, as JSON.
fn joined(answer: &str, explained: &[Explained]) -> Result<String, Failure> {
    let mut value: Value = client::read(answer)?;
    if let Some(fields) = value.as_object_mut() {
        let explained = serde_json::to_value(explained).context("cannot write an explanation")?;
        fields.insert("explained".into(), explained);
    }
    Ok(value.to_string())
}

async fn write(
    client: &Client,
    order: &Report,
    format: ReportFormat,
    answers: Vec<(String, Vec<Explained>)>,
) -> Done {
    match format {
        ReportFormat::Json => {
            let answers: Result<Vec<String>, Failure> = answers
                .into_iter()
                .map(|(answer, explained)| match order.explain {
                    true => joined(&answer, &explained),
                    false => Ok(answer),
                })
                .collect();
            let answers = answers?.join(",");
            // One service: its object, as the API gives it; all of them: an array of these.
            let one = order.service.is_some();
            super::verbatim(&if one { answers } else { format!("[{answers}]") })?;
        }
        ReportFormat::Table => {
            for (place, (answer, explained)) in answers.iter().enumerate() {
                let between = if place == 0 { "" } else { "\n" };
                let mut text = shown(answer)?;
                if order.explain && !explained.is_empty() {
                    let (about, figures) = read(answer)?;
                    text.push_str(&explain::text(explained, figures.outages, &about.time_zone));
                }
                out::print(&format!("{between}{text}"))?;
            }
        }
        ReportFormat::Csv => {
            let statements: Result<Vec<_>, Failure> =
                answers.iter().map(|(answer, _)| read(answer)).collect();
            out::print(&statement::csv(&statements?))?;
        }
        ReportFormat::Html => {
            for (answer, explained) in &answers {
                let (mut about, figures) = read(answer)?;
                about.measured = measured(client, &about.service).await?;
                about.outages = explained.iter().map(Explained::remark).collect();
                out::print(&statement::html(&about, &figures)?)?;
            }
        }
    }
    Ok(DONE)
}

async fn services(client: &Client) -> Result<Vec<Service>, Failure> {
    client::read(&client.get(&["services"], &[]).await?)
}

/// The services that have an objective.
async fn promised(client: &Client) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = services(client)
        .await?
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

/// Sentences that say how a service is measured now.
async fn measured(client: &Client, name: &str) -> Result<Vec<String>, Failure> {
    let Some(service) = services(client).await?.into_iter().find(|one| one.name == name) else {
        return Ok(Vec::new());
    };
    let probes: Vec<Probe> = client::read(&client.get(&["probes"], &[]).await?)?;
    let regions: BTreeSet<&str> = probes
        .iter()
        .filter(|probe| service.probes.contains(&probe.name))
        .flat_map(|probe| probe.regions.keys().map(String::as_str))
        .collect();
    let regions = regions.into_iter().collect::<Vec<_>>().join(", ");
    let names = service.probes.join(", ");
    let up = match (&service.needs, service.probes.len()) {
        (_, 1) => format!("It is up when the probe {names} is."),
        (Value::String(word), _) if word == "any" => {
            format!("It is up when any of its probes is: {names}.")
        }
        (Value::Number(number), _) => {
            format!("It is up when at least {number} of its probes are: {names}.")
        }
        _ => format!("It is up when all of its probes are: {names}."),
    };
    let asked = format!(
        "Measured from {regions}. Each region asks by itself and tries a failure again before it \
         counts; the votes of all regions together decide, and what no majority of them can see is \
         not measured."
    );
    Ok(vec![up, asked])
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

/// What a statement is about, and its figures.
fn read(answer: &str) -> Result<(About, Statement), Failure> {
    // Read twice rather than flattened: the figures stay what the model says they are.
    let head: Head = client::read(answer)?;
    let figures: Statement = client::read(answer)?;
    let (service, period) = (out::clean(&head.service), out::clean(&head.period));
    let about = About {
        commands: format!(
            "watchpost report --service {} --period {} --format json",
            statement::quoted(&service),
            statement::quoted(&period)
        ),
        service,
        period,
        time_zone: out::clean(&head.time_zone),
        objective_ppm: head.objective_ppm,
        now_ms: Some(head.now_ms),
        measured: Vec::new(),
        outages: Vec::new(),
        files: Vec::new(),
    };
    Ok((about, figures))
}

/// A statement as people read it.
fn shown(answer: &str) -> Result<String, Failure> {
    let (about, figures) = read(answer)?;
    let mut text = statement::table(
        &about.service,
        &about.period,
        &about.time_zone,
        about.objective_ppm,
        &figures,
    );
    // Of a period that has not begun, no more than its own length.
    let now = about.now_ms.map_or(i64::MAX, |now| now.max(figures.period_from));
    let to_come = figures.period_to.saturating_sub(now);
    if to_come > 0 {
        text.push_str(&format!(
            "\nThe period is not over: {} are still to come and stand above as not measured.\n",
            statement::length(to_come)
        ));
    }
    Ok(text)
}
