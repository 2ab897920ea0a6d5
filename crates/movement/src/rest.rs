//! HTTP services as a source and as a destination: the one client, and what the grammar's small
//! expressions mean.

mod client;
mod deliver;
mod expression;
mod position;

pub(crate) use client::{Answer, Ask, Client};
pub use deliver::{Delivered, Delivery, Destination};
pub use expression::records;
pub(crate) use expression::{
    Cursors, condition_holds, cursor_text, field_text, greatest, next_value, stepped_back,
};
pub(crate) use position::{Pass, RestPosition};
