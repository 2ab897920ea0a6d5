//! `semantic_manifest.json`: what MetricFlow and tools beside it read of a project's metrics. Both
//! ways of writing metrics come out in the one with measures, which every version of it reads.

use std::collections::BTreeMap;

use base::NodeId;
use serde_json::{Map, Value as Json, json};

use crate::node::{Node, NodeKind};
use crate::project::Project;
use crate::semantics::{
    Aggregation, Calculation, Dimension, DimensionKind, Filter, Metric, MetricInput, MetricKind,
    PeriodAggregation, SavedQuery, SemanticModel, Validity, Window,
};

impl Project {
    /// The semantic manifest.
    pub fn semantic_manifest(&self) -> Json {
        let semantics = &self.semantics;
        let models: Vec<Json> =
            semantics.models.iter().map(|model| self.semantic_model(model)).collect();
        let metrics: Vec<Json> =
            semantics.metrics.values().map(|metric| self.semantic_metric(metric)).collect();
        let saved: Vec<Json> =
            semantics.saved_queries.values().map(|query| self.saved_query(query)).collect();
        let spines: Vec<Json> = semantics
            .time_spines
            .iter()
            .map(|spine| {
                json!({
                    "node_relation": spine.model.as_ref().map(|id| self.node_relation(id)),
                    "primary_column": {
                        "name": spine.column, "time_granularity": spine.grain.word(),
                    },
                    "custom_granularities": [],
                })
            })
            .collect();
        json!({
            "semantic_models": models,
            "metrics": metrics,
            "project_configuration": {
                "time_spine_table_configurations": [],
                "metadata": null,
                "dsi_package_version": {
                    "major_version": "0", "minor_version": "213", "patch_version": "0",
                },
                "time_spines": spines,
            },
            "saved_queries": saved,
        })
    }

    /// The parts of a manifest's node that MetricFlow reads, in its shape.
    pub(super) fn as_metricflow_reads(&self, node: &Node, fields: &mut Map<String, Json>) {
        let semantics = &self.semantics;
        let (shape, keys): (Json, &[&str]) = match node.kind {
            NodeKind::Metric => match semantics.metrics.get(&node.name) {
                Some(metric) => (self.semantic_metric(metric), METRIC_KEYS),
                None => return,
            },
            NodeKind::SemanticModel => match semantics.model(&node.name) {
                Some(model) => (self.semantic_model(model), SEMANTIC_MODEL_KEYS),
                None => return,
            },
            NodeKind::SavedQuery => match semantics.saved_queries.get(&node.name) {
                Some(query) => (self.saved_query(query), SAVED_QUERY_KEYS),
                None => return,
            },
            _ => return,
        };
        for key in keys {
            let Some(value) = shape.get(*key) else { continue };
            let mut value = value.clone();
            // Readers of version 12 that check its keys know neither of these.
            let unknown = match *key {
                "dimensions" => "datatype",
                "entities" | "measures" => "metadata",
                _ => "",
            };
            let each = value.as_array_mut().into_iter().flatten();
            each.filter_map(Json::as_object_mut).for_each(|one| {
                one.remove(unknown);
            });
            fields.insert((*key).to_owned(), value);
        }
    }

    fn node_relation(&self, id: &NodeId) -> Json {
        let relation = self.graph.node(id).and_then(|node| node.relation.as_ref());
        json!({
            "alias": relation.map(|place| &place.identifier),
            "schema_name": relation.map(|place| &place.schema),
            "database": relation.map(|place| &place.database),
            "relation_name": relation.map(ToString::to_string),
        })
    }

    fn semantic_model(&self, model: &SemanticModel) -> Json {
        let entities: Vec<Json> = model
            .entities
            .iter()
            .map(|entity| {
                json!({
                    "name": entity.name, "description": words(&entity.description),
                    "type": entity.kind.word(), "role": null, "expr": entity.expr,
                    "metadata": null, "label": null, "config": {"meta": {}},
                })
            })
            .collect();
        let dimensions: Vec<Json> = model.dimensions.iter().map(dimension).collect();
        let time = model.time_dimension.as_ref();
        let defaults = time.map(|name| json!({"agg_time_dimension": name}));
        json!({
            "name": model.name,
            "defaults": defaults,
            "description": words(&model.description),
            "node_relation": model.model.as_ref().map(|id| self.node_relation(id)),
            "primary_entity": model.primary_entity,
            "entities": entities,
            "measures": self.measures(model),
            "dimensions": dimensions,
            "label": null,
            "metadata": null,
            "config": {"meta": {}},
        })
    }

