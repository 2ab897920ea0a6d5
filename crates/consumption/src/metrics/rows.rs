//! The rows a metric counts: one table, joined to what they are grouped and filtered by, with a
//! column for each.

use project::semantics::{
    Aggregation, DimensionKind, EntityKind, Filter, FilterItem, FilterPart, Grain, METRIC_TIME,
    SemanticModel, Validity, Window,
};

use super::keys::{Key, KeyKind, split};
use super::plan::Planner;
use super::reach::{self, Candidate, Member};
use super::sql::{Writer, conditions, day_after, indented, moment, select};
use crate::ConsumptionError;

/// Tables joined for one metric, and the columns that are taken of them.
pub(super) struct Rows<'p, 's> {
    planner: &'p Planner<'s>,
    aggregation: &'s Aggregation,
    whom: String,
    model: &'s SemanticModel,
    tables: Vec<Table<'s>>,
    /// Joined queries: metrics in conditions.
    joined: Vec<String>,
    wheres: Vec<String>,
    /// How much later rows are counted than they happened.
    shift: Option<Window>,
}

struct Table<'s> {
    model: &'s SemanticModel,
    /// Entities on the way from the first table.
    path: Vec<&'s str>,
    /// Name and SQL of each column.
    columns: Vec<(String, String)>,
    /// The join's condition; none for the first table.
    on: Option<String>,
}

impl<'p, 's> Rows<'p, 's> {
    /// Rows of an aggregation's own table.
    pub(super) fn of(
        planner: &'p Planner<'s>,
        aggregation: &'s Aggregation,
    ) -> Result<Self, ConsumptionError> {
        let model = planner.semantics.model(&aggregation.model).ok_or_else(|| {
            ConsumptionError::NotFound {
                message: format!(
                    "\"{}\" counts rows of \"{}\", which takes no part",
                    aggregation.name, aggregation.model
                ),
                help: "Enable the semantic model and the model it stands on.".to_owned(),
            }
        })?;
        let first = Table { model, path: Vec::new(), columns: Vec::new(), on: None };
        Ok(Self {
            planner,
            aggregation,
            whom: format!("\"{}\"", aggregation.name),
            model,
            tables: vec![first],
            joined: Vec::new(),
            wheres: Vec::new(),
            shift: None,
        })
    }

    pub(super) fn writer(&self) -> Writer {
        self.planner.writer
    }

    /// Counts rows so much later than they happened.
    pub(super) fn shift(&mut self, window: Window) {
        self.shift = Some(window);
    }

    /// Keeps rows for which this SQL holds.
    pub(super) fn keep(&mut self, condition: String) {
        self.wheres.push(condition);
    }

    /// A query for the bucket of the newest row.
    pub(super) fn latest(&mut self, grain: Grain) -> Result<String, ConsumptionError> {
        self.time()?;
        let columns = &self.tables[0].columns;
        let expr = columns.iter().find(|(name, _)| name == METRIC_TIME).map(|(_, expr)| expr);
        let newest = format!("max({})", expr.map_or(METRIC_TIME, String::as_str));
        let newest = self.planner.writer.truncated(grain, &newest);
        Ok(format!("select {newest} from {}", self.planner.relation(self.model)?))
    }

    /// A dimension of the first table, as it is.
    pub(super) fn own_dimension(&mut self, name: &str) -> Result<String, ConsumptionError> {
        if let Some(dimension) = self.model.dimension(name) {
            let expr = dimension.expr.clone().unwrap_or_else(|| name.to_owned());
            return Ok(self.column(0, format!("d_{name}"), expr));
        }
        let (parts, _) = split(name);
        let found = self.resolve(&parts)?;
        self.member(&found)
    }

    /// What is aggregated.
    pub(super) fn value(&mut self) -> String {
        let expr = self.aggregation.expr.clone();
        self.column(0, "value".to_owned(), expr)
    }

    /// The time that rows are counted by, and its own grain.
    ///
    /// # Errors
    /// When they have none.
    pub(super) fn time(&mut self) -> Result<(String, Grain), ConsumptionError> {
        let name = self.aggregation.time_dimension.as_deref().ok_or_else(|| {
            ConsumptionError::Settings {
                message: format!("{} is counted by no time", self.whom),
                help: format!(
                    "Give the semantic model \"{}\" an \"agg_time_dimension\".",
                    self.model.name
                ),
            }
        })?;
        let dimension = self.model.dimension(name);
        let Some((dimension, DimensionKind::Time(grain))) =
            dimension.map(|dimension| (dimension, dimension.kind))
        else {
            return Err(ConsumptionError::Settings {
                message: format!(
                    "{} is counted by \"{name}\", which is no time dimension of \"{}\"",
                    self.whom, self.model.name
                ),
                help: "Name one of its dimensions of type time.".to_owned(),
            });
        };
        let expr = dimension.expr.clone().unwrap_or_else(|| name.to_owned());
        let time = self.column(0, METRIC_TIME.to_owned(), expr);
        let time = match self.shift {
            Some(window) => self.planner.writer.later(&time, window),
            None => time,
        };
        Ok((time, grain))
    }

