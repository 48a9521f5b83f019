//! Merges the rows of several servers, and of several queries to one server, to one ordered page.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::mpsc;

use crate::{
    model::{Row, UnixNanos},
    query::{
        dialect::Layout,
        engine::Part,
        question::Question,
        request::Order,
        rows::{Key, KeyedRow, Places},
    },
    store::{Rows, StoreQueryError},
};

/// One query's rows, returned in the order of time.
#[derive(Debug)]
pub(super) struct Source {
    places: Places,
    /// Whether all rows must be read before the first is returned.
    is_unordered: bool,
    chunks: mpsc::Receiver<Result<Vec<Row>, StoreQueryError>>,
    ready: VecDeque<KeyedRow>,
    last: Option<UnixNanos>,
    is_end: bool,
}

impl Source {
    pub(super) fn new(origin: (usize, usize), layout: &Layout, rows: Rows) -> Self {
        let (ready, last) = (VecDeque::new(), None);
        let places = Places::new(origin, layout, &rows.columns);
        let is_unordered = layout.is_unordered;
        Self { places, is_unordered, chunks: rows.chunks, ready, last, is_end: false }
    }

    /// The time of the next row.
    async fn head(&mut self, question: &Question) -> Result<Option<UnixNanos>, StoreQueryError> {
        if self.is_unordered && !self.is_end {
            self.sort(question).await?;
        }
        while self.ready.is_empty() && !self.is_end {
            let Some(chunk) = self.chunks.recv().await else {
                self.is_end = true;
                break;
            };
            for row in chunk? {
                let Some(keyed) = self.places.place(question, row)? else { continue };
                let time = keyed.key.time;
                if self.last.is_some_and(|last| is_before(question, time, last)) {
                    let reason = "its rows are not in the order of time".to_owned();
                    return Err(StoreQueryError::Broken { reason });
                }
                self.last = Some(time);
                self.ready.push_back(keyed);
            }
        }
        Ok(self.ready.front().map(|keyed| keyed.key.time))
    }
}

impl Source {
    /// Reads all rows and keeps those that a page can need, in order.
    async fn sort(&mut self, question: &Question) -> Result<(), StoreQueryError> {
        let mut kept: BTreeMap<Key, KeyedRow> = BTreeMap::new();
        while let Some(chunk) = self.chunks.recv().await {
            for row in chunk? {
                let Some(keyed) = self.places.place(question, row)? else { continue };
                if !question.is_after(&keyed.key) {
                    continue;
                }
                kept.insert(keyed.key.clone(), keyed);
                // One row more than the page shows that there is another page.
                if kept.len() > question.limit + 1 {
                    match question.order {
                        Order::Ascending => kept.pop_last(),
                        Order::Descending => kept.pop_first(),
                    };
                }
            }
        }
        self.ready = kept.into_values().collect();
        if question.order == Order::Descending {
            self.ready.make_contiguous().reverse();
        }
        self.is_end = true;
        Ok(())
    }
}

fn is_before(question: &Question, time: UnixNanos, other: UnixNanos) -> bool {
    match question.order {
        Order::Ascending => time < other,
        Order::Descending => time > other,
    }
}

/// Sends the page of `question`, and drops the sources when it is complete.
pub(super) async fn merge(
    question: &Question,
    mut sources: Vec<Source>,
    parts: &mpsc::Sender<Result<Part, StoreQueryError>>,
) -> Result<(), StoreQueryError> {
    let mut page = Page { question, sent: 0, last: None, rows: Vec::new() };
    let mut moment = Vec::new();
    loop {
        next_moment(question, &mut sources, &mut moment).await?;
        if moment.is_empty() {
            break;
        }
        in_order(question, &mut moment);
        for mut keyed in moment.drain(..) {
            if !keyed.check_overflow(question)? {
                continue;
            }
            if page.sent == question.limit {
                let after = page.last.as_ref().map(Key::to_after);
                return page.end(parts, after).await;
            }
            page.push(keyed);
            if page.rows.len() >= Rows::CHUNK_ROWS && !page.flush(parts).await {
                return Ok(());
            }
        }
    }
    page.end(parts, None).await
}

/// Sorts the rows of one moment, joins the parts of each row, and keeps only as many as a page can
/// need, plus one that shows that there is another page.
fn in_order(question: &Question, moment: &mut Vec<KeyedRow>) {
    moment.sort_by(|one, other| {
        let keys = match question.order {
            Order::Ascending => one.key.cmp(&other.key),
            Order::Descending => other.key.cmp(&one.key),
        };
        keys.then(one.origin.cmp(&other.origin))
    });
    moment.dedup_by(|next, row| row.merge(next));
    moment.retain(|keyed| question.is_after(&keyed.key));
    moment.truncate(rows_max(question));
}

/// How many rows of one moment are kept: rows of several servers may have the same key.
fn rows_max(question: &Question) -> usize {
    question.limit + 1
}

/// All rows of the next moment for which any server has rows (QY-2).
async fn next_moment(
    question: &Question,
    sources: &mut [Source],
    moment: &mut Vec<KeyedRow>,
) -> Result<(), StoreQueryError> {
    let mut next: Option<UnixNanos> = None;
    for source in sources.iter_mut() {
        if let Some(head) = source.head(question).await? {
            next = match next {
                Some(next) if !is_before(question, head, next) => Some(next),
                _ => Some(head),
            };
        }
    }
    let Some(next) = next else { return Ok(()) };
    for source in sources {
        while source.head(question).await? == Some(next) {
            moment.extend(source.ready.pop_front());
            // Without windows all rows are of one moment, and a fleet may have any number.
            if moment.len() >= 2 * rows_max(question) + Rows::CHUNK_ROWS {
                in_order(question, moment);
            }
        }
    }
    Ok(())
}

/// The page so far.
struct Page<'a> {
    question: &'a Question,
    sent: usize,
    last: Option<Key>,
    rows: Vec<Row>,
}

impl Page<'_> {
    fn push(&mut self, keyed: KeyedRow) {
        debug_assert!(self.question.is_after(&keyed.key), "QY-3");
        self.last = Some(keyed.key);
        self.rows.push(keyed.row);
        self.sent += 1;
    }

    /// False if the receiver is gone.
    async fn flush(&mut self, parts: &mpsc::Sender<Result<Part, StoreQueryError>>) -> bool {
        let rows = std::mem::take(&mut self.rows);
        rows.is_empty() || parts.send(Ok(Part::Rows(rows))).await.is_ok()
    }

    async fn end(
        mut self,
        parts: &mpsc::Sender<Result<Part, StoreQueryError>>,
        after: Option<String>,
    ) -> Result<(), StoreQueryError> {
        if self.flush(parts).await {
            // Whoever does not listen needs no end.
            drop(parts.send(Ok(Part::End { after })).await);
        }
        Ok(())
    }
}
