//! The feed that is followed once the whole list was read.

use project::ingest::{Changes, FeedOrder, Incremental};
use serde_json::Value;

use super::pages::{following, page_ask};
use super::{Feed, PAGES_MAX, RestLoad, Stretch};
use crate::MovementError;
use crate::load::batch::Batch;
use crate::rest::{Pass, field_text, greatest, records};

/// Events of a feed that gives its newest first; they are turned round in memory.
const FEED_EVENTS_MAX: usize = 1_000_000;

impl RestLoad<'_, '_> {
    /// Notes where the feed of changes stands before the list is read.
    pub(super) async fn note_tip(&mut self, changes: &Changes) -> Result<(), MovementError> {
        let Incremental::Field { field, .. } = &changes.incremental else { return Ok(()) };
        if self.position.pass.is_some() || changes.order == FeedOrder::Asc {
            // A feed that gives its oldest first is read from its beginning after the list.
            return Ok(());
        }
        let ask = self.ask(&changes.request, &self.cursors(None));
        let Some(answer) = self.client.ask(&ask).await? else { return Ok(()) };
        let events = records(&changes.records, &answer.body).map_err(|why| answer.unusable(why))?;
        let newest = events.iter().filter_map(|event| field_text(field, event));
        self.position.cursor = newest.fold(None, |known, new| Some(greatest(known, new)));
        self.position.read_at = Some(self.now());
        Ok(())
    }

    /// Reads the feed of changes behind its cursor.
    pub(super) async fn follow(&mut self, changes: &Changes) -> Result<(), MovementError> {
        self.check_retention(changes)?;
        let feed = Feed {
            request: &changes.request,
            records: &changes.records,
            paginate: changes.paginate.as_ref(),
            incremental: Some(&changes.incremental),
            row: changes.record.as_deref(),
            deleted: changes.deletes.as_ref(),
        };
        if changes.order == FeedOrder::Asc {
            return self.list(&feed, Stretch::Last).await;
        }
        // Newest first: all events since the cursor are turned round, so that the last one wins.
        let (mut pass, mut events) = (Pass::default(), Vec::new());
        let first = self.first_ask(&feed, &pass);
        let mut next: Option<String> = None;
        let mut last_answer = None;
        for page in 0..PAGES_MAX {
            self.load.check_cancelled()?;
            let ask = page_ask(&first, feed.paginate, next.as_deref());
            let Some(answer) = self.client.ask(&ask).await? else { break };
            let found = records(feed.records, &answer.body).map_err(|why| answer.unusable(why))?;
            self.note_high(&feed, &found, &mut pass);
            events.extend(found.iter().map(|event| (*event).clone()));
            if events.len() > FEED_EVENTS_MAX {
                return Err(answer.unusable(format!("more than {FEED_EVENTS_MAX} new events")));
            }
            let following = following(&feed, &answer, &found, page, next.as_deref())?;
            let ended = following.is_none() || following == next;
            last_answer = Some(answer);
            if ended {
                break;
            }
            next = following;
        }
        events.reverse();
        let mut batch = Batch::new(self.load);
        if let Some(answer) = last_answer {
            let found: Vec<&Value> = events.iter().collect();
            self.take_page(&mut batch, &feed, &answer, &found, true).await?;
            while std::mem::take(&mut self.again) {
                batch = Batch::new(self.load);
                self.take_page(&mut batch, &feed, &answer, &found, true).await?;
            }
        }
        let mut position = self.position.clone();
        if let Some(high) = pass.high {
            position.cursor = Some(greatest(position.cursor.take(), high));
        }
        position.read_at = Some(self.now());
        self.load.ends_attempt = true;
        self.publish(&mut batch, position).await
    }

    fn check_retention(&self, changes: &Changes) -> Result<(), MovementError> {
        let Some(retention) = changes.retention else { return Ok(()) };
        let read_at = self.position.read_at.as_deref();
        let read_at = read_at.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
        let Some(read_at) = read_at else { return Ok(()) };
        let age = self.load.context.clocks.business.now().signed_duration_since(read_at);
        if age.to_std().is_ok_and(|age| age > retention) {
            let reason = format!(
                "its feed was last read at {read_at}, and the vendor keeps events for {} days",
                retention.as_secs() / 86_400
            );
            return Err(MovementError::SourceLost { stream: self.load.name.clone(), reason });
        }
        Ok(())
    }
}
