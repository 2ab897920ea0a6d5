//! The SQL door, asked by the clients that people use.

mod clients;
mod door;
mod ends;
mod log_in;
mod page;
mod protocol;
mod psql;
