//! HTTP services as a source: the one client, and what the grammar's small expressions mean.

mod client;
mod expression;
mod position;

pub(crate) use client::{Answer, Ask, Client};
pub(crate) use expression::{
    Cursors, condition_holds, cursor_text, field_text, greatest, next_value, records, stepped_back,
};
pub(crate) use position::{Pass, RestPosition};
