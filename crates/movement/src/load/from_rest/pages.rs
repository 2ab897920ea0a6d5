//! From one page of a list to the next.

use project::ingest::{NextPage, Paginate};
use serde_json::Value;

use super::Feed;
use crate::MovementError;
use crate::rest::{Answer, Ask, condition_holds, next_value};

/// The request for a page; the first one is asked without a value.
pub(super) fn page_ask(first: &Ask, paginate: Option<&Paginate>, next: Option<&str>) -> Ask {
    let mut ask = first.clone();
    let Some(paginate) = paginate else { return ask };
    match (&paginate.next, next) {
        (NextPage::Url(_), Some(address)) => {
            ask.path = join(first, address);
            ask.params.clear();
        }
        (NextPage::Page { param, first, .. }, None) => {
            ask.params.push((param.clone(), first.to_string()));
        }
        (
            NextPage::Cursor { param, .. }
            | NextPage::Offset { param, .. }
            | NextPage::Page { param, .. },
            Some(value),
        ) => {
            ask.params.retain(|(name, _)| name != param);
            ask.params.push((param.clone(), value.to_owned()));
        }
        (NextPage::Url(_) | NextPage::Cursor { .. } | NextPage::Offset { .. }, None) => {}
    }
    ask
}

/// The value that asks for the next page; none behind the last one.
pub(super) fn following(
    feed: &Feed<'_>,
    answer: &Answer,
    found: &[&Value],
    page: u64,
    next: Option<&str>,
) -> Result<Option<String>, MovementError> {
    let Some(paginate) = feed.paginate else { return Ok(None) };
    if let Some(stop) = &paginate.stop
        && condition_holds(stop, &answer.body).map_err(|why| answer.unusable(why))?
    {
        return Ok(None);
    }
    let count = found.len() as u64;
    match &paginate.next {
        NextPage::Url(_) => token(paginate, answer, found),
        // Without a stop rule an empty page is the last one.
        NextPage::Cursor { .. } if found.is_empty() && paginate.stop.is_none() => Ok(None),
        NextPage::Cursor { .. } => token(paginate, answer, found),
        NextPage::Offset { size, .. } if count < *size => Ok(None),
        NextPage::Offset { .. } => {
            let before: u64 = next.and_then(|next| next.parse().ok()).unwrap_or(0);
            Ok(Some((before + count).to_string()))
        }
        NextPage::Page { size, .. } if count < size.unwrap_or(1) => Ok(None),
        NextPage::Page { first, .. } => Ok(Some((first + page + 1).to_string())),
    }
}

/// The value that a page gives for the next one, when it gives one.
pub(super) fn token(
    paginate: &Paginate,
    answer: &Answer,
    found: &[&Value],
) -> Result<Option<String>, MovementError> {
    match &paginate.next {
        NextPage::Url(from) | NextPage::Cursor { from, .. } => {
            next_value(from, answer, found).map_err(|why| answer.unusable(why))
        }
        NextPage::Offset { .. } | NextPage::Page { .. } => Ok(None),
    }
}

/// The address of a next page: absolute, from the host's root, or beside the first page.
fn join(first: &Ask, address: &str) -> String {
    if address.starts_with("http://") || address.starts_with("https://") || address.starts_with('/')
    {
        return address.to_owned();
    }
    match address.starts_with('?') {
        true => format!("{}{address}", first.path),
        false => {
            let folder = first.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{address}")
        }
    }
}
