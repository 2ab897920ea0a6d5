//! Conversions: each event is credited to the nearest one before it that can have led to it.

use project::semantics::Conversion;

use super::branch::aggregated;
use super::combine::VALUE;
use super::plan::Planner;
use super::rows::{KeySql, Rows};
use super::sql::{group_by, indented, select};
use super::tree::Leaf;
use crate::ConsumptionError;

impl<'s> Planner<'s> {
    pub(super) fn converted(
        &self,
        leaf: &Leaf<'s>,
        both: &'s Conversion,
    ) -> Result<String, ConsumptionError> {
        if leaf.offset.is_some() {
            return Err(ConsumptionError::Settings {
                message: format!("conversions to \"{}\" are moved in time", both.conversion.name),
                help: "Leave the offset out.".to_owned(),
            });
        }
        let mut grouped = self.grouped(&both.base, &leaf.filters)?;
        self.ask(&mut grouped)?;
        let (time, _) = grouped.rows.time()?;
        let mut items = vec![
            format!("{} as who", grouped.rows.entity(&both.entity)?),
            format!("{time} as base_time"),
        ];
        for (number, key) in grouped.keys.clone().iter().enumerate() {
            let sql = match key {
                KeySql::Time(grain) => self.writer.truncated(*grain, &time),
                KeySql::Column(sql) => sql.clone(),
            };
            items.push(format!("{sql} as k{}", number + 1));
        }
        for (number, (base, _)) in both.constants.iter().enumerate() {
            items.push(format!("{} as p{number}", self.property(&mut grouped.rows, base)?));
        }
        let base = grouped.rows.sql(&items)?;
        let mut rows = Rows::of(self, &both.conversion)?;
        for filter in &both.conversion.filters {
            rows.filter(filter)?;
        }
        let (time, _) = rows.time()?;
        let mut items = vec![
            format!("{} as who", rows.entity(&both.entity)?),
            format!("{time} as conversion_time"),
            format!("{} as value", rows.value()),
            "row_number() over () as event".to_owned(),
        ];
        for (number, (_, conversion)) in both.constants.iter().enumerate() {
            items.push(format!("{} as p{number}", self.property(&mut rows, conversion)?));
        }
        let conversion = rows.sql(&items)?;
        let mut on = vec![
            "conversion.who = base.who".to_owned(),
            "base.base_time <= conversion.conversion_time".to_owned(),
        ];
        if let Some(window) = both.window {
            let start = self.writer.earlier("conversion.conversion_time", window);
            on.push(format!("base.base_time > {start}"));
        }
        for number in 0..both.constants.len() {
            on.push(format!("base.p{number} = conversion.p{number}"));
        }
        let keys: Vec<String> =
            (1..=grouped.keys.len()).map(|number| format!("k{number}")).collect();
        let mut items: Vec<String> =
            keys.iter().map(|key| format!("base.{key} as {key}")).collect();
        items.push("conversion.value as value".to_owned());
        items.push(
            "row_number() over (partition by conversion.event order by base.base_time desc) as \
             place"
                .to_owned(),
        );
        let credited = format!(
            "{}\nfrom (\n{}\n) as conversion\ninner join (\n{}\n) as base on {}",
            select(&items),
            indented(&conversion),
            indented(&base),
            on.join(" and ")
        );
        let mut items = keys.clone();
        items.push(format!("{} as {VALUE}", aggregated(both.conversion.function, "value")));
        Ok(format!(
            "{}\nfrom (\n{}\n) as credited\nwhere place = 1{}",
            select(&items),
            indented(&credited),
            group_by(&keys)
        ))
    }

    /// A dimension that must be the same on both sides.
    fn property(&self, rows: &mut Rows<'_, 's>, name: &str) -> Result<String, ConsumptionError> {
        rows.own_dimension(name)
    }
}
