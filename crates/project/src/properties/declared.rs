//! Resources that exist in YAML alone: exposures, and kinds that are not built yet.

use base::{Diagnostic, Span};
use serde_json::Value as Json;

use super::{Facts, Place, facts};
use crate::node::NodeKind;
use crate::yaml::{Fields, Value};

/// A resource that exists in YAML alone.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) place: Place,
    pub(crate) kind: NodeKind,
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) facts: Facts,
    /// `ref(...)` and `source(...)` expressions it stands on.
    pub(crate) depends_on: Vec<(String, Span)>,
    /// Everything as written.
    pub(crate) written: Json,
}

pub(super) fn read(
    place: &Place,
    kind: NodeKind,
    item: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Declared> {
    let words = kind.word().replace('_', " ");
    let mut fields = Fields::open(item, format!("a {words}"), diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("{words} \"{name}\""));
    let span = fields.value("name").map_or_else(|| item.span.clone(), |name| name.span.clone());
    let mut depends_on = Vec::new();
    for value in fields.list("depends_on") {
        if let Some(text) = value.as_text() {
            depends_on.push((text.to_owned(), value.span.clone()));
        }
    }
    if let Some(model) = fields.value("model")
        && let Some(text) = model.as_text()
    {
        let text = match kind {
            NodeKind::UnitTest => format!("ref('{text}')"),
            NodeKind::Stream
            | NodeKind::Source
            | NodeKind::Seed
            | NodeKind::Model
            | NodeKind::Snapshot
            | NodeKind::Test
            | NodeKind::Analysis
            | NodeKind::Operation
            | NodeKind::Exposure
            | NodeKind::Metric
            | NodeKind::SemanticModel
            | NodeKind::SavedQuery
            | NodeKind::Sync
            | NodeKind::FeatureView
            | NodeKind::Dashboard => text.to_owned(),
        };
        depends_on.push((text, model.span.clone()));
    }
    if kind == NodeKind::UnitTest {
        fields.required("model");
        fields.required("expect");
    }
    let facts = facts(&mut fields);
    let place = place.clone();
    let written = item.to_json();
    if kind == NodeKind::Exposure {
        for accepted in ["type", "url", "maturity", "label"] {
            fields.entry(accepted);
        }
        fields.finish_leniently();
    }
    Some(Declared { place, kind, name, span, facts, depends_on, written })
}
