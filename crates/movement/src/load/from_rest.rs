//! Pages into batches. A batch may end behind any page whose cursor can be asked again; a pass
//! that cannot be resumed is published whole, or upserted again from its start.

mod changes;
mod pages;

use std::sync::Arc;

use base::Position;
use project::ingest::{
    Condition, Connection, CursorFormat, Deletes, Incremental, NextPage, Paginate, Request,
    RestStream,
};
use serde_json::Value;

use self::pages::{following, page_ask, token};
use super::Load;
use super::batch::Batch;
use super::drift::Judgement;
use crate::MovementError;
use crate::decode::{Chunk, Decoded, Layout, decode};
use crate::rest::{
    Answer, Ask, Client, Cursors, Pass, RestPosition, condition_holds, cursor_text, field_text,
    greatest, records, stepped_back,
};
use crate::schema::StreamSchema;

/// Pages of one pass; more than that is a vendor that gives the same page for ever.
const PAGES_MAX: u64 = 1_000_000;
/// Times a pass begins anew because later pages showed other columns or types.
const RESTARTS_MAX: u32 = 16;

/// One endpoint as it is read in a pass.
struct Feed<'s> {
    request: &'s Request,
    records: &'s str,
    paginate: Option<&'s Paginate>,
    incremental: Option<&'s Incremental>,
    /// Where the row lies in a record.
    row: Option<&'s str>,
    deleted: Option<&'s Condition>,
}

/// Whether more is read after a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stretch {
    Earlier,
    Last,
}

struct RestLoad<'l, 'a> {
    load: &'l mut Load<'a>,
    stream: &'l RestStream,
    client: Client,
    position: RestPosition,
    origin: Arc<str>,
    /// Records read so far in this load.
    number: u64,
    /// Whether the rows under way must be read again, under a schema that grew.
    again: bool,
    restarts: u32,
}

pub(super) async fn run(load: &mut Load<'_>, stream: &RestStream) -> Result<(), MovementError> {
    let Connection::Rest(connection) = &load.source.connection else {
        let reason = format!("stream \"{}\" reads an endpoint, its connection has none", load.name);
        return Err(MovementError::Settings { reason });
    };
    let position = match &load.position {
        Some(position) => position.decode().map_err(|error| MovementError::PositionUnreadable {
            reason: format!("it was written by another kind of source: {error}"),
        })?,
        None => RestPosition::new(),
    };
    let client = Client::new(connection, load.context.clocks.clone(), load.context.cancel.clone())?;
    let origin = Arc::from(stream.request.path.as_str());
    let mut rest =
        RestLoad { load, stream, client, position, origin, number: 0, again: false, restarts: 0 };
    rest.run().await
}

