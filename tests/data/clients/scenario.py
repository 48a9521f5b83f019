"""One scenario for the MQTT clients that the tests bring: see tests/it/real/clients.rs.

scenario.py URL VERSION NAME: subscribes below clients/NAME, publishes there at QoS 0, 1 and 2,
prints what comes back, and what becomes of a filter that the rules refuse. MQTT_USER, MQTT_PASSWORD,
MQTT_CA, MQTT_CERT and MQTT_KEY say what it brings.
"""
import os
import sys
from urllib.parse import urlparse

import paho.mqtt.client as mqtt

url, version, name = urlparse(sys.argv[1]), sys.argv[2], sys.argv[3]
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
transport = "websockets" if url.scheme in ("ws", "wss") else "tcp"
client = mqtt.Client(client_id=name, protocol=protocol, transport=transport)
if transport == "websockets":
    client.ws_set_options(path=url.path)
if url.scheme in ("mqtts", "wss"):
    env = os.environ
    client.tls_set(env["MQTT_CA"], env.get("MQTT_CERT"), env.get("MQTT_KEY"))
if "MQTT_USER" in os.environ or "MQTT_PASSWORD" in os.environ:
    client.username_pw_set(os.environ.get("MQTT_USER"), os.environ.get("MQTT_PASSWORD"))
topic = f"clients/{name}/x"
come = []


def on_connect(client, userdata, flags, reason, properties=None):
    if reason != 0:
        sys.exit(f"refused: {reason}")
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
client.connect(url.hostname, url.port)
client.loop_forever(timeout=1.0)
