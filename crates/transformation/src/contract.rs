//! Contracts: a model whose properties name all of its columns and their types must give exactly
//! those, and its rows must keep the constraints. The check comes before anybody sees the rows.

use arrow::datatypes::{Schema, SchemaRef};
use compute::Session;
use compute::statement::quoted;
use project::node::Column;
use project::{Materialization, Node};
use serde_json::Value;

use crate::staged::StagedNode;
use crate::{CompiledNode, TransformationError, Workshop};

fn broken(node: &Node, message: String) -> TransformationError {
    TransformationError::Columns {
        message: format!("contract of \"{}\": {message}", node.name),
        help: "Change the query or the columns in the properties file, so that both agree."
            .to_owned(),
    }
}

impl Workshop {
    /// The query of a model, its columns in the order of its contract.
    pub(crate) async fn contracted(
        &self,
        node: &Node,
        compiled: &CompiledNode,
        session: &Session,
    ) -> Result<String, TransformationError> {
        if !node.config.contract_enforced || node.columns.is_empty() {
            return Ok(compiled.sql.clone());
        }
        let own = |error| compiled.query_error(error);
        let given = session.prepare(&compiled.sql).await.map_err(own)?.schema();
        let wanted = wanted(node, session).await?;
        let differences = differences(&given, &wanted);
        if !differences.is_empty() {
            return Err(broken(node, differences.join("; ")));
        }
        if node.config.materialized == Materialization::View {
            return Ok(compiled.sql.clone());
        }
        let names = node.columns.iter().map(|column| quoted(&column.name));
        let names = names.collect::<Vec<_>>().join(", ");
        Ok(format!("select {names} from (\n{}\n) as model_subq", compiled.sql))
    }

    /// Counts rows that break a constraint, in the version that is not pointed to yet.
    pub(crate) async fn check_constraints(
        &self,
        node: &Node,
        staged: &StagedNode,
    ) -> Result<(), TransformationError> {
        let is_table = matches!(
            node.config.materialized,
            Materialization::Table | Materialization::Incremental
        );
        if !node.config.contract_enforced || !is_table {
            return Ok(());
        }
        let Some(relation) = &node.relation else { return Ok(()) };
        let mut checks = Vec::new();
        for column in &node.columns {
            for constraint in &column.constraints {
                checks.extend(check(constraint, std::slice::from_ref(&column.name)));
            }
        }
        let own = node.config.all.get("constraints").and_then(Value::as_array);
        for constraint in own.into_iter().flatten() {
            let columns = constraint.get("columns").and_then(Value::as_array);
            let columns = columns.into_iter().flatten().filter_map(Value::as_str);
            checks.extend(check(constraint, &columns.map(str::to_owned).collect::<Vec<_>>()));
        }
        if checks.is_empty() {
            return Ok(());
        }
        let session = self.session(staged.shown_in(self.catalog().await?));
        for (shown, condition, grouped) in checks {
            let sql = match grouped {
                None => format!("select 1 from {relation} where {condition} limit 1"),
                Some(columns) => format!(
                    "select 1 from {relation} where {condition} group by {columns} \
                     having count(*) > 1 limit 1"
                ),
            };
            let rows = session
                .rows(&sql)
                .await
                .map_err(|error| TransformationError::from_query(error, None))?;
            if rows.iter().any(|batch| batch.num_rows() > 0) {
                return Err(broken(node, format!("a row breaks the constraint {shown}")));
            }
        }
        Ok(())
    }
}

/// A constraint as a condition on the rows that break it, and the columns they are counted by.
fn check(constraint: &Value, columns: &[String]) -> Vec<(String, String, Option<String>)> {
    let word = constraint.get("type").and_then(Value::as_str).unwrap_or_default();
    let names: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let listed = names.join(", ");
    let shown = format!("{word} ({})", columns.join(", "));
    let absent = || {
        let one = names.iter().map(|name| format!("{name} is null"));
        (shown.clone(), one.collect::<Vec<_>>().join(" or "), None)
    };
    let repeated = || {
        let one = names.iter().map(|name| format!("{name} is not null"));
        (shown.clone(), one.collect::<Vec<_>>().join(" and "), Some(listed.clone()))
    };
    match word {
        _ if columns.is_empty() && word != "check" => Vec::new(),
        "not_null" => vec![absent()],
        "unique" => vec![repeated()],
        "primary_key" => vec![absent(), repeated()],
        "check" => {
            let expression = constraint.get("expression").and_then(Value::as_str);
            let expression = expression.unwrap_or("true");
            vec![(format!("check ({expression})"), format!("not ({expression})"), None)]
        }
        _ => Vec::new(),
    }
}

async fn wanted(node: &Node, session: &Session) -> Result<SchemaRef, TransformationError> {
    let one = |column: &Column| match &column.data_type {
        Some(kind) => Ok(format!("cast(null as {kind}) as {}", quoted(&column.name))),
        None => Err(broken(node, format!("column \"{}\" has no data_type", column.name))),
    };
    let columns: Vec<String> = node.columns.iter().map(one).collect::<Result<_, _>>()?;
    let sql = format!("select {}", columns.join(", "));
    let prepared = session.prepare(&sql).await;
    Ok(prepared.map_err(|error| broken(node, error.message))?.schema())
}

fn differences(given: &Schema, wanted: &Schema) -> Vec<String> {
    let find = |schema: &Schema, name: &str| {
        let mut fields = schema.fields().iter();
        fields.find(|field| field.name().eq_ignore_ascii_case(name)).map(|f| f.data_type().clone())
    };
    let mut found = Vec::new();
    for field in wanted.fields() {
        match find(given, field.name()) {
            None => found.push(format!("column \"{}\" is missing in the query", field.name())),
            Some(kind) if !alike(&kind, field.data_type()) => found.push(format!(
                "column \"{}\" is {kind} in the query and {} in the contract",
                field.name(),
                field.data_type()
            )),
            Some(_) => {}
        }
    }
    for field in given.fields() {
        if find(wanted, field.name()).is_none() {
            found.push(format!("column \"{}\" is missing in the contract", field.name()));
        }
    }
    found
}

/// Types of one family, whatever their layout; dbt compares the names of types without their size.
fn alike(a: &arrow::datatypes::DataType, b: &arrow::datatypes::DataType) -> bool {
    use arrow::datatypes::DataType::{
        Decimal32, Decimal64, Decimal128, Decimal256, LargeUtf8, Timestamp, Utf8, Utf8View,
    };
    let text = |kind: &_| matches!(kind, Utf8 | LargeUtf8 | Utf8View);
    let decimal =
        |kind: &_| matches!(kind, Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..));
    match (a, b) {
        (Timestamp(_, a), Timestamp(_, b)) => a.is_some() == b.is_some(),
        // A seed's whole numbers are wide here and narrow there.
        _ if a.is_signed_integer() && b.is_signed_integer() => true,
        _ => a == b || (text(a) && text(b)) || (decimal(a) && decimal(b)),
    }
}
