//! The macros every project has: dbt's own names, written anew in dbt's form.

use std::sync::LazyLock;

use base::SourceFile;

use crate::jinja::{Block, scan};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("builtin/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "names.sql",
    "statements.sql",
    "relations.sql",
    "strategies.sql",
    "tests.sql",
    "dates.sql",
    "text.sql",
    "types.sql",
];

/// The blocks of the built-in macros.
pub(crate) fn blocks() -> Vec<Block> {
    static BLOCKS: LazyLock<Vec<Block>> = LazyLock::new(|| {
        let blocks = FILES.iter().flat_map(|(name, text)| {
            scan(&SourceFile::new(format!("fiveply/macros/{name}"), *text)).0
        });
        blocks.collect()
    });
    BLOCKS.clone()
}
