//! Counts points in a store.

use serde::Deserialize;
use serde_json::Value as Json;

use super::VerifyError;

/// Answers are a line or two; this much of a wrong one is kept.
const EXCERPT_CHARS: usize = 300;
/// Vehicles that an appliance counts in one answer.
const PAGE_ROWS: usize = 10_000;

/// A store that can be queried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreQuestion {
    Influx1 {
        base: String,
        db: String,
    },
    Influx2 {
        base: String,
        org: String,
        bucket: String,
    },
    /// The store of an appliance, of any kind, queried through the API.
    Behind {
        appliance: String,
    },
}

/// What to count: points of a measurement, of some vehicles, in a time range, both ends inclusive,
/// in nanoseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) measurement: String,
    pub(crate) vehicle_tag: String,
    pub(crate) vehicles: Vehicles,
    pub(crate) times: (i64, i64),
}

/// Which vehicles count.
#[derive(Clone, Debug)]
pub(crate) enum Vehicles {
    /// Vehicles whose identity has this prefix and is in this range.
    Range {
        first: String,
        last: String,
    },
    These(Vec<String>),
}

impl StoreQuestion {
    /// Reads `http://host:port/?db=…` or `http://host:port/?org=…&bucket=…`.
    pub(crate) fn parse(text: &str) -> Result<Self, VerifyError> {
        let wrong = |reason| VerifyError::Url { url: text.to_owned(), reason };
        let url = reqwest::Url::parse(text).map_err(|_| wrong(""))?;
        let value = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let (db, org, bucket) = (value("db"), value("org"), value("bucket"));
        let mut base = url;
        base.set_query(None);
        let base = base.as_str().trim_end_matches('/').to_owned();
        match (db, org, bucket) {
            (Some(db), None, None) => Ok(Self::Influx1 { base, db }),
            (None, Some(org), Some(bucket)) => Ok(Self::Influx2 { base, org, bucket }),
            _ => Err(wrong("it needs ?db= for InfluxDB 1, or ?org= and &bucket= for InfluxDB 2")),
        }
    }

    /// How many of the requested points the store has.
    pub(crate) async fn count(
        &self,
        client: &reqwest::Client,
        token: Option<&str>,
        asked: &Asked,
    ) -> Result<u64, VerifyError> {
        match self {
            Self::Influx1 { base, db } => {
                let url = format!("{base}/query");
                let query = asked.influxql();
                let request = client.get(&url).query(&[("db", db), ("q", &query)]);
                let text = body(&url, authorised(request, token)).await?;
                let sense = || VerifyError::Sense { url: url.clone(), text: start(&text) };
                influx1_count(&text).ok_or_else(sense)
            }
            Self::Influx2 { base, org, bucket } => {
                let url = format!("{base}/api/v2/query");
                let request = client
                    .post(&url)
                    .query(&[("org", org)])
                    .header("Content-Type", "application/vnd.flux")
                    .header("Accept", "application/csv")
                    .body(asked.flux(bucket));
                let text = body(&url, authorised(request, token)).await?;
                let sense = || VerifyError::Sense { url: url.clone(), text: start(&text) };
                influx2_count(&text).ok_or_else(sense)
            }
            Self::Behind { appliance } => asked.count_behind(appliance, client).await,
        }
    }
}

/// A page of the API's answer: a row a vehicle, with a count a field.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    rows: Vec<Vec<Json>>,
    after: Option<String>,
}

impl Page {
    /// The count for some vehicles.
    pub(super) fn count(&self, vehicles: &Vehicles) -> Option<u64> {
        let mut sum = 0;
        for row in &self.rows {
            let [_time, vehicle, counts @ ..] = row.as_slice() else { return None };
            if vehicles.contains(vehicle.as_str()?) {
                sum += counts.iter().filter_map(Json::as_u64).max()?;
            }
        }
        Some(sum)
    }
}

impl Vehicles {
    fn contains(&self, vehicle: &str) -> bool {
        match self {
            Self::Range { first, last } => (first.as_str()..=last.as_str()).contains(&vehicle),
            Self::These(names) => names.iter().any(|name| name == vehicle),
        }
    }
}

