//! Contracts: a model whose properties name all of its columns and their types must give exactly
//! those, and its rows must keep the constraints. The check comes before anybody sees the rows.

use arrow::datatypes::{DataType, Schema, SchemaRef};
use base::Diagnostic;
use compute::statement::quoted;
use compute::{QueryError, Session};
use project::node::Column;
use project::{Materialization, Node};
use serde_json::Value;

use crate::staged::StagedNode;
use crate::{CompiledNode, TransformationError, Workshop};

/// A query or a row that breaks the contract.
const CONTRACT_BROKEN: &str = "E0702";

/// What is wrong, pointed at where the contract says otherwise: a column, or the model.
fn broken(node: &Node, column: Option<&Column>, message: &str) -> Diagnostic {
    let message = format!("contract of \"{}\": {message}", node.name);
    let place = column.and_then(|column| column.span.clone()).unwrap_or_else(|| node.span.clone());
    let diagnostic = Diagnostic::error(CONTRACT_BROKEN, message).at(place, "");
    let help = match &node.patch_path {
        Some(path) => format!("Change the query in {}, or the columns in {path}.", node.path),
        None => {
            "Describe the model's columns, with their data_type, in a properties file.".to_owned()
        }
    };
    diagnostic.help(help)
}

fn refused(diagnostic: Diagnostic) -> TransformationError {
    TransformationError::Project(vec![diagnostic])
}

impl Workshop {
    /// The query of a model, its columns in the order of its contract.
    pub(crate) async fn contracted(
        &self,
        node: &Node,
        compiled: &CompiledNode,
        session: &Session,
    ) -> Result<String, TransformationError> {
        if !node.config.contract_enforced {
            return Ok(compiled.sql.clone());
        }
        if node.columns.is_empty() {
            return Err(refused(broken(node, None, "it names no columns")));
        }
        let own = |error| compiled.query_error(error);
        let given = session.prepare(&compiled.sql).await.map_err(own)?.schema();
        let wanted = wanted(node, session).await?;
        let differences = self.differences(node, &given, &wanted);
        if !differences.is_empty() {
            return Err(TransformationError::Project(differences));
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
                let found = check(constraint, std::slice::from_ref(&column.name));
                checks.extend(found.into_iter().map(|check| (Some(column), check)));
            }
        }
        let own = node.config.all.get("constraints").and_then(Value::as_array);
        for constraint in own.into_iter().flatten() {
            let columns = constraint.get("columns").and_then(Value::as_array);
            let columns = columns.into_iter().flatten().filter_map(Value::as_str);
            let found = check(constraint, &columns.map(str::to_owned).collect::<Vec<_>>());
            checks.extend(found.into_iter().map(|check| (None, check)));
        }
        if checks.is_empty() {
            return Ok(());
        }
        let session = self.session(staged.shown_in(self.catalog().await?));
        for (column, (shown, condition, grouped)) in checks {
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
                let message = format!("a row breaks the constraint {shown}");
                return Err(refused(broken(node, column, &message)));
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

/// The columns that the contract names, typed.
async fn wanted(node: &Node, session: &Session) -> Result<SchemaRef, TransformationError> {
    let mut columns = Vec::new();
    for column in &node.columns {
        let Some(kind) = &column.data_type else {
            let message = format!("column \"{}\" has no data_type", column.name);
            return Err(refused(broken(node, Some(column), &message)));
        };
        let typed = format!("cast(null as {kind}) as {}", quoted(&column.name));
        if let Err(error) = session.prepare(&format!("select {typed}")).await {
            let message = format!("column \"{}\": {}", column.name, error.message);
            return Err(refused(broken(node, Some(column), &message)));
        }
        columns.push(typed);
    }
    let sql = format!("select {}", columns.join(", "));
    let prepared = session.prepare(&sql).await;
    let all = |error: QueryError| refused(broken(node, None, &error.message));
    Ok(prepared.map_err(all)?.schema())
}

fn find<'s>(schema: &'s Schema, name: &str) -> Option<&'s DataType> {
    let mut fields = schema.fields().iter();
    fields.find(|field| field.name().eq_ignore_ascii_case(name)).map(|field| field.data_type())
}

impl Workshop {
    fn differences(&self, node: &Node, given: &Schema, wanted: &Schema) -> Vec<Diagnostic> {
        let word = |kind: &DataType| crate::facts::column("", kind, self.dialect).data_type;
        let mut found = Vec::new();
        for (column, field) in node.columns.iter().zip(wanted.fields()) {
            let name = field.name();
            match find(given, name) {
                None => {
                    let message = format!("column \"{name}\" is missing in the query");
                    found.push(broken(node, Some(column), &message));
                }
                Some(kind) if !alike(kind, field.data_type()) => {
                    let (is, wanted) = (word(kind), word(field.data_type()));
                    let message =
                        format!("column \"{name}\" is {is} in the query, not {wanted} as promised");
                    found.push(broken(node, Some(column), &message));
                }
                Some(_) => {}
            }
        }
        for field in given.fields() {
            if find(wanted, field.name()).is_none() {
                let (name, kind) = (field.name(), word(field.data_type()));
                let message = format!("column \"{name}\" ({kind}) is in the query alone");
                found.push(broken(node, None, &message));
            }
        }
        found
    }
}

/// Types of one family, whatever their layout; dbt compares the names of types without their size.
fn alike(a: &DataType, b: &DataType) -> bool {
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
