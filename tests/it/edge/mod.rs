//! The vehicle edge over real sockets: what is accepted, refused, bounded, and in which words.

mod attacks;
mod bounds;
mod client;
mod connect;
mod farewell;
mod publish;
mod sessions;
mod subscriptions;
mod sys;
mod takeover;
