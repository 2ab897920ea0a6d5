//! Strings in, text out: what templates of dbt projects rely on.

#![allow(clippy::unwrap_used)]

mod conversation;
mod language;
mod messages;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, SourceFile};
use serde_json::json;

use crate::jinja::{
    Cell, Column, Failure, Host, MacroLibrary, NodeSource, RefCall, Relation, RelationKind,
    Renderer, Settings, Table, TableColumn, scan,
};

/// A project of one macro file in package `shop`, and packages beside it.
fn renderer_of(macros: &[(&str, &str)]) -> Renderer {
    let packages = macros
        .iter()
        .map(|(package, text)| {
            let path = format!("{package}/macros/all.sql");
            let (blocks, diagnostics) = scan(&SourceFile::new(path, *text));
            assert_eq!(diagnostics, vec![]);
            ((*package).to_owned(), blocks)
        })
        .collect();
    let (library, diagnostics) = MacroLibrary::new("shop", "duckdb", BTreeMap::new(), packages);
    assert_eq!(diagnostics, vec![]);
    let mut settings = Settings::new("shop", "duckdb");
    settings.target = json!({"name": "dev", "schema": "main", "database": "dev", "type": "duckdb"});
    settings.environment_variables = BTreeMap::from([
        ("DBT_ENV_SECRET_KEY".into(), "hunter2".into()),
        ("REGION".into(), "eu".into()),
    ]);
    settings.run_started_at = "2026-11-22T10:20:30Z".parse().unwrap();
    let variables = json!({"start": "2026-01-01", "flags": [1, 2], "on": true});
    settings.variables =
        BTreeMap::from([("shop".to_owned(), variables.as_object().unwrap().clone())]);
    Renderer::new(Arc::new(library), settings)
}

fn node(text: &str) -> NodeSource {
    let file = SourceFile::new("models/m.sql", text);
    let mut node = NodeSource::file(&file, "shop", "model.shop.m");
    node.this = Some(Relation::new("dev", "main", "m").of_kind(RelationKind::Table));
    node
}

/// A small warehouse.
struct Warehouse;

impl Host for Warehouse {
    fn reference(&self, call: &RefCall) -> Result<Relation, Failure> {
        match call.name.as_str() {
            "gone" => Err(Failure::new("ref('gone') names no model, seed or snapshot")),
            "eph" => Ok(Relation::ephemeral("eph")),
            name => Ok(Relation::new("dev", "main", name)),
        }
    }

    fn source(&self, source: &str, table: &str) -> Result<Relation, Failure> {
        Ok(Relation::new("dev", source, table))
    }

    fn graph(&self) -> serde_json::Value {
        json!({"nodes": {}})
    }

    fn relation(&self, wanted: &Relation) -> Result<Option<Relation>, Failure> {
        let known = wanted.identifier.as_deref() == Some("m");
        Ok(known.then(|| wanted.clone().of_kind(RelationKind::Table)))
    }

    fn columns(&self, _relation: &Relation) -> Result<Vec<Column>, Failure> {
        Ok(vec![Column::new("id", "INTEGER"), Column::new("name", "VARCHAR")])
    }

    fn query(&self, sql: &str) -> Result<Table, Failure> {
        let column = |name: &str, data_type: &str| TableColumn {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
        };
        if sql.trim() != "select status, n from s" {
            return Err(Failure::new(format!("unexpected query {:?}", sql.trim())));
        }
        Ok(Table {
            columns: vec![column("status", "Text"), column("n", "Integer")],
            rows: vec![
                vec![Cell::Text("new".into()), Cell::Integer(3)],
                vec![Cell::Text("paid".into()), Cell::Integer(4)],
            ],
        })
    }
}

fn render_in(macros: &[(&str, &str)], text: &str) -> Result<String, Box<Diagnostic>> {
    renderer_of(macros).render(&node(text), Arc::new(Warehouse)).map(|rendered| rendered.text)
}

fn render(text: &str) -> String {
    match render_in(&[], text) {
        Ok(text) => text,
        Err(diagnostic) => format!("{}: {}", diagnostic.code, diagnostic.message),
    }
}

/// One line of an error: where, and what.
fn shown(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.primary.as_ref().map(|label| label.span.location()).unwrap_or_default();
    let mut text = format!("{} {place} {}", diagnostic.code, diagnostic.message);
    for label in &diagnostic.secondary {
        text.push_str(&format!(" < {} {}", label.span.location(), label.text));
    }
    for help in &diagnostic.help {
        text.push_str(&format!(" | {help}"));
    }
    text
}
