//! The vehicle edge over real sockets: what is accepted, refused, bounded, and in which words.

mod bounds;
mod connect;
mod publish;
mod subscriptions;
mod takeover;
