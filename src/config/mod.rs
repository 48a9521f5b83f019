//! Text and environment → every stage's options.
