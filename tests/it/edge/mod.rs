//! The MQTT server over real sockets: what is accepted, refused and bounded, and with which codes.

mod attacks;
mod bounds;
mod client;
mod connect;
mod farewell;
mod lasting;
mod lasting_bounds;
mod lasting_faults;
mod lasting_kills;
mod lasting_model;
mod lasting_queues;
mod lasting_rules;
mod lasting_wills;
mod model;
mod neighbours;
mod publish;
mod queues;
mod sessions;
mod subscriptions;
mod sys;
mod takeover;
