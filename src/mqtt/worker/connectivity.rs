//! Connects and disconnects as points of a measurement, on the durable path of telemetry.
//!
//! A session without a vehicle gets no point. There is no message to acknowledge, so no client
//! waits for these points: without memory for one (the spool is full, and publishes wait), it is
//! dropped and counted.

use std::{io::Write as _, time::Duration};

use super::{
    slot::{Client, SlotKey},
    thread::Worker,
};
use crate::model::{UnixNanos, line};

/// The maximum bytes of a vehicle's name, as of any tag; the name of an unverified client may be
/// longer.
const VEHICLE_BYTES_MAX: usize = 256;
/// The maximum bytes of a client identifier in a point.
const CLIENT_BYTES_MAX: usize = 256;

/// How a connection ended.
struct End {
    reason: &'static str,
    lasted: Duration,
}

impl Worker {
    /// A client is connected.
    pub(in crate::mqtt) fn tell_connected(&self, key: SlotKey) {
        if self.shared.connectivity.is_none() {
            return;
        }
        if let Some(client) = self.slots.borrow_mut().get_mut(key).and_then(|it| it.client.as_ref())
        {
            self.tell_connectivity(client, None);
        }
    }

    /// A client's connection has ended.
    pub(super) fn tell_disconnected(&self, client: &Client, reason: &'static str) {
        let lasted = self.wall().0.saturating_sub(client.connected_at.0);
        let lasted = Duration::from_nanos(u64::try_from(lasted).unwrap_or(0));
        self.tell_connectivity(client, Some(End { reason, lasted }));
    }

    fn tell_connectivity(&self, client: &Client, end: Option<End>) {
        let Some(measurement) = &self.shared.connectivity else { return };
        let Some(vehicle) = client.identity.vehicle() else { return };
        if vehicle.len() > VEHICLE_BYTES_MAX || !line::is_plain(vehicle.as_bytes()) {
            self.shared.metrics.mqtt_dropped_connectivity_points.inc();
            return;
        }
        let taken = self.intake.borrow_mut().take_own(vehicle.as_bytes(), |line, at| {
            write(line, measurement, vehicle, &client.id, end.as_ref(), at);
        });
        match taken {
            // The end of the turn may come after the worker's end, in this case.
            Ok(()) if self.is_draining() => self.intake.borrow_mut().flush(),
            Ok(()) => self.dirty(),
            Err(_no_room) => {
                self.shared.metrics.mqtt_dropped_connectivity_points.inc();
            }
        }
    }
}

/// Appends the point, without a line feed.
fn write(
    into: &mut Vec<u8>,
    measurement: &str,
    vehicle: &str,
    client_id: &str,
    end: Option<&End>,
    at: UnixNanos,
) {
    line::push_measurement(into, measurement.as_bytes());
    into.extend(b",vehicle=");
    line::push_key(into, vehicle.as_bytes());
    let event: &[u8] = if end.is_some() { b"disconnect" } else { b"connect" };
    into.extend(b",event=");
    into.extend(event);
    into.extend(b" client=");
    let client_id = &client_id[..client_id.floor_char_boundary(CLIENT_BYTES_MAX)];
    line::push_string(into, client_id.as_bytes());
    if let Some(End { reason, lasted }) = end {
        into.extend(b",reason=");
        line::push_string(into, reason.as_bytes());
        // With the precision of a tick, half a second.
        write!(into, ",seconds={:.1}", lasted.as_secs_f64()).expect("memory takes all");
    }
    write!(into, " {}", at.0).expect("memory takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_who_came_and_who_went_and_why() {
        let line = |vehicle: &str, id: &str, end: Option<&End>| {
            let mut line = Vec::new();
            write(&mut line, "links", vehicle, id, end, UnixNanos(7));
            String::from_utf8(line).expect("text")
        };
        assert_eq!(line("V1", "c", None), r#"links,vehicle=V1,event=connect client="c" 7"#);
        let end = End { reason: "peer-gone", lasted: Duration::from_millis(90_500) };
        assert_eq!(
            line("My Truck", "a\"b", Some(&end)),
            r#"links,vehicle=My\ Truck,event=disconnect client="a\"b",reason="peer-gone",seconds=90.5 7"#
        );
        let (none, long) = (line("V", "", None), line("V", &"é".repeat(200), None));
        assert_eq!(long.len(), none.len() + CLIENT_BYTES_MAX);
    }
}
