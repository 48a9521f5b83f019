//! A push to vehicles that charge at too high a temperature: requested once over the API, as by any
//! client; its report is then followed.

use std::{collections::BTreeMap, time::Duration};

use indicatif::HumanCount;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::appliance::DemoError;
use crate::env::http_client;

/// The vehicles of a push are fixed and durable before its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The query, the command and the expected effect.
fn request() -> Json {
    json!({
        "name": "cool-down",
        "query": {
            "measurement": "telemetry",
            "fields": ["battery_temp", "battery_charging"],
            "from": "-1m",
            "fn": "last",
            "having": "battery_charging == \"CHARGING\" and battery_temp > 25",
        },
        "command": "limit-charge",
        "fields": { "limit_percent": 60, "reason": "battery at {battery_temp} degrees" },
        "expires-in": "1m",
        "idempotency-key": "demo",
        "verify": {
            "measurement": "telemetry",
            "when": "battery_charging != \"CHARGING\"",
            "within": "2m",
        },
    })
}

/// The one push of a demo.
#[derive(Debug)]
pub(super) struct Push {
    client: reqwest::Client,
    url: String,
    /// Its last known state.
    pub(super) heard: Option<Heard>,
}

/// The appliance's answer about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Heard {
    Pushed(Pushed),
    Refused { refused: String },
}

/// Its progress, in vehicles.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Pushed {
    id: String,
    state: String,
    report: Report,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Report {
    targeted: u64,
    states: BTreeMap<String, u64>,
    verified: BTreeMap<String, u64>,
}

impl Push {
    /// At an API's address.
    pub(super) fn new(api: &str) -> Result<Self, DemoError> {
        let client = http_client().timeout(TIMEOUT).build();
        let client = client.map_err(DemoError::Client)?;
        Ok(Self { client, url: format!("{api}/api/v1/pushes"), heard: None })
    }

    /// Requests the push, or its progress.
    pub(super) async fn look(&mut self) {
        let request = match &self.heard {
            Some(Heard::Pushed(pushed)) => self.client.get(format!("{}/{}", self.url, pushed.id)),
            // A second request would be refused as well.
            Some(Heard::Refused { .. }) => return,
            None => self.client.post(&self.url).json(&request()),
        };
        match heard(request).await {
            // A refusal after the push was accepted does not count.
            Ok(Heard::Refused { .. }) if self.heard.is_some() => {}
            Ok(heard) => self.heard = Some(heard),
            // The request is repeated with the same key; the missing answer is reported elsewhere.
            Err(_) => {}
        }
    }
}

async fn heard(request: reqwest::RequestBuilder) -> Result<Heard, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.text().await?;
    let read = serde_json::from_str(&body).map_err(|_| format!("{status}: {body}"));
    Ok(read.map_or_else(|refused| Heard::Refused { refused }, Heard::Pushed))
}

impl Heard {
    /// The push, if it was accepted.
    pub(super) fn pushed(&self) -> Option<&Pushed> {
        match self {
            Self::Pushed(pushed) => Some(pushed),
            Self::Refused { .. } => None,
        }
    }
}

impl Pushed {
    pub(super) fn targeted(&self) -> u64 {
        self.report.targeted
    }

    /// The states of its commands: `6 done, 1 sent`.
    pub(super) fn states(&self) -> String {
        counts(self.report.states.iter().map(|(state, count)| (state.as_str(), *count)))
    }

    /// Whether they had their effect: `5 yes, 2 open`.
    pub(super) fn verified(&self) -> String {
        counts(self.report.verified.iter().rev().map(|(word, count)| (word.as_str(), *count)))
    }

    /// For people.
    pub(super) fn line(&self) -> String {
        format!(
            "A push told the {} vehicles that charged at over 25 degrees to stop at 60 %: {}; they \
             stopped: {}.",
            HumanCount(self.targeted()),
            self.states(),
            self.verified()
        )
    }
}

fn counts<'a>(all: impl Iterator<Item = (&'a str, u64)>) -> String {
    let some = all.filter(|(_, count)| *count > 0);
    let told: Vec<_> = some.map(|(word, count)| format!("{} {word}", HumanCount(count))).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

#[cfg(test)]
pub(super) fn pushed(targeted: u64) -> Pushed {
    let count = |word: &str, count| (word.to_owned(), count);
    Pushed {
        id: "1".to_owned(),
        state: "done".to_owned(),
        report: Report {
            targeted,
            states: [count("done", targeted - 1), count("queued", 0), count("sent", 1)].into(),
            verified: [count("no", 0), count("open", 1), count("yes", targeted - 2)].into(),
        },
    }
}