    /// Measures as they are written, and those that metrics of the newer spec stand for.
    fn measures(&self, model: &SemanticModel) -> Vec<Json> {
        let mut found: BTreeMap<String, Json> = BTreeMap::new();
        let mut names = Vec::new();
        let written = self.graph.node(&model.id).and_then(|node| node.declaration.as_ref());
        let written = written.and_then(|it| it.get("measures")).and_then(Json::as_array);
        for measure in written.into_iter().flatten() {
            let Some(name) = measure.get("name").and_then(Json::as_str) else { continue };
            let plain = |key: &str| measure.get(key).cloned().unwrap_or_default();
            names.push(name.to_owned());
            let agg = plain("agg").as_str().map(str::to_lowercase);
            found.insert(
                name.to_owned(),
                json!({
                    "name": name, "agg": agg, "description": plain("description"),
                    "create_metric": plain("create_metric").as_bool().unwrap_or(false),
                    "expr": plain("expr"), "agg_params": plain("agg_params"), "metadata": null,
                    "non_additive_dimension": plain("non_additive_dimension"),
                    "agg_time_dimension": plain("agg_time_dimension"), "label": plain("label"),
                    "config": {"meta": {}},
                }),
            );
        }
        let metrics = self.semantics.metrics.values();
        for one in metrics.flat_map(|metric| metric.kind.aggregations()) {
            if one.model == model.name && !found.contains_key(&one.name) {
                names.push(one.name.clone());
                found.insert(one.name.clone(), measure(one));
            }
        }
        names.iter().filter_map(|name| found.remove(name)).collect()
    }

    fn semantic_metric(&self, metric: &Metric) -> Json {
        let mut parameters: Map<String, Json> =
            PARAMETERS.iter().map(|name| ((*name).to_owned(), Json::Null)).collect();
        let mut set = |name: &str, value: Json| {
            parameters.insert(name.to_owned(), value);
        };
        set("metrics", json!([]));
        set("join_to_timespine", json!(false));
        match &metric.kind {
            MetricKind::Simple(one) => set("measure", input_measure(one)),
            MetricKind::Ratio { numerator, denominator } => {
                set("numerator", input_metric(numerator));
                set("denominator", input_metric(denominator));
            }
            MetricKind::Derived { expr, inputs } => {
                set("expr", expr.as_str().into());
                set("metrics", inputs.iter().map(input_metric).collect());
            }
            MetricKind::Cumulative { aggregation, window: back, grain_to_date, period } => {
                set("measure", input_measure(aggregation));
                set(
                    "cumulative_type_params",
                    json!({
                        "window": back.map(window),
                        "grain_to_date": grain_to_date.map(|grain| grain.word()),
                        "period_agg": period_word(*period),
                        "metric": null,
                    }),
                );
            }
            MetricKind::Conversion(both) => set(
                "conversion_type_params",
                json!({
                    "base_measure": input_measure(&both.base),
                    "conversion_measure": input_measure(&both.conversion),
                    "entity": both.entity,
                    "calculation": match both.calculation {
                        Calculation::Conversions => "conversions",
                        Calculation::ConversionRate => "conversion_rate",
                    },
                    "window": both.window.map(window),
                    "constant_properties": both.constants.iter().map(|(base, conversion)| {
                        json!({"base_property": base, "conversion_property": conversion})
                    }).collect::<Vec<_>>(),
                }),
            ),
        }
        let mut inputs = Vec::new();
        self.measures_of(metric, &mut inputs, 0);
        parameters.insert("input_measures".to_owned(), inputs.into());
        json!({
            "name": metric.name,
            "description": metric.description,
            "type": metric.kind.word(),
            "datatype": null,
            "type_params": parameters,
            "filter": filter(&metric.filters),
            "metadata": null,
            "label": metric.label,
            "config": {"meta": metric.meta},
            "time_granularity": metric.time_grain.map(|grain| grain.word()),
        })
    }

