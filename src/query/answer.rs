//! What a question is answered with.

use tokio::sync::mpsc;

use crate::{
    model::{Column, Row},
    store::AskError,
};

/// An answer on its way. Dropping it cancels the work at the store.
#[derive(Debug)]
pub struct Answer {
    /// The columns of every row.
    pub columns: Vec<Column>,
    /// What follows, in order. [`Part::End`] or an error is the last; a channel that ends without
    /// either was cut off.
    pub parts: mpsc::Receiver<Result<Part, AskError>>,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// More rows.
    Rows(Vec<Row>),
    /// That was all, or all of this page.
    End {
        /// Where the next page begins, if there is one.
        after: Option<String>,
    },
}
