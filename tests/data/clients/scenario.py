"""One scenario for the MQTT clients that the tests bring: see tests/it/real/clients.rs.

scenario.py HOST PORT VERSION NAME: subscribes below clients/NAME, publishes there at QoS 0, 1 and 2,
prints what comes back, and what becomes of a filter that the rules refuse.
"""
import sys

import paho.mqtt.client as mqtt

host, port, version, name = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
client = mqtt.Client(client_id=name, protocol=protocol)
topic = f"clients/{name}/x"
come = []


def on_connect(client, userdata, flags, reason, properties=None):
    wanted = [(f"clients/{name}/#", 2), ("secret/#", 1)]
    if version == "5":
        wanted = [(filter, mqtt.SubscribeOptions(qos=qos)) for filter, qos in wanted]
    client.subscribe(wanted)


def on_subscribe(client, userdata, mid, granted, properties=None):
    codes = [code if isinstance(code, int) else code.value for code in granted]
    print("granted", *codes, flush=True)
    for qos in range(3):
        client.publish(topic, f"at {qos}", qos=qos)


def on_message(client, userdata, message):
    print("came", message.topic, message.qos, message.payload.decode(), flush=True)
    come.append(message)
    if len(come) == 3:
        client.disconnect()


client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect(host, port)
client.loop_forever(timeout=1.0)
