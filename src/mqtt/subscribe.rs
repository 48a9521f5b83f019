//! SUBSCRIBE and UNSUBSCRIBE: answered with what this appliance cannot do yet, never with silence.

use ntex_bytes::BytesMut;
use ntex_codec::Decoder;
use ntex_mqtt::{v3::codec as v3, v5::codec as v5};

use super::wire::{Packet, Version, Violation, check_properties, read_u16};

/// The answer to a SUBSCRIBE or UNSUBSCRIBE, for its codec.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    V3(v3::Packet),
    V5(v5::Packet),
}

/// Reads a whole SUBSCRIBE or UNSUBSCRIBE packet and refuses each of its filters.
pub(super) fn refuse_filters(
    version: Version,
    packet: &[u8],
    header: usize,
) -> Result<Answer, Violation> {
    if read_u16(&mut &packet[header..])? == 0 {
        return Err(Violation::Protocol);
    }
    let mut source = BytesMut::copy_from_slice(packet);
    match version {
        Version::V3 => {
            // Bits 2 to 7 of the requested QoS are reserved ([MQTT-3.8.3-4]).
            match v3::Codec::new().decode(&mut source).map_err(|_| Violation::Malformed)? {
                Some(v3::Decoded::Packet(asked, _)) => refuse_v3(asked),
                _ => Err(Violation::Malformed),
            }
        }
        Version::V5 => {
            let kind = if packet[0] >> 4 == 8 { Packet::Subscribe } else { Packet::Unsubscribe };
            check_properties(&mut &packet[header + 2..], kind)?;
            match v5::Codec::new().decode(&mut source).map_err(|_| Violation::Malformed)? {
                Some(v5::Decoded::Packet(asked, _)) => refuse_v5(asked),
                _ => Err(Violation::Malformed),
            }
        }
    }
}

fn refuse_v3(asked: v3::Packet) -> Result<Answer, Violation> {
    let answer = match asked {
        v3::Packet::Subscribe { packet_id, topic_filters } if !topic_filters.is_empty() => {
            let status = vec![v3::SubscribeReturnCode::Failure; topic_filters.len()];
            v3::Packet::SubscribeAck { packet_id, status }
        }
        v3::Packet::Unsubscribe { packet_id, topic_filters } if !topic_filters.is_empty() => {
            v3::Packet::UnsubscribeAck { packet_id }
        }
        // [MQTT-3.8.3-3], [MQTT-3.10.3-2]: at least one filter.
        _ => return Err(Violation::Protocol),
    };
    Ok(Answer::V3(answer))
}

fn refuse_v5(asked: v5::Packet) -> Result<Answer, Violation> {
    let answer = match asked {
        v5::Packet::Subscribe(asked) if !asked.topic_filters.is_empty() => {
            let status = asked
                .topic_filters
                .iter()
                .map(|(filter, _)| refusal(filter, asked.id.is_some()))
                .collect();
            v5::Packet::SubscribeAck(v5::SubscribeAck {
                packet_id: asked.packet_id,
                properties: Vec::new(),
                reason_string: None,
                status,
            })
        }
        v5::Packet::Unsubscribe(asked) if !asked.topic_filters.is_empty() => {
            let status =
                vec![v5::UnsubscribeAckReason::NoSubscriptionExisted; asked.topic_filters.len()];
            v5::Packet::UnsubscribeAck(v5::UnsubscribeAck {
                packet_id: asked.packet_id,
                properties: Vec::new(),
                reason_string: None,
                status,
            })
        }
        _ => return Err(Violation::Protocol),
    };
    Ok(Answer::V5(answer))
}

/// Why one filter is refused, as exactly as the protocol can say it.
fn refusal(filter: &str, has_identifier: bool) -> v5::SubscribeAckReason {
    if has_identifier {
        v5::SubscribeAckReason::SubscriptionIdentifiersNotSupported
    } else if filter.starts_with("$share/") {
        v5::SubscribeAckReason::SharedSubscriptionNotSupported
    } else if filter.contains(['+', '#']) {
        v5::SubscribeAckReason::WildcardSubscriptionsNotSupported
    } else {
        v5::SubscribeAckReason::ImplementationSpecificError
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_is_refused_with_its_own_reason() {
        let packet = b"\x82\x15\x00\x07\x00\x00\x01a\x00\x00\x02+a\x00\x00\x06$share\x00";
        let packet =
            [&packet[..1], &[u8::try_from(packet.len() - 2).expect("short")], &packet[2..]];
        let answer = refuse_filters(Version::V5, &packet.concat(), 2).expect("well formed");
        let Answer::V5(v5::Packet::SubscribeAck(answer)) = answer else { panic!("a SUBACK") };
        let reasons: Vec<u8> = answer.status.iter().map(|reason| u8::from(*reason)).collect();
        assert_eq!(reasons, [0x83, 0xa2, 0x83]);
    }

    #[test]
    fn a_3_1_1_subscriber_gets_a_failure_code() {
        let answer = refuse_filters(Version::V3, b"\x82\x06\x00\x07\x00\x01a\x01", 2);
        let expect = v3::Packet::SubscribeAck {
            packet_id: 7.try_into().expect("not zero"),
            status: vec![v3::SubscribeReturnCode::Failure],
        };
        assert_eq!(answer, Ok(Answer::V3(expect)));
        let empty = refuse_filters(Version::V3, b"\x82\x02\x00\x07", 2);
        assert_eq!(empty, Err(Violation::Protocol));
    }
}
