//! What the user wrote: a folder of YAML, Jinja and SQL text becomes a checked graph of nodes, plus
//! diagnostics. One broken file never hides the others.
//!
//! This crate knows no network, no database and no async code, and reads files through
//! [`base::Files`] alone. Read `transformation` next, which carries the nodes out.
//!
//! ```no_run
//! use base::system::SystemFiles;
//! use project::{ProjectOptions, Selection, open};
//!
//! let opened = open(".".as_ref(), &ProjectOptions::default(), &SystemFiles);
//! for problem in &opened.diagnostics {
//!     eprintln!("{}: {}", problem.code, problem.message);
//! }
//! if let Some(project) = opened.project {
//!     let selection = Selection { select: vec!["+orders".into()], ..Selection::default() };
//!     let nodes = project.graph.select(&selection);
//! }
//! ```

mod assemble;
pub mod codes;
mod compile;
pub mod config;
mod config_tree;
mod content;
pub mod dashboard;
pub mod dbt_version;
mod docs;
pub mod features;
mod folder;
mod generic_test;
pub mod governance;
pub mod graph;
mod host;
pub mod ingest;
mod inject;
pub mod jinja;
pub mod jobs;
pub mod manifest;
mod naming;
pub mod node;
mod options;
mod package;
mod profile;
mod project;
mod project_file;
pub mod promises;
mod properties;
mod python;
mod resolve;
mod selectors;
pub mod semantics;
pub mod settings;
pub mod suggest;
pub mod sync;
mod templates;
mod test_node;
mod unit_test;
pub mod yaml;

pub use compile::{CompileContext, Compiled};
pub use config::{Materialization, NodeConfig};
pub use graph::{Graph, IndirectSelection, RefProblem, Selection};
pub use jinja::RowFilter;
pub use manifest::ManifestFacts;
pub use node::{Node, NodeKind, Owner, Relation};
pub use options::ProjectOptions;
pub use profile::Target;
pub use project::{Opened, Project, open};
pub use semantics::Semantics;
pub use settings::Settings;
pub use test_node::{Test, TestKind, TestSeverity};
pub use unit_test::{FixtureInput, FixtureRows, UnitTest};
