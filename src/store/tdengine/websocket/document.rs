//! Runs a query and writes its blocks of columns as the JSON document of `/rest/sql`.

use futures_util::TryStreamExt as _;
use serde_json::{Value as Json, json};
use taos::{
    AsyncFetchable, AsyncQueryable, RawBlock,
    taos_query::common::{BorrowedValue, Timestamp},
};
use tokio::sync::mpsc;

use super::links::{LinkError, Links, link_error};
use crate::store::tdengine::code::Fault;

/// Why the rows end early: the receiver is gone, or the answer cannot be read further.
enum Stop {
    Deaf,
    LinkError(LinkError),
}

/// Runs the query and sends the document piece by piece to the receiver.
pub(super) async fn send(
    links: &Links,
    text: &str,
    sender: &mpsc::Sender<Result<Vec<u8>, LinkError>>,
) {
    let asked = match links.take().await {
        Ok(link) => {
            let answered = answer(&link, text, sender).await;
            if matches!(answered, Ok(()) | Err(Stop::LinkError(LinkError::Fault(_)))) {
                links.give_back(link);
            }
            answered
        }
        Err(trouble) => Err(Stop::LinkError(trouble)),
    };
    if let Err(Stop::LinkError(trouble)) = asked {
        // A receiver that is gone needs no error.
        drop(sender.send(Err(trouble)).await);
    }
}

async fn answer(
    link: &taos::Taos,
    text: &str,
    sender: &mpsc::Sender<Result<Vec<u8>, LinkError>>,
) -> Result<(), Stop> {
    let reason = |error: &taos::Error| Stop::LinkError(link_error(error));
    let pass = |piece: Vec<u8>| async { sender.send(Ok(piece)).await.map_err(|_| Stop::Deaf) };
    let mut result = link.query(text).await.map_err(|error| reason(&error))?;
    if result.fields().is_empty() {
        let meta = json!([["affected_rows", "INT", 4]]);
        return pass(whole(&meta, &json!([[result.affected_rows()]]), 1)).await;
    }
    let columns = result.fields().iter();
    let columns = columns.map(|field| json!([field.name(), field.ty().name(), field.bytes()]));
    let meta = Json::Array(columns.collect());
    pass(format!(r#"{{"code":0,"column_meta":{meta},"data":["#).into_bytes()).await?;
    let mut count = 0;
    let mut blocks = result.blocks();
    loop {
        let block = blocks.try_next().await;
        // The document has begun, so a fault cannot be sent as a document of its own any more.
        let block = block.map_err(|error| Stop::LinkError(LinkError::Away(error.to_string())))?;
        let Some(block) = block else { break };
        let rows = rows(&block, count == 0).map_err(Stop::LinkError)?;
        count += block.nrows();
        drop(block);
        pass(rows).await?;
    }
    pass(format!(r#"],"rows":{count}}}"#).into_bytes()).await
}

fn whole(meta: &Json, data: &Json, rows: usize) -> Vec<u8> {
    format!(r#"{{"code":0,"column_meta":{meta},"data":{data},"rows":{rows}}}"#).into_bytes()
}

/// A fault as a JSON document.
pub(super) fn fault(fault: &Fault) -> Vec<u8> {
    json!({ "code": fault.code().0, "desc": fault.words() }).to_string().into_bytes()
}

/// The rows of a block, with a comma before each except the first of the document.
fn rows(block: &RawBlock, are_first: bool) -> Result<Vec<u8>, LinkError> {
    let mut text = Vec::new();
    for row in 0..block.nrows() {
        if !are_first || row > 0 {
            text.push(b',');
        }
        let values = (0..block.ncols()).map(|column| value(block.get_ref(row, column)));
        let values = Json::Array(values.collect::<Result<_, _>>()?);
        text.extend_from_slice(values.to_string().as_bytes());
    }
    Ok(text)
}

fn value(value: Option<BorrowedValue<'_>>) -> Result<Json, LinkError> {
    let text = |bytes: &[u8]| match str::from_utf8(bytes) {
        Ok(text) => Ok(json!(text)),
        Err(_) => Err(LinkError::Away("a text in the answer is no UTF-8".to_owned())),
    };
    Ok(match value {
        None | Some(BorrowedValue::Null(_)) => Json::Null,
        Some(BorrowedValue::Bool(it)) => json!(it),
        Some(BorrowedValue::TinyInt(it)) => json!(it),
        Some(BorrowedValue::SmallInt(it)) => json!(it),
        Some(BorrowedValue::Int(it)) => json!(it),
        Some(BorrowedValue::BigInt(it)) => json!(it),
        Some(BorrowedValue::UTinyInt(it)) => json!(it),
        Some(BorrowedValue::USmallInt(it)) => json!(it),
        Some(BorrowedValue::UInt(it)) => json!(it),
        Some(BorrowedValue::UBigInt(it)) => json!(it),
        // NaN and infinities are null, as newer adapters write them.
        Some(BorrowedValue::Float(it)) => json!(it.to_string().parse::<f64>().ok()),
        Some(BorrowedValue::Double(it)) => json!(it),
        Some(BorrowedValue::VarChar(it)) => text(it.as_bytes())?,
        Some(BorrowedValue::NChar(it)) => text(it.as_bytes())?,
        Some(BorrowedValue::Json(it)) => text(&it)?,
        Some(BorrowedValue::Timestamp(at)) => moment(at)?,
        Some(
            BorrowedValue::VarBinary(it) | BorrowedValue::Blob(it) | BorrowedValue::MediumBlob(it),
        ) => hex(it),
        Some(BorrowedValue::Decimal(it)) => json!(it.to_string()),
    })
}

/// Bytes, as the adapter writes them.
fn hex(bytes: &[u8]) -> Json {
    json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// RFC 3339 in UTC.
fn moment(at: Timestamp) -> Result<Json, LinkError> {
    let unit = match at {
        Timestamp::Milliseconds(_) => 1_000_000,
        Timestamp::Microseconds(_) => 1_000,
        Timestamp::Nanoseconds(_) => 1,
    };
    let nanos = i128::from(at.as_raw_i64()) * unit;
    match jiff::Timestamp::from_nanosecond(nanos) {
        Ok(at) => Ok(json!(format!("{at:.9}"))),
        Err(_) => Err(LinkError::Away("a time in the answer is out of range".to_owned())),
    }
}
