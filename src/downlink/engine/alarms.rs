//! Handles an alarm: whether its command or publish is made.
//!
//! Its message is durable by now, but not acknowledged yet. The command and the note that the alarm
//! was raised are one transaction; after it the message is acknowledged. So a crash leaves both or
//! neither, and if neither, the vehicle sends its message again. A publish is noted in the same way
//! and sent after the commit, and the message waits for it; if a crash may have interrupted it, the
//! vehicle sends the message again, and the alarm is published once more.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::{Map, Value as Json, json};

use super::{job::Refused, turn::Engine};
use crate::{
    downlink::{
        prepare::{CommandRequest, Still, is_vehicle, prepare},
        record::{Idempotency, Origin, Request},
        store::{AlarmRow, AuditRow},
    },
    mapping::{Alarm, AlarmAction, AlarmCommand, json_of},
    model::{CommandId, Publication, RaisedAlarm, UnixNanos},
    telemetry::AlarmLabel,
};

/// How long an alarm of a vehicle is suppressed after it could not become a command.
const REFUSED_MS: i64 = 1000;

/// The outcome of an alarm.
enum AlarmOutcome {
    /// Its command was made; its message waits only for the commit.
    Raised,
    /// Its message waits for the publish.
    Published,
    /// Nothing was made, for this reason.
    Not(&'static str),
}

impl Engine {
    pub(super) fn alarm(&mut self, raised: &RaisedAlarm) -> rusqlite::Result<()> {
        let outcome = self.outcome_of(raised)?;
        let name = match outcome {
            AlarmOutcome::Raised | AlarmOutcome::Published => "raised",
            AlarmOutcome::Not(why) => why,
        };
        if !matches!(outcome, AlarmOutcome::Published) {
            self.gathered().acknowledged.push(raised.ticket);
        }
        let label = AlarmLabel { alarm: Arc::clone(&raised.alarm), outcome: name };
        self.metrics.downlink_alarms.get_or_create_owned(&label).inc();
        Ok(())
    }

    fn outcome_of(&mut self, raised: &RaisedAlarm) -> rusqlite::Result<AlarmOutcome> {
        let declared = self.declared.load_full();
        let Some(alarm) = declared.alarms().find(&raised.alarm) else {
            return Ok(AlarmOutcome::Not("unknown"));
        };
        let now_ms = self.now_ms;
        if self.suppressed.holds(&raised.alarm, &raised.vehicle, now_ms) {
            return Ok(AlarmOutcome::Not("once-per"));
        }
        let once_per = i64::try_from(alarm.once_per.as_millis()).unwrap_or(i64::MAX);
        // An alarm of this process would have been suppressed.
        if let Some((at_ms, key)) = self.writer.last_alarm(&raised.alarm, &raised.vehicle)? {
            let until_ms = at_ms.saturating_add(once_per);
            let is_same = key == raised.key && (raised.has_time || now_ms < until_ms);
            let quiet_ms = match &alarm.action {
                // It is raised now, and suppressed for some time, even if it repeats often.
                AlarmAction::Publish { .. } if is_same => now_ms.saturating_add(once_per),
                _ => until_ms.max(now_ms + 1),
            };
            if is_same || now_ms < until_ms {
                self.suppressed.begin(&raised.alarm, &raised.vehicle, quiet_ms);
            }
            match &alarm.action {
                AlarmAction::Publish { .. } if is_same => {
                    let published = self.publish(alarm, raised);
                    return Ok(
                        published.map_or_else(AlarmOutcome::Not, |()| AlarmOutcome::Published)
                    );
                }
                _ if is_same => return Ok(AlarmOutcome::Not("repeated")),
                _ if now_ms < until_ms => return Ok(AlarmOutcome::Not("once-per")),
                _ => {}
            }
        }
        let outcome = match &alarm.action {
            AlarmAction::Command(command) => self.command_of(alarm, command, raised)?,
            AlarmAction::Publish { .. } => match self.publish(alarm, raised) {
                Ok(()) => {
                    self.audit_published(raised);
                    AlarmOutcome::Published
                }
                Err(why) => AlarmOutcome::Not(why),
            },
        };
        let quiet_ms = match outcome {
            AlarmOutcome::Not("repeated") | AlarmOutcome::Raised | AlarmOutcome::Published => {
                once_per
            }
            AlarmOutcome::Not(_) => once_per.min(REFUSED_MS),
        };
        self.suppressed.begin(&raised.alarm, &raised.vehicle, now_ms.saturating_add(quiet_ms));
        if !matches!(outcome, AlarmOutcome::Not(_)) {
            let (alarm, vehicle) = (Arc::clone(&raised.alarm), Arc::clone(&raised.vehicle));
            let row = AlarmRow { alarm, vehicle, at_ms: now_ms, key: raised.key };
            self.gathered().alarms.push(row);
        }
        Ok(outcome)
    }

