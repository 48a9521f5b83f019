//! Pages: joined at `after` they are the whole answer, for any size and order (QY-3).

use super::{
    asked::{Asked, ask},
    fleet::{Point, SECOND, T},
    oracle::{self, Answer},
    trial::Wrong,
};
use crate::harness::Appliance;

/// More pages than any answer has.
const PAGES_MAX: usize = 2_000;

pub(super) fn check(appliance: &Appliance, points: &[Point], breaks_ties: bool, wrong: &mut Wrong) {
    let all = Asked { from: T - SECOND, to: T + 7_200 * SECOND, ..Asked::default() };
    let ties = Asked { from: T + 195 * SECOND, to: T + 205 * SECOND, ..Asked::default() };
    let (function, every) = (Some("last"), Some(60 * SECOND));
    let windows = Asked { function, every, ..all.clone() };
    let totals = Asked { every: None, ..windows.clone() };
    let sparse = Asked { fields: vec!["late", "note"], ..all.clone() };
    let some = Asked { vehicles: vec!["ties", "V1"], fields: vec!["charging"], ..all.clone() };
    for asked in [all, ties, windows, totals, sparse, some] {
        for is_desc in [false, true] {
            let asked = Asked { is_desc, ..asked.clone() };
            let expected = oracle::answer(&asked, points, breaks_ties);
            let exactly = expected.rows.len().max(1);
            for limit in [1, 2, 3, 7, 50, exactly, exactly + 1] {
                // One row per page is slow for many rows, and shows no more than for few rows.
                if expected.rows.len() / limit <= 25 {
                    check_pages(appliance, &asked, limit, &expected, wrong);
                }
            }
        }
    }
}

fn check_pages(
    appliance: &Appliance,
    asked: &Asked,
    limit: usize,
    expected: &Answer,
    wrong: &mut Wrong,
) {
    let told = format!("limit {limit} of {asked:?}");
    let limit_text = limit.to_string();
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut more = vec![("limit", limit_text.as_str())];
        more.extend(after.as_deref().map(|after| ("after", after)));
        match ask(appliance, &asked.parameters(), &more) {
            Err(error) => return wrong.add(format!("{told}\n{error}")),
            Ok((page, next)) => {
                let full = page.rows.len() == limit;
                let fits = if next.is_some() { full } else { page.rows.len() <= limit };
                wrong.expect(fits, || format!("{told}\na page of {} rows", page.rows.len()));
                rows.extend(page.rows);
                after = next;
            }
        }
        if after.is_none() {
            let columns = expected.columns.clone();
            if let Some(what) = asked.differs(&Answer { columns, rows }, expected) {
                wrong.add(format!("{told}\n{what}"));
            }
            return;
        }
    }
    wrong.add(format!("{told}\nthe pages do not end"));
}
