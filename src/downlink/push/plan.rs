//! A checked push request: everything that does not depend on the answer to its query.

use std::{sync::Arc, time::Duration};

use super::{
    request::{Guard, PushRequest},
    schedule::Schedule,
};
use crate::{
    downlink::{
        Options,
        prepare::{CommandRequest, RequestError, duration, key, still, wrong},
        query_spec::QuerySpec,
    },
    mapping::{Condition, Template},
};

/// The maximum of commands per second.
const RATE_MAX: u32 = 1_000_000;

/// A checked push request.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: Arc<str>,
    pub(super) question: QuerySpec,
    pub(super) having: Option<Condition>,
    pub(super) vehicle: Option<String>,
    pub(super) template: Template,
    /// The request of every command, without its fields.
    pub(super) ask: CommandRequest,
    pub(super) once_per: Option<Duration>,
    pub(super) guard: Guard,
    pub(super) waves: Option<Waves>,
    pub(super) rate: Option<u32>,
    pub(super) verify: Option<Verify>,
    pub(super) schedule: Option<Schedule>,
}

/// Waves, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waves {
    first: u64,
    factor: f64,
    pub(super) every: Duration,
    pub(super) abort_above: Option<f64>,
}

impl Waves {
    /// The number of vehicles in the first `count` waves together.
    pub(super) fn sum(&self, count: u32) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "a wave has less than 2^53 vehicles")]
        let (mut size, mut sum) = (self.first as f64, 0_u64);
        for _ in 0..count {
            // Beyond this it is all vehicles.
            if size >= 1e15 {
                return u64::MAX;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is from 1 to 1e15"
            )]
            let whole = size.ceil() as u64;
            sum = sum.saturating_add(whole);
            size *= self.factor;
        }
        sum
    }
}

/// `verify`, checked.
#[derive(Clone, Debug)]
pub(super) struct Verify {
    pub(super) measurement: String,
    pub(super) when: Condition,
    pub(super) within: Duration,
}

impl Plan {
    /// Checks a request.
    pub(super) fn new(request: &PushRequest, options: &Options) -> Result<Self, RequestError> {
        let (question, having) = QuerySpec::read(&request.query)?;
        if question.is_native() && request.vehicle.is_none() {
            let what = "a native `query` needs `vehicle`, the column that names the vehicle";
            return Err(wrong("vehicle", what));
        }
        let template = Template::parse(&request.fields)
            .map_err(|(field, what)| RequestError::Field { field, what })?;
        duration("expires-in", request.expires_in.as_deref())?;
        duration("execute-within", request.execute_within.as_deref())?;
        key("supersede", request.supersede.as_deref())?;
        key("idempotency-key", request.idempotency_key.as_deref())?;
        request.still.as_ref().map(still).transpose()?;
        let once_per = duration("once-per", request.once_per.as_deref())?;
        if once_per.is_some_and(|once| once > options.keep) {
            let what = "`once-per` is longer than commands are remembered (downlink.keep)";
            return Err(wrong("once-per", what));
        }
        let name = request.name.as_deref().unwrap_or(&request.command);
        let name = key("name", Some(name))?.unwrap_or_default();
        if request.rate.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
            return Err(wrong("rate", format!("`rate` is from 1 to {RATE_MAX} commands a second")));
        }
        Ok(Self {
            name,
            question,
            having,
            vehicle: request.vehicle.clone(),
            template,
            ask: CommandRequest {
                command: Some(request.command.clone()),
                expires_in: request.expires_in.clone(),
                execute_within: request.execute_within.clone(),
                supersede: request.supersede.clone(),
                still: request.still.clone(),
                ..CommandRequest::default()
            },
            once_per,
            guard: guard(request)?,
            waves: waves(request)?,
            rate: request.rate,
            verify: verify(request)?,
            schedule: Schedule::of(request)?,
        })
    }

    /// From the stored request.
    pub(super) fn kept(spec: &str, options: &Options) -> Option<Self> {
        let request: PushRequest = serde_json::from_str(spec).ok()?;
        Self::new(&request, options).ok()
    }
}

fn guard(request: &PushRequest) -> Result<Guard, RequestError> {
    let guard = request.guard.unwrap_or_default();
    match guard.share_max {
        Some(share) if !(share > 0.0 && share <= 1.0) => {
            Err(wrong("guard", "`guard`: `share-max` is above 0 and at most 1"))
        }
        _ => Ok(guard),
    }
}

fn waves(request: &PushRequest) -> Result<Option<Waves>, RequestError> {
    let Some(waves) = &request.waves else { return Ok(None) };
    let invalid = |what: String| Err(wrong("waves", format!("`waves`: {what}")));
    if waves.first == 0 || waves.first > 1_000_000_000 {
        return invalid("`first` is at least 1 vehicle".to_owned());
    }
    if !(1.0..=1000.0).contains(&waves.factor) {
        return invalid("`factor` is from 1 to 1000".to_owned());
    }
    if waves.abort_above.is_some_and(|share| !(0.0..1.0).contains(&share)) {
        return invalid("`abort-above` is a share, at least 0 and below 1".to_owned());
    }
    let every = duration("waves", Some(&waves.every))?.unwrap_or_default();
    let (first, factor, abort_above) = (waves.first, waves.factor, waves.abort_above);
    Ok(Some(Waves { first, factor, every, abort_above }))
}

fn verify(request: &PushRequest) -> Result<Option<Verify>, RequestError> {
    let Some(verify) = &request.verify else { return Ok(None) };
    let when = Condition::parse(&verify.when)
        .map_err(|what| wrong("verify", format!("`verify`: {what}")))?;
    let within = duration("verify", Some(&verify.within))?.unwrap_or_default();
    Ok(Some(Verify { measurement: verify.measurement.clone(), when, within }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_grow_by_their_factor_and_never_overflow() {
        let waves =
            Waves { first: 10, factor: 2.0, every: Duration::from_mins(1), abort_above: None };
        assert_eq!([0, 1, 2, 3].map(|count| waves.sum(count)), [0, 10, 30, 70]);
        assert_eq!(waves.sum(u32::MAX), u64::MAX);
        let waves = Waves { factor: 1.5, first: 1, ..waves };
        assert_eq!([1, 2, 3].map(|count| waves.sum(count)), [1, 3, 6]);
        let waves = Waves { factor: 1.0, ..waves };
        assert_eq!(waves.sum(1000), 1000);
    }
}
