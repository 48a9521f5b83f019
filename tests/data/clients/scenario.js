// One scenario for the MQTT clients that the tests bring: see tests/it/real/clients.rs.
// node scenario.js URL VERSION NAME, with MQTT.js on NODE_PATH. MQTT_USER, MQTT_PASSWORD, MQTT_CA,
// MQTT_CERT and MQTT_KEY say what it brings.
const fs = require("fs");
const mqtt = require("mqtt");

const [url, version, name] = process.argv.slice(2);
const env = process.env;
const file = (path) => path && fs.readFileSync(path);
const tls = { ca: file(env.MQTT_CA), cert: file(env.MQTT_CERT), key: file(env.MQTT_KEY) };
const client = mqtt.connect(url, {
  clientId: name,
  protocolVersion: version === "5" ? 5 : 4,
  username: env.MQTT_USER,
  password: env.MQTT_PASSWORD,
  reconnectPeriod: 0,
  ...tls,
  wsOptions: tls,
});
const topic = `clients/${name}/x`;
let come = 0;

client.on("error", (error) => {
  console.log("error", error.message);
  process.exit(1);
});
client.on("packetreceive", (packet) => {
  if (packet.cmd === "suback") console.log("granted", ...packet.granted);
});
client.on("connect", () => {
  client.subscribe({ [`clients/${name}/#`]: { qos: 2 }, "secret/#": { qos: 1 } }, () => {
    for (const qos of [0, 1, 2]) client.publish(topic, `at ${qos}`, { qos });
  });
});
client.on("message", (topic, payload, packet) => {
  console.log("came", topic, packet.qos, payload.toString());
  come += 1;
  if (come === 3) client.end(false, {}, () => process.exit(0));
});
