//! A synthetic company to try things on: ninety days of a B2B SaaS business as files, three vendors
//! behind HTTP servers on loopback, and a project folder that loads and models them.
//!
//! It never loads, models or asks the lake for anything; it only plays the world outside. The play
//! is known from seed and scale alone, so any moment of it can be shown at any time: a play in
//! steps leaves the same files as one in a single call, and vendors need no database. `movement`
//! reads what is made here; `fiveply` runs the play.
//!
//! ```
//! let dir = std::env::temp_dir().join(format!("fiveply-demo-doc-{}", std::process::id()));
//! let options = demo::DemoOptions { scale: 0.001, ..demo::DemoOptions::new(&dir) };
//! let generated = demo::generate(&options, &|_| {})?;
//! assert!(generated.rows["app.usage"] >= 1_000);
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calendar;
mod company;
mod customers;
mod draw;
mod drops;
mod error;
mod incident;
mod line;
mod play;
mod sales;
mod schedule;
mod support;
mod template;
mod truth;
mod vendors;
mod words;
mod world;

pub use calendar::{DAYS, end, start};
pub use company::Company;
pub use error::DemoError;
pub use incident::Incident;
pub use play::{DemoOptions, Generated, Progress, generate};
pub use schedule::{Action, Moment, schedule};
pub use truth::{Planted, TRUTH_FILE, Truth};
pub use vendors::Vendors;