    /// An entity of the first table.
    pub(super) fn entity(&mut self, name: &str) -> Result<String, ConsumptionError> {
        let found = self.resolve(&[name.to_owned()])?;
        self.member(&found)
    }

    /// The SQL of a grouping; times of the metric itself are left to the caller.
    pub(super) fn key(&mut self, key: &Key) -> Result<KeySql, ConsumptionError> {
        match &key.kind {
            KeyKind::Time(grain) => {
                let (_, own) = self.time()?;
                fine_enough(METRIC_TIME, Some(*grain), own).map(KeySql::Time)
            }
            KeyKind::Named { parts, grain } => self.named(parts, *grain),
        }
    }

    fn named(
        &mut self,
        parts: &[String],
        grain: Option<Grain>,
    ) -> Result<KeySql, ConsumptionError> {
        let found = self.resolve(parts)?;
        let own = match found.member {
            Member::Dimension(dimension) => match dimension.kind {
                DimensionKind::Time(own) => Some(own),
                DimensionKind::Categorical => None,
            },
            Member::Entity(_) => None,
        };
        let (Some(own), name) = (own, found.member.name().to_owned()) else {
            if grain.is_some() {
                return Err(ConsumptionError::Settings {
                    message: format!("\"{}\" is no time and has no grain", parts.join("__")),
                    help: format!("Ask for \"{}\".", parts.join("__")),
                });
            }
            return self.member(&found).map(KeySql::Column);
        };
        let grain = fine_enough(&parts.join("__"), grain, own)?;
        let counted_by = self.aggregation.time_dimension.as_deref() == Some(name.as_str());
        if found.hops.is_empty() && counted_by {
            return Ok(KeySql::Time(grain));
        }
        let column = self.member(&found)?;
        Ok(KeySql::Column(self.planner.writer.truncated(grain, &column)))
    }

