//! The fifth layer: metrics, dashboards, activation (rows sent to the tools of other teams) and
//! features for models.
//!
//! Read `server` next, which opens the doors to them.