    fn saved_query(&self, query: &SavedQuery) -> Json {
        let written = self.graph.node(&query.id).and_then(|node| node.declaration.as_ref());
        let written = written.and_then(|it| it.get("exports")).and_then(Json::as_array);
        let exports: Vec<Json> = written
            .into_iter()
            .flatten()
            .map(|export| {
                let name = export.get("name").cloned().unwrap_or_default();
                let config = |key: &str| export.get("config").and_then(|it| it.get(key)).cloned();
                let schema = config("schema").unwrap_or_else(|| self.target.schema.as_str().into());
                json!({"name": name, "config": {
                    "export_as": config("export_as").unwrap_or_else(|| "table".into()),
                    "schema_name": schema,
                    "alias": config("alias").unwrap_or(name),
                }})
            })
            .collect();
        json!({
            "name": query.name,
            "query_params": {
                "metrics": query.metrics, "group_by": query.group_by, "order_by": query.order_by,
                "limit": query.limit, "where": filter(&query.filters),
            },
            "description": words(&query.description),
            "metadata": null,
            "label": query.label,
            "exports": exports,
            "tags": [],
        })
    }

    /// Every measure that a metric stands on, through the metrics it is made of.
    fn measures_of(&self, metric: &Metric, found: &mut Vec<Json>, depth: usize) {
        if depth > self.semantics.metrics.len() {
            return;
        }
        for one in metric.kind.aggregations() {
            let shape = input_measure(one);
            if !found.contains(&shape) {
                found.push(shape);
            }
        }
        for input in metric.kind.inputs() {
            if let Some(below) = self.semantics.metrics.get(&input.name) {
                self.measures_of(below, found, depth + 1);
            }
        }
    }
}

const METRIC_KEYS: &[&str] = &["type", "type_params", "filter", "label", "time_granularity"];

const SAVED_QUERY_KEYS: &[&str] = &["query_params", "label", "description", "exports"];

const SEMANTIC_MODEL_KEYS: &[&str] =
    &["defaults", "dimensions", "entities", "measures", "node_relation", "primary_entity"];

const PARAMETERS: &[&str] = &[
    "measure",
    "numerator",
    "denominator",
    "expr",
    "window",
    "grain_to_date",
    "conversion_type_params",
    "cumulative_type_params",
    "metric_aggregation_params",
    "fill_nulls_with",
    "is_private",
];

fn words(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn dimension(dimension: &Dimension) -> Json {
    let (kind, parameters) = match dimension.kind {
        DimensionKind::Categorical => ("categorical", Json::Null),
        DimensionKind::Time(grain) => {
            let validity = dimension.validity.map(
                |end| json!({"is_start": end == Validity::Start, "is_end": end == Validity::End}),
            );
            ("time", json!({"time_granularity": grain.word(), "validity_params": validity}))
        }
    };
    json!({
        "name": dimension.name, "description": words(&dimension.description), "type": kind,
        "datatype": null, "is_partition": false, "type_params": parameters,
        "expr": dimension.expr, "metadata": null, "label": dimension.label,
        "config": {"meta": {}},
    })
}

fn measure(one: &Aggregation) -> Json {
    let percentile = one.percentile.map(|share| {
        json!({
            "percentile": share.at, "use_discrete_percentile": share.discrete,
            "use_approximate_percentile": false,
        })
    });
    let non_additive = one.non_additive.as_ref().map(|dimension| {
        json!({
            "name": dimension.dimension,
            "window_choice": if dimension.latest { "max" } else { "min" },
            "window_groupings": dimension.group_by,
        })
    });
    json!({
        "name": one.name, "agg": one.function.word(), "description": null,
        "create_metric": false, "expr": one.expr, "agg_params": percentile, "metadata": null,
        "non_additive_dimension": non_additive, "agg_time_dimension": one.time_dimension,
        "label": null, "config": {"meta": {}},
    })
}

fn input_measure(one: &Aggregation) -> Json {
    json!({
        "name": one.name, "filter": filter(&one.filters), "alias": null,
        "join_to_timespine": one.join_to_timespine,
        "fill_nulls_with": one.fill_nulls_with.as_ref().and_then(|text| text.parse::<i64>().ok()),
    })
}

fn input_metric(input: &MetricInput) -> Json {
    json!({
        "name": input.name, "filter": filter(&input.filters), "alias": input.alias,
        "offset_window": input.offset_window.map(window),
        "offset_to_grain": input.offset_to_grain.map(|grain| grain.word()),
    })
}

fn window(window: Window) -> Json {
    json!({"count": window.count, "granularity": window.grain.word()})
}

fn period_word(period: PeriodAggregation) -> &'static str {
    match period {
        PeriodAggregation::First => "first",
        PeriodAggregation::Last => "last",
        PeriodAggregation::Average => "average",
    }
}

fn filter(filters: &[Filter]) -> Json {
    if filters.is_empty() {
        return Json::Null;
    }
    let each: Vec<Json> =
        filters.iter().map(|one| json!({"where_sql_template": one.text})).collect();
    json!({"where_filters": each})
}
