//! Authentication and access rules, with the real binary.

mod admission;
mod connectivity;
mod identity;
mod import;
mod jwt;
mod listeners;
mod matrix;
mod names;
mod payloads;
mod revoked;
mod rules;
mod tokens;
mod websocket;
