//! From a query to the last row of its answer.

use std::io::Read as _;

use serde_json::json;

use super::{
    arguments::{Arguments, Form, Native, Text},
    list,
    read::{Page, read},
    show::Show,
};
use crate::{
    cli::{
        appliance::{Answer, Appliance, Patience},
        failure::Failure,
        output::{Output, complain, terminal_columns},
    },
    config::Sources,
    env::{Clock as _, SystemClock},
    query::Language,
};

/// The query's file or standard input cannot be read; the operator checks the path.
#[derive(Debug, thiserror::Error)]
#[error("reading the question from {place}")]
struct TextError {
    place: String,
    #[source]
    source: std::io::Error,
}

/// Sends the query, and writes the answer as it arrives.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let form = arguments.shown.form(terminal_columns()).map_err(Failure::Usage)?;
    if arguments.portable.list && matches!(form, Form::Plot { .. }) {
        return Err(Failure::Usage("--list and --plot exclude each other".to_owned()));
    }
    // Errors in the query are reported before the appliance is looked up.
    let native = match &arguments.native {
        None => None,
        Some(native) => Some(request(native, arguments)?),
    };
    let patience = Patience::Silence(arguments.shown.timeout);
    let appliance = arguments.shown.reach.appliance(sources, patience)?;
    let mut show = Show::new(form.clone(), output);
    if arguments.portable.list {
        let listed = match arguments.portable.measurement() {
            "" => list::measurements(&appliance, &mut show),
            measurement => list::one(&appliance, measurement, &mut show),
        };
        show.finish(listed.is_ok())?;
        return listed;
    }
    let last = match native {
        Some(request) => ask_native(&appliance, &request, &mut show),
        None => ask_portable(&appliance, arguments, &form, &mut show),
    };
    // The rows before an error are shown too.
    show.finish(last.is_ok())?;
    if let Some(after) = last?.after {
        complain(format_args!(
            "there are more rows: --after {after} shows what follows, --all everything"
        ));
    }
    Ok(())
}

/// The body of a native query.
fn request(native: &Native, arguments: &Arguments) -> Result<serde_json::Value, Failure> {
    let (language, text) = native.parts();
    if let Some(given) = arguments.portable.given() {
        return Err(Failure::Usage(format!(
            "`{language}` begins a question in that language, which does not go with {given}; \
             the measurement of that name is asked with --measurement {language}"
        )));
    }
    Ok(body(language, &question(text)?, text))
}

fn body(language: Language, question: &str, text: &Text) -> serde_json::Value {
    let params: serde_json::Map<_, _> = text.params.iter().cloned().collect();
    json!({ "language": language.as_str(), "text": question, "params": params })
}

fn question(text: &Text) -> Result<String, Failure> {
    let told = |place: String| |source| Failure::failed(TextError { place, source });
    let question = match (&text.file, text.text.as_deref()) {
        (Some(file), _) => {
            let place = format!("`{}`", file.display());
            read_file(file).map_err(told(place))?
        }
        (None, Some("-")) => {
            let mut question = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut question);
            read.map_err(told("standard input".to_owned()))?;
            question
        }
        (None, text) => text.unwrap_or_default().to_owned(),
    };
    match question.trim().is_empty() {
        true => Err(Failure::Usage("the question is empty".to_owned())),
        false => Ok(question),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the question is the user's own file, read once; nothing of it must survive a crash"
)]
fn read_file(file: &std::path::Path) -> std::io::Result<String> {
    std::fs::read_to_string(file)
}

fn ask_native(
    appliance: &Appliance,
    request: &serde_json::Value,
    show: &mut Show<'_>,
) -> Result<Page, Failure> {
    let answer = appliance.post(&["api", "v1", "query"], request);
    read(answer.and_then(Answer::wanted).map_err(Failure::failed)?, show)
}

/// One page, or all of them; returns the last.
fn ask_portable(
    appliance: &Appliance,
    arguments: &Arguments,
    form: &Form,
    show: &mut Show<'_>,
) -> Result<Page, Failure> {
    let portable = &arguments.portable;
    let path = ["api", "v1", "telemetry", portable.measurement()];
    let parameters = portable.parameters(form, SystemClock::start().wall());
    let mut after = portable.after();
    loop {
        let mut parameters = parameters.clone();
        parameters.extend(after.map(|after| ("after".to_owned(), after)));
        let named: Vec<(&str, String)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let answer = appliance.get(&path, &named);
        let page = read(answer.and_then(Answer::wanted).map_err(Failure::failed)?, show)?;
        if page.after.is_none() || !portable.is_all(form) {
            return Ok(page);
        }
        after = page.after;
    }
}
