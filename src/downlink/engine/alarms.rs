//! An alarm: whether its vehicle is told, and of what.
//!
//! Its message is durable by now and not acknowledged yet. The command and the note that the
//! vehicle was told are one transaction, behind which the message is acknowledged: so a crash
//! leaves both or neither, and of neither the vehicle sends its message again. A publish is noted
//! in the same way, leaves behind the commit, and is waited for by the message; of one that may
//! have been cut short by a crash the vehicle sends the message again, and it is published again:
//! once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::{Map, Value as Json, json};

use super::{job::Refused, turn::Engine};
use crate::{
    downlink::{
        prepare::{Ask, Still, is_vehicle, prepare},
        record::{Idempotency, Origin, Request},
        store::{AlarmRow, AuditRow},
    },
    mapping::{Alarm, AlarmAction, AlarmCommand, json_of},
    model::{CommandId, Publication, RaisedAlarm, UnixNanos},
    telemetry::AlarmLabel,
};

/// How long a vehicle is not asked again whose alarm could not become a command.
const REFUSED_MS: i64 = 1000;

/// What came of an alarm.
enum Told {
    /// It is told, and its message waits for nothing more than the commit.
    Raised,
    /// What it publishes is waited for.
    Published,
    /// It is none, for this reason.
    Not(&'static str),
}

impl Engine {
    pub(super) fn alarm(&mut self, raised: &RaisedAlarm) -> rusqlite::Result<()> {
        let told = self.told_of(raised)?;
        let outcome = match told {
            Told::Raised | Told::Published => "raised",
            Told::Not(why) => why,
        };
        if !matches!(told, Told::Published) {
            self.gathered().acknowledged.push(raised.ticket);
        }
        let label = AlarmLabel { alarm: Arc::clone(&raised.alarm), outcome };
        self.metrics.downlink_alarms.get_or_create_owned(&label).inc();
        Ok(())
    }

    fn told_of(&mut self, raised: &RaisedAlarm) -> rusqlite::Result<Told> {
        let declared = self.declared.load_full();
        let Some(alarm) = declared.alarms().find(&raised.alarm) else {
            return Ok(Told::Not("unknown"));
        };
        let now_ms = self.now_ms;
        if self.quiet.holds(&raised.alarm, &raised.vehicle, now_ms) {
            return Ok(Told::Not("once-per"));
        }
        let once_per = i64::try_from(alarm.once_per.as_millis()).unwrap_or(i64::MAX);
        // Of this process it would be quiet.
        if let Some((at_ms, key)) = self.writer.told_of_alarm(&raised.alarm, &raised.vehicle)? {
            let until_ms = at_ms.saturating_add(once_per);
            let is_same = key == raised.key && (raised.has_time || now_ms < until_ms);
            let quiet_ms = match &alarm.action {
                // It is told now, and not again for a while, however often it repeats itself.
                AlarmAction::Publish { .. } if is_same => now_ms.saturating_add(once_per),
                _ => until_ms.max(now_ms + 1),
            };
            if is_same || now_ms < until_ms {
                self.quiet.begin(&raised.alarm, &raised.vehicle, quiet_ms);
            }
            match &alarm.action {
                AlarmAction::Publish { .. } if is_same => {
                    let published = self.publish(alarm, raised);
                    return Ok(published.map_or_else(Told::Not, |()| Told::Published));
                }
                _ if is_same => return Ok(Told::Not("repeated")),
                _ if now_ms < until_ms => return Ok(Told::Not("once-per")),
                _ => {}
            }
        }
        let told = match &alarm.action {
            AlarmAction::Command(command) => self.command_of(alarm, command, raised)?,
            AlarmAction::Publish { .. } => match self.publish(alarm, raised) {
                Ok(()) => {
                    self.audit_published(raised);
                    Told::Published
                }
                Err(why) => Told::Not(why),
            },
        };
        let quiet_ms = match told {
            Told::Not("repeated") | Told::Raised | Told::Published => once_per,
            Told::Not(_) => once_per.min(REFUSED_MS),
        };
        self.quiet.begin(&raised.alarm, &raised.vehicle, now_ms.saturating_add(quiet_ms));
        if !matches!(told, Told::Not(_)) {
            let (alarm, vehicle) = (Arc::clone(&raised.alarm), Arc::clone(&raised.vehicle));
            let row = AlarmRow { alarm, vehicle, at_ms: now_ms, key: raised.key };
            self.gathered().alarms.push(row);
        }
        Ok(told)
    }

    /// Makes its command.
    fn command_of(
        &mut self,
        alarm: &Alarm,
        command: &AlarmCommand,
        raised: &RaisedAlarm,
    ) -> rusqlite::Result<Told> {
        let ask = Ask {
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
            ..Ask::default()
        };
        let who: Arc<str> = format!("alarm {}", alarm.name).into();
        let id = CommandId::random(UnixNanos(self.now_ms.saturating_mul(1_000_000)));
        let declared = self.declared.load_full();
        // What a stranger says is put into it; one that makes a library panic harms nobody.
        let prepared = catch_unwind(AssertUnwindSafe(|| {
            prepare(&declared, &self.options, &ask, &raised.vehicle, (&who, id))
        }));
        let request = match prepared {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => {
                tracing::debug!(alarm = %alarm.name, vehicle = %raised.vehicle, %error,
                    "an alarm makes no command");
                return Ok(Told::Not("invalid"));
            }
            Err(_) => return Ok(Told::Not("invalid")),
        };
        let request = Request {
            // A message that is known by its time makes no second command, however late it comes
            // again.
            idempotency: raised.has_time.then(|| Idempotency {
                key: format!("alarm {} {:032x}", alarm.name, u128::from_be_bytes(raised.key))
                    .into(),
                digest: raised.key,
            }),
            origin: Some(Origin { row: row(raised).to_string().into(), failure: None }),
            ..request
        };
        Ok(match self.create(&Arc::new(request))? {
            Ok(place) if place.is_repeat() => Told::Not("repeated"),
            Ok(_) => Told::Raised,
            Err(Refused::KeyTaken { .. }) => Told::Not("repeated"),
            Err(_) => Told::Not("open-max"),
        })
    }

    /// Publishes what it says, once the turn is durable.
    fn publish(&mut self, alarm: &Alarm, raised: &RaisedAlarm) -> Result<(), &'static str> {
        let AlarmAction::Publish { topic, qos } = &alarm.action else { return Err("unknown") };
        // Its name stands in a topic.
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

/// What raised it, as the evidence of its command.
fn row(raised: &RaisedAlarm) -> Json {
    let values = raised.values.iter().map(|(name, value)| (name.to_string(), json_of(value)));
    let mut row: Map<String, Json> = values.collect();
    row.insert("time".to_owned(), json!(raised.time.to_string()));
    row.insert("alarm".to_owned(), json!(&*raised.alarm));
    Json::Object(row)
}
