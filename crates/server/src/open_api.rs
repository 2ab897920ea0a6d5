//! The API described for programs that make clients, from the one list of routes.

use axum::Json;
use serde_json::{Map, Value, json};

use crate::{Needs, RouteInfo, routes};

pub(crate) async fn document() -> Json<Value> {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes().list().filter(|route| route.path.starts_with("/api/")) {
        let method = route.method.as_str().to_ascii_lowercase();
        let path = route.path.replace("{*", "{");
        let known = paths.entry(path).or_insert_with(|| json!({}));
        known[method] = operation(&route);
    }
    Json(json!({
        "openapi": "3.1.0",
        "info": {"title": "fiveply", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "password": {"type": "http", "scheme": "basic"},
        }},
    }))
}

fn operation(route: &RouteInfo) -> Value {
    let parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let name = name.trim_start_matches('*');
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect();
    let security = match route.needs {
        Needs::Open => json!([]),
        Needs::Permission(_) => json!([{"token": []}, {"password": []}]),
    };
    let needs = match route.needs {
        Needs::Open => "nothing".to_owned(),
        Needs::Permission(permission) => permission.to_string(),
    };
    json!({
        "summary": route.about,
        "description": format!("Needs: {needs}."),
        "parameters": parameters,
        "security": security,
        "responses": {"200": {"description": "as asked"}, "default": {
            "description": "why not",
            "content": {"application/json": {"schema": {"type": "object", "properties": {
                "error": {"type": "object", "properties": {
                    "kind": {"type": "string"},
                    "message": {"type": "string"},
                    "help": {"type": "string"},
                }},
            }}}},
        }},
    })
}