    /// Makes the command of an alarm.
    fn command_of(
        &mut self,
        alarm: &Alarm,
        command: &AlarmCommand,
        raised: &RaisedAlarm,
    ) -> rusqlite::Result<AlarmOutcome> {
        let ask = CommandRequest {
            command: Some(command.name.clone()),
            fields: Some(alarm.fields(&raised.values)),
            expires_in: command.expires_in.clone(),
            execute_within: command.execute_within.clone(),
            supersede: command.supersede.clone(),
            still: command.still.clone().map(|[measurement, when, fresh]| Still {
                measurement,
                when,
                fresh,
            }),
            ..CommandRequest::default()
        };
        let who: Arc<str> = format!("alarm {}", alarm.name).into();
        let id = CommandId::random(UnixNanos(self.now_ms.saturating_mul(1_000_000)));
        let declared = self.declared.load_full();
        // It has values from a payload; if they make a library panic, nothing else is affected.
        let prepared = catch_unwind(AssertUnwindSafe(|| {
            prepare(&declared, &self.options, &ask, &raised.vehicle, (&who, id))
        }));
        let request = match prepared {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => {
                tracing::debug!(alarm = %alarm.name, vehicle = %raised.vehicle, %error,
                    "an alarm makes no command");
                return Ok(AlarmOutcome::Not("invalid"));
            }
            Err(_) => return Ok(AlarmOutcome::Not("invalid")),
        };
        let request = Request {
            // A message with a time of its own makes no second command, even if it is sent again
            // much later.
            idempotency: raised.has_time.then(|| Idempotency {
                key: format!("alarm {} {:032x}", alarm.name, u128::from_be_bytes(raised.key))
                    .into(),
                digest: raised.key,
            }),
            origin: Some(Origin { row: row(raised).to_string().into(), failure: None }),
            ..request
        };
        Ok(match self.create(&Arc::new(request))? {
            Ok(place) if place.is_repeat() => AlarmOutcome::Not("repeated"),
            Ok(_) => AlarmOutcome::Raised,
            Err(Refused::KeyTaken { .. }) => AlarmOutcome::Not("repeated"),
            Err(_) => AlarmOutcome::Not("open-max"),
        })
    }

    /// Publishes the alarm's message when the turn is durable.
    fn publish(&mut self, alarm: &Alarm, raised: &RaisedAlarm) -> Result<(), &'static str> {
        let AlarmAction::Publish { topic, qos } = &alarm.action else { return Err("unknown") };
        // The vehicle's name is part of a topic.
        if !is_vehicle(&raised.vehicle) {
            return Err("invalid");
        }
        let said = json!({
            "alarm": &*alarm.name,
            "vehicle": &*raised.vehicle,
            "time": raised.time.to_string(),
            "fields": alarm.fields(&raised.values),
        });
        let payload = said.to_string().into_bytes();
        if payload.len() > self.options.payload_bytes_max {
            return Err("too-large");
        }
        let publication = Publication {
            ticket: raised.ticket,
            topic: topic.of(&raised.vehicle).into(),
            qos: *qos,
            payload: payload.into(),
        };
        self.gathered().publications.push(publication);
        Ok(())
    }

    fn audit_published(&mut self, raised: &RaisedAlarm) {
        self.audit(AuditRow {
            at_ms: self.now_ms,
            who: format!("alarm {}", raised.alarm).into(),
            action: "publish",
            id: CommandId::random(UnixNanos(self.now_ms.saturating_mul(1_000_000))),
            vehicle: Arc::clone(&raised.vehicle),
            name: Some(Arc::clone(&raised.alarm)),
        });
    }
}

/// The values that raised it, as the evidence of its command.
fn row(raised: &RaisedAlarm) -> Json {
    let values = raised.values.iter().map(|(name, value)| (name.to_string(), json_of(value)));
    let mut row: Map<String, Json> = values.collect();
    row.insert("time".to_owned(), json!(raised.time.to_string()));
    row.insert("alarm".to_owned(), json!(&*raised.alarm));
    Json::Object(row)
}