    fn resolve(&self, parts: &[String]) -> Result<Candidate<'s>, ConsumptionError> {
        reach::resolve(self.planner.semantics, self.model, parts, &self.whom)
    }

    fn member(&mut self, found: &Candidate<'s>) -> Result<String, ConsumptionError> {
        let table = self.table(found)?;
        Ok(match found.member {
            Member::Dimension(dimension) => {
                let expr = dimension.expr.clone().unwrap_or_else(|| dimension.name.clone());
                self.column(table, format!("d_{}", dimension.name), expr)
            }
            Member::Entity(entity) => {
                let expr = entity.expr.clone().unwrap_or_else(|| entity.name.clone());
                self.column(table, format!("e_{}", entity.name), expr)
            }
        })
    }

    /// The joined table at the end of a way, joined when it is first needed.
    fn table(&mut self, found: &Candidate<'s>) -> Result<usize, ConsumptionError> {
        let mut here = 0;
        let mut path: Vec<&'s str> = Vec::new();
        for hop in &found.hops {
            path.push(hop.entity);
            let known = self
                .tables
                .iter()
                .position(|table| table.path == path && table.model.name == hop.to.name);
            here = match known {
                Some(known) => known,
                None => self.join(here, hop.entity, hop.to, path.clone())?,
            };
        }
        Ok(here)
    }

    fn join(
        &mut self,
        from: usize,
        entity: &'s str,
        to: &'s SemanticModel,
        path: Vec<&'s str>,
    ) -> Result<usize, ConsumptionError> {
        let expr = |model: &SemanticModel| {
            let found = model.entity(entity);
            found.and_then(|one| one.expr.clone()).unwrap_or_else(|| entity.to_owned())
        };
        let left = expr(self.tables[from].model);
        let left = self.column(from, format!("e_{entity}"), left);
        self.tables.push(Table { model: to, path, columns: Vec::new(), on: None });
        let table = self.tables.len() - 1;
        let right = self.column(table, format!("e_{entity}"), expr(to));
        let mut on = format!("{left} = {right}");
        if to.entity(entity).is_some_and(|one| one.kind == EntityKind::Natural) {
            let (time, _) = self.time()?;
            let valid = |end: Validity| {
                to.dimensions.iter().find(|dimension| dimension.validity == Some(end))
            };
            let (Some(start), Some(end)) = (valid(Validity::Start), valid(Validity::End)) else {
                return Err(ConsumptionError::Settings {
                    message: format!("\"{}\" keeps history and does not say of when", to.name),
                    help: "Mark its start and end with \"validity_params\".".to_owned(),
                });
            };
            let named = |one: &project::semantics::Dimension| {
                (format!("d_{}", one.name), one.expr.clone().unwrap_or_else(|| one.name.clone()))
            };
            let ((start, start_expr), (end, end_expr)) = (named(start), named(end));
            let start = self.column(table, start, start_expr);
            let end = self.column(table, end, end_expr);
            on = format!("{on} and {time} >= {start} and ({time} < {end} or {end} is null)");
        }
        self.tables[table].on = Some(on);
        Ok(table)
    }

    /// Takes a column of a table.
    fn column(&mut self, table: usize, name: String, expr: String) -> String {
        let columns = &mut self.tables[table].columns;
        if !columns.iter().any(|(known, _)| *known == name) {
            columns.push((name.clone(), expr));
        }
        format!("t{table}.{name}")
    }

    /// Keeps rows that fit a condition.
    pub(super) fn filter(&mut self, filter: &Filter) -> Result<(), ConsumptionError> {
        let mut sql = String::new();
        for part in &filter.parts {
            match part {
                FilterPart::Sql(text) => sql.push_str(text),
                FilterPart::Item(item) => sql.push_str(&self.item(item)?),
            }
        }
        self.wheres.push(format!("({})", sql.trim()));
        Ok(())
    }

    fn item(&mut self, item: &FilterItem) -> Result<String, ConsumptionError> {
        match item {
            FilterItem::Name { name, grain } => {
                let (parts, spelled) = split(name);
                let grain = grain.or(spelled);
                if parts == [METRIC_TIME] {
                    let (time, own) = self.time()?;
                    let grain = fine_enough(METRIC_TIME, grain, own)?;
                    return Ok(self.planner.writer.truncated(grain, &time));
                }
                match self.named(&parts, grain)? {
                    KeySql::Column(sql) => Ok(sql),
                    KeySql::Time(grain) => {
                        let (time, _) = self.time()?;
                        Ok(self.planner.writer.truncated(grain, &time))
                    }
                }
            }
            FilterItem::Metric { name, group_by } => self.metric(name, group_by),
        }
    }

    /// Another metric per entity, as a column.
    fn metric(&mut self, name: &str, group_by: &[String]) -> Result<String, ConsumptionError> {
        let number = self.joined.len();
        let (sql, columns) = self.planner.nested(name, group_by)?;
        let mut on = Vec::new();
        for (group, column) in group_by.iter().zip(&columns) {
            let (parts, grain) = split(group);
            let KeySql::Column(left) = self.named(&parts, grain)? else {
                return Err(ConsumptionError::Settings {
                    message: format!("metric \"{name}\" in a filter is grouped by a time"),
                    help: "Group it by an entity: Metric('m', group_by=['user']).".to_owned(),
                });
            };
            on.push(format!("{left} = f{number}.{column}"));
        }
        if on.is_empty() {
            return Err(ConsumptionError::Settings {
                message: format!("metric \"{name}\" in a filter is grouped by nothing"),
                help: format!("Write Metric('{name}', group_by=['entity'])."),
            });
        }
        let value = self.planner.writer.name(name);
        self.joined.push(format!(
            "left join (\n{}\n) as f{number} on {}",
            indented(&sql),
            on.join(" and ")
        ));
        Ok(format!("f{number}.{value}"))
    }

    /// Keeps rows of the question's days.
    pub(super) fn between(&mut self, time: &str) {
        if let Some(from) = self.planner.from {
            self.wheres.push(format!("{time} >= {}", moment(from)));
        }
        if let Some(to) = self.planner.to {
            self.wheres.push(format!("{time} < {}", moment(day_after(to))));
        }
    }

    /// The query.
    ///
    /// # Errors
    /// When a table has no rows to read.
    pub(super) fn sql(&self, items: &[String]) -> Result<String, ConsumptionError> {
        let mut sql = select(items);
        for (number, table) in self.tables.iter().enumerate() {
            let relation = self.planner.relation(table.model)?;
            let columns: Vec<String> =
                table.columns.iter().map(|(name, expr)| format!("{expr} as {name}")).collect();
            let columns = if columns.is_empty() { vec!["1 as one".to_owned()] } else { columns };
            let inner = indented(&format!("{}\nfrom {relation}", select(&columns)));
            match &table.on {
                None => sql.push_str(&format!("\nfrom (\n{inner}\n) as t{number}")),
                Some(on) => {
                    sql.push_str(&format!("\nleft join (\n{inner}\n) as t{number} on {on}"));
                }
            }
        }
        for joined in &self.joined {
            sql.push('\n');
            sql.push_str(joined);
        }
        sql.push_str(&conditions(&self.wheres));
        Ok(sql)
    }
}

/// A grouping of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeySql {
    /// The time it is counted by, rounded.
    Time(Grain),
    /// A column.
    Column(String),
}

/// The grain to round to, which must not be finer than what is kept.
fn fine_enough(name: &str, asked: Option<Grain>, own: Grain) -> Result<Grain, ConsumptionError> {
    match asked {
        None => Ok(own),
        Some(asked) if asked >= own => Ok(asked),
        Some(asked) => Err(ConsumptionError::Settings {
            message: format!(
                "\"{name}\" is kept by {}, which is coarser than {}",
                own.word(),
                asked.word()
            ),
            help: format!("Ask for \"{name}__{}\" or coarser.", own.word()),
        }),
    }
}