impl<'l> RestLoad<'l, '_> {
    async fn run(&mut self) -> Result<(), MovementError> {
        let stream = self.stream;
        let list = Feed {
            request: &stream.request,
            records: &stream.records,
            paginate: stream.paginate.as_ref(),
            incremental: stream.incremental.as_ref(),
            row: None,
            deleted: match &stream.deletes {
                Some(Deletes::When(condition)) => Some(condition),
                Some(Deletes::Endpoint { .. } | Deletes::Missing) | None => None,
            },
        };
        match &stream.changes {
            None => self.list(&list, Stretch::Last).await,
            Some(changes) => {
                if !self.position.listed {
                    self.note_tip(changes).await?;
                    self.list(&list, Stretch::Earlier).await?;
                }
                self.follow(changes).await
            }
        }
    }

    fn now(&self) -> String {
        let now = self.load.context.clocks.business.now();
        now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    fn cursors(&self, incremental: Option<&Incremental>) -> Cursors {
        let mut cursors = Cursors { start: None, end: self.now() };
        if let Some(Incremental::Field { format, start, look_back, .. }) = incremental {
            let known = self.position.cursor.as_deref();
            let known = known.map(|cursor| stepped_back(cursor, *look_back));
            let start = known.or_else(|| start.clone());
            cursors.start = start.map(|start| cursor_text(&start, format));
            if *format != CursorFormat::Verbatim {
                cursors.end = cursor_text(&cursors.end, format);
            }
        }
        cursors
    }

    fn ask(&self, request: &Request, cursors: &Cursors) -> Ask {
        let params = request.params.iter().map(|(name, text)| (name.clone(), cursors.fill(text)));
        Ask {
            method: request.method,
            path: cursors.fill(&request.path),
            params: params.collect(),
            headers: request.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
            body: request.body.clone(),
        }
    }

    /// The first request of a pass, the cursor in it.
    fn first_ask(&self, feed: &Feed<'_>, pass: &Pass) -> Ask {
        let cursors = self.cursors(feed.incremental);
        let mut ask = self.ask(feed.request, &cursors);
        match feed.incremental {
            Some(Incremental::Field { param: Some(param), .. }) => {
                ask.params.extend(cursors.start.map(|start| (param.clone(), start)));
            }
            Some(Incremental::Opaque { first }) if pass.page.is_none() => {
                ask.params.extend(first.iter().cloned());
            }
            Some(Incremental::Field { .. } | Incremental::Opaque { .. }) | None => {}
        }
        if let Some(Paginate { next: NextPage::Offset { size, size_param, .. }, .. }) =
            feed.paginate
        {
            ask.params.extend(size_param.iter().map(|name| (name.clone(), size.to_string())));
        }
        if let Some(Paginate {
            next: NextPage::Page { size: Some(size), size_param, .. }, ..
        }) = feed.paginate
        {
            ask.params.extend(size_param.iter().map(|name| (name.clone(), size.to_string())));
        }
        ask
    }

    /// Reads the list, from where the last load stopped.
    async fn list(&mut self, feed: &Feed<'_>, stretch: Stretch) -> Result<(), MovementError> {
        loop {
            self.pass(feed, stretch).await?;
            if !std::mem::take(&mut self.again) {
                return Ok(());
            }
        }
    }

    async fn pass(&mut self, feed: &Feed<'_>, stretch: Stretch) -> Result<(), MovementError> {
        let keyed = !self.load.stream.primary_key.is_empty();
        let whole = feed.incremental.is_none() && self.stream.changes.is_none();
        let replace = whole && (!keyed || self.stream.deletes == Some(Deletes::Missing));
        let opaque = matches!(feed.incremental, Some(Incremental::Opaque { .. }));
        let resumable = !replace
            && feed.paginate.is_some_and(|paginate| {
                matches!(paginate.next, NextPage::Cursor { .. } | NextPage::Url(_))
            });
        let mut pass = self.position.pass.clone().filter(|_| resumable).unwrap_or_default();
        if opaque && pass.page.is_none() {
            pass.page.clone_from(&self.position.cursor);
        }
        let since = self.cursors(feed.incremental).start;
        let first = self.first_ask(feed, &pass);
        let mut batch = if replace { Batch::replacing(self.load) } else { Batch::new(self.load) };
        let mut next = pass.page.clone();
        for page in 0..PAGES_MAX {
            self.load.check_cancelled()?;
            let ask = page_ask(&first, feed.paginate, next.as_deref());
            let Some(answer) = self.client.ask(&ask).await? else { break };
            let found = records(feed.records, &answer.body).map_err(|why| answer.unusable(why))?;
            let following = following(feed, &answer, &found, page, next.as_deref())?;
            self.note_high(feed, &found, &mut pass);
            self.take_page(&mut batch, feed, &answer, &found, resumable).await?;
            if self.again {
                return Ok(());
            }
            if opaque {
                let token = feed.paginate.map(|paginate| token(paginate, &answer, &found));
                pass.page = token.transpose()?.flatten().or(pass.page);
            } else if resumable {
                pass.page.clone_from(&following);
            }
            if following.is_none() {
                break;
            }
            if following == next {
                return Err(answer.unusable("the next page is the same page".to_owned()));
            }
            if batch.is_full(self.load) && !replace {
                let mut position = self.position.clone();
                position.pass = resumable.then(|| pass.clone());
                if opaque {
                    position.cursor.clone_from(&pass.page);
                    position.pass = None;
                }
                let passed_over = resumable || keyed;
                if passed_over {
                    self.publish(&mut batch, position).await?;
                }
            }
            next = following;
        }
        self.delete_listed(&mut batch, since).await?;
        if self.again {
            return Ok(());
        }
        let mut position = self.position.clone();
        position.pass = None;
        position.listed = true;
        if opaque {
            position.cursor = pass.page.or(position.cursor);
        } else if let Some(high) = pass.high {
            position.cursor = Some(greatest(position.cursor.take(), high));
        }
        if self.stream.changes.is_none() {
            position.read_at = Some(self.now());
        }
        self.load.ends_attempt = stretch == Stretch::Last;
        self.publish(&mut batch, position).await
    }

    fn note_high(&self, feed: &Feed<'_>, found: &[&Value], pass: &mut Pass) {
        let Some(Incremental::Field { field, .. }) = feed.incremental else { return };
        for value in found.iter().filter_map(|record| field_text(field, record)) {
            pass.high = Some(greatest(pass.high.take(), value));
        }
    }

    /// Takes the records of a page: rows, and keys of rows that are gone, in their order.
    async fn take_page(
        &mut self,
        batch: &mut Batch,
        feed: &Feed<'_>,
        answer: &Answer,
        found: &[&Value],
        may_publish: bool,
    ) -> Result<(), MovementError> {
        let mut run: Vec<&Value> = Vec::new();
        let mut deleting = false;
        for record in found {
            if self.again {
                return Ok(());
            }
            let gone = match feed.deleted {
                Some(condition) => {
                    condition_holds(condition, record).map_err(|why| answer.unusable(why))?
                }
                None => false,
            };
            if gone != deleting {
                self.take_run(batch, std::mem::take(&mut run), deleting, may_publish).await?;
                deleting = gone;
            }
            let row = match feed.row {
                Some(path) => records(path, record).map_err(|why| answer.unusable(why))?,
                None => vec![*record],
            };
            run.extend(row.first());
        }
        self.take_run(batch, run, deleting, may_publish).await
    }

    async fn take_run(
        &mut self,
        batch: &mut Batch,
        run: Vec<&Value>,
        deleting: bool,
        may_publish: bool,
    ) -> Result<(), MovementError> {
        if run.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for record in &run {
            serde_json::to_writer(&mut bytes, record)
                .map_err(|error| MovementError::Internal(error.to_string()))?;
            bytes.push(b'\n');
        }
        batch.bytes += bytes.len() as u64;
        self.load.progress.bytes += bytes.len() as u64;
        let chunk = Chunk {
            origin: Arc::clone(&self.origin),
            bytes,
            layout: Layout::Ndjson { first_line: self.number + 1 },
            constants: Arc::default(),
            broken: Vec::new(),
            truncated: false,
        };
        self.number += run.len() as u64;
        self.load.progress.read += run.len() as u64;
        let decoded = self.decode(&chunk, batch, may_publish).await?;
        if self.again {
            return Ok(());
        }
        self.load.progress.rejected += decoded.rejects.len() as u64;
        self.load.tell_progress();
        if !deleting {
            return batch.take(self.load, decoded).await;
        }
        let keys = self.keys(&decoded)?;
        for reject in decoded.rejects {
            batch.take_reject(self.load, reject).await?;
        }
        batch.delete(self.load, keys).await
    }

    fn keys(&self, decoded: &Decoded) -> Result<arrow::record_batch::RecordBatch, MovementError> {
        let schema = decoded.rows.schema();
        let mut places = Vec::new();
        for key in &self.load.stream.primary_key {
            places.push(schema.index_of(key)?);
        }
        Ok(decoded.rows.project(&places)?)
    }

    /// Decodes records; new columns and wider types are taken over by the stream's policy.
    async fn decode(
        &mut self,
        chunk: &Chunk,
        batch: &mut Batch,
        may_publish: bool,
    ) -> Result<Decoded, MovementError> {
        let mut decoded = decode(chunk, &self.load.schema, &self.load.rules);
        if decoded.drift.is_empty() {
            return Ok(decoded);
        }
        self.load.propose_renames(&decoded).await?;
        while let Judgement::Evolve { schema, .. } = self.load.judge(&decoded.drift)? {
            if batch.has_rows() {
                let open = self.load.rules.first || !may_publish;
                if open && self.restarts < RESTARTS_MAX {
                    // Nothing of the batch is published: it is read again with all it needs.
                    self.restarts += 1;
                    self.again = true;
                } else if batch.replaces() {
                    let reason = format!(
                        "records of stream \"{}\" change their columns or types from page to \
                         page; declare them under \"columns:\"",
                        self.load.name
                    );
                    return Err(MovementError::Settings { reason });
                } else {
                    // What was read so far keeps its position: it is read again at worst.
                    self.publish(batch, self.position.clone()).await?;
                    decoded = decode(chunk, &self.load.schema, &self.load.rules);
                    continue;
                }
            }
            let schema: StreamSchema = schema.committed_as(&self.load.schema);
            self.load.schema = Arc::new(schema);
            if self.again {
                return Ok(decoded);
            }
            decoded = decode(chunk, &self.load.schema, &self.load.rules);
        }
        Ok(decoded)
    }

    async fn publish(
        &mut self,
        batch: &mut Batch,
        position: RestPosition,
    ) -> Result<(), MovementError> {
        let encoded = Position::encode(&position)
            .map_err(|error| MovementError::Internal(error.to_string()))?;
        let full = std::mem::replace(batch, Batch::new(self.load));
        self.load.commit(full, Some(encoded)).await?;
        self.position = position;
        Ok(())
    }

    /// Asks the endpoint that lists what was deleted since the cursor.
    async fn delete_listed(
        &mut self,
        batch: &mut Batch,
        since: Option<String>,
    ) -> Result<(), MovementError> {
        let stream = self.stream;
        let Some(Deletes::Endpoint { request, records: path, paginate, key }) = &stream.deletes
        else {
            return Ok(());
        };
        // Before the first load nothing was here that could be deleted.
        if self.position.cursor.is_none() {
            return Ok(());
        }
        let mut cursors = self.cursors(stream.incremental.as_ref());
        cursors.start = since.or(cursors.start);
        let first = self.ask(request, &cursors);
        let feed = Feed {
            request,
            records: path,
            paginate: paginate.as_ref(),
            incremental: None,
            row: None,
            deleted: None,
        };
        let mut next: Option<String> = None;
        for page in 0..PAGES_MAX {
            let ask = page_ask(&first, feed.paginate, next.as_deref());
            let Some(answer) = self.client.ask(&ask).await? else { return Ok(()) };
            let found = records(path, &answer.body).map_err(|why| answer.unusable(why))?;
            let mut keys = Vec::new();
            for record in &found {
                let mut row = serde_json::Map::new();
                for (column, path) in key {
                    let value = records(path, record).map_err(|why| answer.unusable(why))?;
                    let value = value.first().map_or(Value::Null, |value| (*value).clone());
                    row.insert(column.clone(), value);
                }
                keys.push(Value::Object(row));
            }
            self.take_run(batch, keys.iter().collect(), true, true).await?;
            if self.again {
                return Ok(());
            }
            let following = following(&feed, &answer, &found, page, next.as_deref())?;
            if following.is_none() || following == next {
                return Ok(());
            }
            next = following;
        }
        Ok(())
    }
}
