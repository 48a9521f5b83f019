"""A vehicle by paho: see tests/it/real/commands.rs.

obey.py HOST PORT VERSION VIN: subscribes to its commands, and answers each limit-charge with two
receipts: in 5.0 by response topic and correlation data, in 3.1.1 by the id of the payload.
"""
import json
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

host, port, version, vin = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
client = mqtt.Client(client_id=vin, protocol=protocol)


def on_connect(client, userdata, flags, reason, properties=None):
    client.subscribe(f"vehicles/{vin}/commands/#", qos=2)


def on_message(client, userdata, message):
    if not message.topic.endswith("/limit-charge"):
        return
    topic, receipt, properties = f"vehicles/{vin}/receipts", {}, None
    if version == "5":
        properties = Properties(PacketTypes.PUBLISH)
        properties.CorrelationData = message.properties.CorrelationData
        topic = message.properties.ResponseTopic
    else:
        receipt["command_id"] = json.loads(message.payload)["id"]
    for status in ("RUNNING", "DONE"):
        client.publish(topic, json.dumps({**receipt, "status": status}), 1, properties=properties)


client.on_connect, client.on_message = on_connect, on_message
client.connect(host, port)
client.loop_forever(timeout=1.0)
