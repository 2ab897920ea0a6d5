//! The doors: web UI, HTTP API and the PostgreSQL wire protocol. This crate decides nothing: every
//! answer comes from a lower floor, and every route declares the permission it needs.
