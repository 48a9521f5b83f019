//! The vehicle edge over real sockets: what is accepted, refused, bounded, and in which words.

mod bounds;
mod client;
mod connect;
mod publish;
mod sessions;
mod subscriptions;
mod takeover;
