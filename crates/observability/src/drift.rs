//! Columns of a stream that have another name since a load, or come empty.

use arrow::datatypes::DataType;
use base::{NodeId, TableName};
use chrono::{DateTime, NaiveDate, Utc};
use ledger::{SchemaChangeKind, SchemaChangeRecord};
use movement::LOADED_COLUMN;
use project::NodeKind;
use project::ingest::{Incremental, StreamKind};

use crate::ObservabilityError;
use crate::case::{Case, held_back};
use crate::clock_column::time_columns;
use crate::diagnosis::{Edit, FindingKind, Mend, Moment, Reader};
use crate::duplicates::stream_of;
use crate::model_hop::{short, shown};
use crate::scene::{Scene, moment, name, quoted, text, whole};

/// Percent of the new column's values that the old one must have held.
const OVERLAP_PERCENT_MIN: u64 = 50;
/// Columns that are held against one new one.
const CANDIDATES_MAX: usize = 20;

/// A column that has another name.
struct Renamed {
    from: String,
    to: String,
    overlap_percent: u64,
}

/// Looks for columns that got another name.
pub(crate) async fn look(case: &mut Case, id: &NodeId) -> Result<(), ObservabilityError> {
    let Some(table) = case.scene.table(id) else { return Ok(()) };
    let tools = case.scene.tools.clone();
    let changes = tools.ledger.schema_changes(&tools.environment, &table).await?;
    let versions = tools.ledger.table_versions(&tools.environment, &table).await?;
    let first = versions.first().map(|version| version.commit_id.clone());
    let added: Vec<SchemaChangeRecord> = changes
        .into_iter()
        .filter(|one| one.change.kind == SchemaChangeKind::ColumnAdded)
        .filter(|one| Some(&one.commit_id) != first.as_ref())
        .filter(|one| one.business_time.date_naive() <= case.day)
        .collect();
    if added.is_empty() {
        case.excluded.push(format!("no column of {} changed", short(id)));
        return Ok(());
    }
    for change in added {
        let renamed = renamed(case, id, &table, &change).await;
        let renamed =
            case.scene.or_limit(&format!("column {} of {id}", change.change.column), renamed);
        if let Some(renamed) = renamed {
            tell(case, id, &table, &change, renamed).await?;
        }
    }
    Ok(())
}

/// The column whose values come under the new name: full before, empty since, with the same
/// values.
async fn renamed(
    case: &Case,
    id: &NodeId,
    table: &TableName,
    change: &SchemaChangeRecord,
) -> Result<Option<Renamed>, ObservabilityError> {
    let Some(schema) = case.scene.schema(id) else { return Ok(None) };
    let new = &change.change.column;
    let Ok(field) = schema.field_with_name(new) else { return Ok(None) };
    if schema.column_with_name(LOADED_COLUMN).is_none() {
        return Ok(None);
    }
    let same = |other: &DataType| {
        other == field.data_type() || (is_text(other) && is_text(field.data_type()))
    };
    let candidates = schema.fields().iter().filter(|other| {
        other.name() != new && !other.name().starts_with("_fiveply") && same(other.data_type())
    });
    let loaded = format!("cast({} as timestamp)", name(LOADED_COLUMN));
    let since = moment(change.business_time);
    for other in candidates.take(CANDIDATES_MAX) {
        let (old, new) = (name(other.name()), name(new));
        let sql = format!(
            "select sum(case when at < {since} then 1 else 0 end) as before_rows, \
             sum(case when at < {since} and o is not null then 1 else 0 end) as before_full, \
             sum(case when at >= {since} then 1 else 0 end) as since_rows, \
             sum(case when at >= {since} and o is not null then 1 else 0 end) as since_full \
             from (select {loaded} as at, {old} as o from {}) as q",
            quoted(table)
        );
        let rows = case.scene.rows(&case.scene.published, &sql).await?;
        let Some(row) = rows.first() else { continue };
        let full_before = whole(row, "before_full") * 2 >= whole(row, "before_rows").max(1);
        if !full_before || whole(row, "since_full") > 0 || whole(row, "since_rows") == 0 {
            continue;
        }
        let sql = format!(
            "select count(*) as n, count(b.v) as both from (select distinct {new} as v from {t} \
             where {new} is not null) as a left join (select distinct {old} as v from {t} where \
             {old} is not null) as b on a.v = b.v",
            t = quoted(table)
        );
        let rows = case.scene.rows(&case.scene.published, &sql).await?;
        let Some(row) = rows.first() else { continue };
        let percent = whole(row, "both") * 100 / whole(row, "n").max(1);
        // A few rows since may hold values that never came before: then the names have to tell.
        if percent >= OVERLAP_PERCENT_MIN || alike(other.name(), &change.change.column) {
            return Ok(Some(Renamed {
                from: other.name().clone(),
                to: change.change.column.clone(),
                overlap_percent: percent,
            }));
        }
    }
    Ok(None)
}

