//! Builds every stage from its options, connects the handles, runs, drains in order.
