//! Which vehicles have points at all.

use std::collections::HashSet;

use crate::{
    model::{Column, Row, UnixNanos, Value},
    query::{Function, Part, QueryEngine, QueryError, QueryRequest, QuestionError},
    store::StoreQueryError,
};

impl QueryEngine {
    /// Rows of one answer, at most.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        self.parts().options.rows_max
    }

    /// Calls `see` with each row of a portable query over all pages, up to
    /// [`QueryEngine::rows_max`], and returns the columns. `see` gets them too.
    ///
    /// # Errors
    /// If it is invalid, or the store fails.
    pub async fn every_row(
        &self,
        mut request: QueryRequest,
        mut see: impl FnMut(&[Column], Row),
    ) -> Result<Vec<Column>, QueryError> {
        let mut seen = 0;
        loop {
            let mut answer = match self.portable(request.clone()).await {
                // It has too many columns for a page of the largest number of rows.
                Err(QueryError::Question(QuestionError::PageTooLarge { limit_max, .. }))
                    if limit_max > 0 && limit_max < request.limit =>
                {
                    request.limit = limit_max;
                    continue;
                }
                answer => answer?,
            };
            let next = loop {
                match answer.parts.recv().await {
                    None => {
                        let reason = "the answer was cut off".to_owned();
                        return Err(StoreQueryError::Broken { reason }.into());
                    }
                    Some(part) => match part? {
                        Part::Rows(rows) => {
                            seen += rows.len();
                            if seen > self.rows_max() {
                                return Err(StoreQueryError::Rows { max: self.rows_max() }.into());
                            }
                            rows.into_iter().for_each(|row| see(&answer.columns, row));
                        }
                        Part::End { after } => break after,
                    },
                }
            };
            match next {
                Some(after) => request.after = Some(after),
                None => return Ok(answer.columns),
            }
        }
    }

    /// The vehicles, of the given ones or of all, with a point of any mapped measurement since the
    /// given time.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn vehicles_with_points(
        &self,
        names: Option<&[String]>,
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<HashSet<String>, QueryError> {
        let catalog = self.parts().catalog.load_full();
        let all = catalog.measurements.iter();
        let measurements: Vec<&String> = all
            .filter(|(_, known)| known.vehicle_tag.is_some() && !known.fields.is_empty())
            .map(|(name, _)| name)
            .collect();
        let parts: Vec<Vec<String>> = match names {
            None => vec![Vec::new()],
            Some(names) => names.chunks(QueryRequest::VALUES_MAX).map(<[String]>::to_vec).collect(),
        };
        let mut found = HashSet::new();
        for measurement in measurements {
            for vehicles in &parts {
                let request = QueryRequest {
                    measurement: measurement.clone(),
                    vehicles: vehicles.clone(),
                    from,
                    to,
                    function: Some(Function::Count),
                    limit: QueryRequest::LIMIT_MAX,
                    ..QueryRequest::default()
                };
                self.every_row(request, |_, mut row| {
                    if row.len() > 1
                        && let Value::String(vehicle) = row.swap_remove(1)
                    {
                        found.insert(vehicle);
                    }
                })
                .await?;
            }
        }
        Ok(found)
    }
}
