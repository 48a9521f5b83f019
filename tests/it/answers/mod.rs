//! The portable query's table of cases: one fleet, one list of queries, and the same columns,
//! types, rows and order from every store.
//!
//! A fleet with known values ([`fleet`]) is published over MQTT. Each query of [`table`] is sent
//! over HTTP, and its answer is compared with the one of [`oracle`] for the same points: a naive
//! implementation of the contract that shares no code with the product. Cases that the oracle could
//! get wrong in the same way as the product are written by hand in [`by_hand`]. The same table runs
//! against real servers in `real::answers`.

mod asked;
mod blind_spots;
mod by_hand;
mod fleet;
mod hostile;
mod limits;
mod oracle;
mod pages;
mod refused;
mod table;
mod trial;

use crate::harness::Database;

pub(crate) use blind_spots::check_blind_spots;
pub(crate) use hostile::check_hostile;
pub(crate) use limits::check_limits;
pub(crate) use refused::check_writes_refused;
pub(crate) use trial::check_table;

#[test]
fn the_embedded_store_gives_the_answers_of_the_table() {
    check_table(&Database::Embedded);
}

#[test]
fn no_text_is_more_than_a_value_to_the_embedded_store() {
    check_hostile(&Database::Embedded);
}

#[test]
fn nothing_that_writes_is_asked_of_the_embedded_store() {
    check_writes_refused(&Database::Embedded);
}

#[test]
fn no_question_takes_more_than_its_bounds_of_the_embedded_store() {
    check_limits(&Database::Embedded);
}

#[test]
fn what_no_mapping_names_is_asked_of_the_embedded_store() {
    check_blind_spots(&Database::Embedded);
}
