//! dbt's Jinja on plain `minijinja`: blocks are cut out of files by a scanner, every macro is a
//! template of its own, compiled when first called, and every macro call gets a fresh state.
//!
//! The way through this module: [`scan`] finds the blocks of a file; [`MacroLibrary`] holds the
//! macros of all packages, the built-in ones included; a [`Renderer`] renders a [`NodeSource`]
//! once for the parser ([`Renderer::parse`]: which `config`, `ref`, `source` and `var` does it
//! call) and once for the run ([`Renderer::render`]: the SQL), asking a [`Host`] for everything
//! that lies outside the template. No template reaches a file, the network or a process.

mod adapter;
mod agate;
mod arguments;
mod balance;
mod block;
mod builtin;
mod call;
mod collections;
mod column;
mod column_object;
mod context;
mod datetime;
mod datetime_classes;
mod diagnose;
mod engine;
mod format;
mod functions;
mod host;
mod itertools;
mod json_text;
mod library;
mod marks;
mod md5;
mod modules;
mod names;
mod native;
mod objects;
mod relation;
mod render;
mod rewrite;
mod signal;
mod table;
#[cfg(test)]
mod tests;
mod timedelta;
mod unit;
mod value;

pub use block::{Block, BlockKind, Parameter, scan};
pub use column::Column;
pub use host::{AdapterCall, Failure, Host, NoHost, RefCall};
pub use library::{GLOBAL_PACKAGE, Macro, MacroLibrary};
pub use relation::{Parts, Relation, RelationKind, RowFilter};
pub use render::{
    ConfigCall, NodeSource, Parsed, Rendered, Renderer, Settings, SourceCall, SourceMap, TestCall,
    VarCall,
};
pub use table::{Cell, Table, TableColumn};
