//! The times of the first and the last point of a measurement or of one of its fields.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    model::{UnixNanos, Value},
    query::{Order, Part, QueryEngine, QueryRequest},
};

/// The times of the first and of the last point.
pub type Seen = (UnixNanos, UnixNanos);

impl QueryEngine {
    /// The times of a measurement's fields, each at its index; as many as the time of one query
    /// allows. `None` if there is no point, if the store does not answer, or if the vehicle tag is
    /// not known.
    pub async fn seen_fields(&self, measurement: &str, fields: &[String]) -> Vec<Option<Seen>> {
        let requests = fields.iter().map(|field| one(measurement, std::slice::from_ref(field)));
        self.seen(requests.collect()).await
    }

    /// The same for whole measurements.
    pub async fn seen_measurements(&self, measurements: &[String]) -> Vec<Option<Seen>> {
        self.seen(measurements.iter().map(|measurement| one(measurement, &[])).collect()).await
    }

    async fn seen(&self, requests: Vec<QueryRequest>) -> Vec<Option<Seen>> {
        let found = Arc::new(Mutex::new(vec![None; requests.len()]));
        let filling = Arc::clone(&found);
        let fill = async move {
            for (at, request) in requests.into_iter().enumerate() {
                let seen = self.ends(request).await;
                filling.lock().unwrap_or_else(PoisonError::into_inner)[at] = seen;
            }
        };
        // What was found by then is returned.
        drop(tokio::time::timeout(self.parts().options.time_max, fill).await);
        std::mem::take(&mut found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ends(&self, request: QueryRequest) -> Option<Seen> {
        let last = QueryRequest { order: Order::Descending, ..request.clone() };
        Some((self.first_time(request).await?, self.first_time(last).await?))
    }

    /// The time of an answer's first row.
    async fn first_time(&self, request: QueryRequest) -> Option<UnixNanos> {
        let mut answer = self.portable(request).await.ok()?;
        while let Some(Ok(Part::Rows(rows))) = answer.parts.recv().await {
            if let Some(Value::Timestamp(at)) = rows.first().and_then(|row| row.first()) {
                return Some(*at);
            }
        }
        None
    }
}

/// The query for the first row of all.
fn one(measurement: &str, fields: &[String]) -> QueryRequest {
    QueryRequest {
        measurement: measurement.to_owned(),
        fields: fields.to_vec(),
        from: UnixNanos(0),
        to: UnixNanos(i64::MAX - 1),
        limit: 1,
        ..QueryRequest::default()
    }
}