/// Whether two names differ in spelling alone: case, underscores, the `__c` of a vendor's custom
/// field.
fn alike(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> String {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix("__c").unwrap_or(&name);
        name.chars().filter(char::is_ascii_alphanumeric).collect()
    };
    plain(one) == plain(other)
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

async fn tell(
    case: &mut Case,
    id: &NodeId,
    table: &TableName,
    change: &SchemaChangeRecord,
    renamed: Renamed,
) -> Result<(), ObservabilityError> {
    let Renamed { from, to, overlap_percent } = renamed;
    let since = change.business_time;
    let rows = touched(case, id, table, since).await;
    let rows = case.scene.or_limit(&format!("rows of {id} since the change"), rows);
    let mut finding = case.finding(FindingKind::ColumnRenamed, id);
    finding.rows = rows;
    finding.run.clone_from(&change.run);
    finding.at = Some(since);
    finding.what = format!(
        "\"{from}\" of {} comes as \"{to}\" since the load of {}; {rows} rows of the day have it \
         empty under the old name",
        short(id),
        shown(since)
    );
    finding.evidence.push(if overlap_percent >= OVERLAP_PERCENT_MIN {
        format!(
            "{overlap_percent}% of the values of \"{to}\" are values of \"{from}\", which is \
             empty in every row loaded since"
        )
    } else {
        format!(
            "\"{to}\" and \"{from}\" differ in spelling alone, and \"{from}\" is empty in every \
             row loaded since"
        )
    });
    finding.timeline.push(Moment {
        at: since,
        what: format!("column \"{to}\" appears in {table}"),
        run: change.run.clone(),
    });
    finding.readers = readers(case, id, &from).await?;
    finding.held_back = held_back(&case.scene, id, since).await?;
    let file = case.scene.node(id).map(|node| node.path.clone()).unwrap_or_default();
    let children = case.scene.graph().children(id).iter().filter_map(|one| case.scene.node(one));
    let models: Vec<String> = children
        .filter(|child| child.kind == NodeKind::Model)
        .map(|child| format!("{}+", child.name))
        .collect();
    finding.mend = Some(Mend {
        what: format!(
            "maps the new name to the old one, reads the rows again and builds what reads them; \
             rows that came meanwhile get their \"{from}\" back"
        ),
        edit: Some(Edit {
            file,
            place: format!("stream {}", short(id)),
            line: format!("rename: {{{to}: {from}}}"),
        }),
        command: Some(format!(
            "fiveply load {} && fiveply build --select {}",
            short(id),
            models.join(" ")
        )),
    });
    case.findings.push(finding);
    Ok(())
}

/// Rows of the day that came since: by the field the stream goes by, and what an older row's
/// second reading brought counts for the day of the change.
async fn touched(
    case: &Case,
    id: &NodeId,
    table: &TableName,
    since: DateTime<Utc>,
) -> Result<u64, ObservabilityError> {
    let times = match cursor(&case.scene, id) {
        Some(cursor) => time_columns(&case.scene, id, Some(&cursor)),
        None => case.times.clone(),
    };
    let Some(time) = times.get(id).or_else(|| case.times.get(id)) else {
        return Ok(0);
    };
    let begins: NaiveDate = since.date_naive();
    let sql = format!(
        "select cast(greatest(cast(x as date), cast({} as date)) as varchar) as d, count(*) as n \
         from (select {} as x, cast({} as timestamp) as at from {}) as q where at >= {} group by 1",
        moment(since),
        time.expression,
        name(LOADED_COLUMN),
        quoted(table),
        moment(since),
    );
    let rows = case.scene.rows(&case.scene.published, &sql).await?;
    let day = case.day.max(begins).to_string();
    let here = rows.iter().find(|row| text(row, "d") == Some(&day));
    Ok(here.map_or(0, |row| whole(row, "n")))
}

/// The field by which a stream asks for what is new.
fn cursor(scene: &Scene, id: &NodeId) -> Option<String> {
    match &stream_of(scene, id)?.kind {
        StreamKind::Rest(rest) => match rest.incremental.as_ref()? {
            Incremental::Field { field, .. } => Some(field.clone()),
            Incremental::Opaque { .. } => None,
        },
        StreamKind::Files(_) => None,
    }
}

/// Who reads a column, over all models below.
async fn readers(
    case: &Case,
    id: &NodeId,
    column: &str,
) -> Result<Vec<Reader>, ObservabilityError> {
    let below = case.scene.graph().descendants(id, None);
    let models: Vec<NodeId> = below
        .into_iter()
        .filter(|one| case.scene.node(one).is_some_and(|node| node.kind == NodeKind::Model))
        .collect();
    let scene = Scene::open(&case.scene.tools, &models).await?;
    let mut broken: std::collections::BTreeSet<(TableName, String)> = Default::default();
    if let Some(table) = scene.table(id).or_else(|| case.scene.table(id)) {
        broken.insert((table, column.to_owned()));
    }
    let mut found = Vec::new();
    for node in &scene.nodes {
        let Some(lineage) = scene.lineage.get(node) else { continue };
        let owner = scene.node(node).and_then(|node| node.owner.as_ref());
        let owner = owner.map(|owner| owner.name.clone());
        let hit = |origin: &compute::Origin| {
            broken.contains(&(origin.table.clone(), origin.column.clone()))
        };
        let columns: Vec<String> = lineage
            .columns
            .iter()
            .filter(|column| column.origins.iter().any(hit))
            .map(|column| column.name.clone())
            .collect();
        if columns.is_empty() && lineage.decides.iter().any(hit) {
            found.push(Reader { node: node.clone(), column: None, owner: owner.clone() });
        }
        for column in columns {
            found.push(Reader {
                node: node.clone(),
                column: Some(column.clone()),
                owner: owner.clone(),
            });
            if let Some(table) = scene.table(node) {
                broken.insert((table, column));
            }
        }
    }
    let reading: std::collections::BTreeSet<NodeId> =
        found.iter().map(|reader| reader.node.clone()).collect();
    for node in scene.graph().nodes.values() {
        let shown =
            matches!(node.kind, NodeKind::Exposure | NodeKind::Metric | NodeKind::SemanticModel);
        if shown && node.depends_on.iter().any(|parent| reading.contains(parent)) {
            let owner = node.owner.as_ref().map(|owner| owner.name.clone());
            found.push(Reader { node: node.id.clone(), column: None, owner });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_field_is_alike_its_standard_name() {
        assert!(alike("LeadSource", "Lead_Source__c"));
        assert!(!alike("LeadSource", "LeadStatus__c"));
    }
}