impl Asked {
    /// The sum over the pages of the API's answer.
    async fn count_behind(
        &self,
        appliance: &str,
        client: &reqwest::Client,
    ) -> Result<u64, VerifyError> {
        let wrong = || VerifyError::Url { url: appliance.to_owned(), reason: "" };
        let mut url = reqwest::Url::parse(appliance).map_err(|_| wrong())?;
        let mut path = url.path_segments_mut().map_err(|()| wrong())?;
        path.pop_if_empty().extend(["api", "v1", "telemetry", &self.measurement]);
        drop(path);
        let (from, to) = (self.times.0.to_string(), self.times.1.saturating_add(1).to_string());
        let limit = PAGE_ROWS.to_string();
        let mut after = None;
        let mut sum = 0;
        loop {
            let mut request = client.get(url.clone());
            request = request.query(&[("fn", "count"), ("from", &from), ("to", &to)]);
            request = request.query(&[("limit", Some(&limit)), ("after", after.as_ref())]);
            let text = body(url.as_str(), request).await?;
            let sense = || VerifyError::Sense { url: url.to_string(), text: start(&text) };
            let page: Page = serde_json::from_str(&text).map_err(|_| sense())?;
            sum += page.count(&self.vehicles).ok_or_else(sense)?;
            after = page.after;
            if after.is_none() {
                return Ok(sum);
            }
        }
    }

    /// Counts every field: a point has at least one, and the largest count is the number of points,
    /// because at least one field is in every point of a fleet.
    fn influxql(&self) -> String {
        let tag = quoted(&self.vehicle_tag);
        let vehicles = match &self.vehicles {
            // InfluxQL compares tags only for equality, so a range becomes a regular expression
            // over its prefix.
            Vehicles::Range { first, last } => {
                let same = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
                format!("{tag} =~ /^{}/", &first[..same])
            }
            Vehicles::These(names) => {
                let each =
                    names.iter().map(|name| format!("{tag} = '{}'", name.replace('\'', "\\'")));
                format!("({})", each.collect::<Vec<_>>().join(" OR "))
            }
        };
        let (from, to) = self.times;
        let measurement = quoted(&self.measurement);
        format!(
            "SELECT count(*) FROM {measurement} WHERE time >= {from} AND time <= {to} AND {vehicles}"
        )
    }

    fn flux(&self, bucket: &str) -> String {
        let tag = quoted(&self.vehicle_tag);
        let vehicles = match &self.vehicles {
            Vehicles::Range { first, last } => {
                let (first, last) = (quoted(first), quoted(last));
                format!("r[{tag}] >= {first} and r[{tag}] <= {last}")
            }
            Vehicles::These(names) => {
                let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
                format!("contains(value: r[{tag}], set: [{}])", names.join(", "))
            }
        };
        let (from, to) = (self.times.0, self.times.1.saturating_add(1));
        format!(
            "from(bucket: {}) |> range(start: time(v: {from}), stop: time(v: {to})) \
             |> filter(fn: (r) => r._measurement == {} and {vehicles}) \
             |> keep(columns: [\"_field\", \"_time\", \"_value\", {tag}]) \
             |> group(columns: [\"_field\", {tag}]) |> count() \
             |> group(columns: [\"_field\"]) |> sum()",
            quoted(bucket),
            quoted(&self.measurement),
        )
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn authorised(request: reqwest::RequestBuilder, token: Option<&str>) -> reqwest::RequestBuilder {
    match token {
        Some(token) => request.header("Authorization", format!("Token {token}")),
        None => request,
    }
}

/// The body of a successful answer.
pub(super) async fn body(
    url: &str,
    request: reqwest::RequestBuilder,
) -> Result<String, VerifyError> {
    let failed = |source| VerifyError::Ask { url: url.to_owned(), source };
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let text = response.text().await.map_err(failed)?;
    if status.is_success() {
        return Ok(text);
    }
    Err(VerifyError::Answer { url: url.to_owned(), status: status.as_u16(), text: start(&text) })
}

/// The beginning of an answer, for a message.
pub(super) fn start(text: &str) -> String {
    text.trim().chars().take(EXCERPT_CHARS).collect()
}

/// The largest count of an InfluxQL answer; 0 if nothing matched.
pub(super) fn influx1_count(text: &str) -> Option<u64> {
    let answer: Json = serde_json::from_str(text).ok()?;
    let result = answer.get("results")?.get(0)?;
    if result.get("error").is_some() {
        return None;
    }
    let Some(series) = result.get("series") else { return Some(0) };
    let row = series.get(0)?.get("values")?.get(0)?.as_array()?;
    row.iter().skip(1).filter_map(Json::as_u64).max()
}

/// The largest `_value` of an annotated CSV answer; 0 if nothing matched.
pub(super) fn influx2_count(text: &str) -> Option<u64> {
    let mut largest = 0;
    let mut column = None;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    for row in reader.records() {
        let row = row.ok()?;
        if let Some(at) = row.iter().position(|cell| cell == "_value") {
            column = Some(at);
        } else if let Some(cell) = column.and_then(|column| row.get(column)) {
            largest = largest.max(cell.parse().ok()?);
        }
    }
    Some(largest)
}
