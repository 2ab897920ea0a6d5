//! A metric as an expression over what was counted.

use project::semantics::{
    Aggregation, Conversion, Filter, Grain, Metric, MetricInput, MetricKind, PeriodAggregation,
    Window,
};

use super::lexer::{Token, tokens};
use super::plan::Planner;
use crate::ConsumptionError;

/// Where what is counted in a branch stands in an expression, until it has its column.
pub(super) fn mark(branch: usize) -> String {
    format!("\u{1}{branch}\u{2}")
}

/// How far back a branch is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offset {
    /// So long before.
    Window(Window),
    /// At the start of the longer period.
    ToGrain(Grain),
}

/// One thing to count.
#[derive(Clone, Debug)]
pub(super) struct Leaf<'s> {
    pub(super) shape: Shape<'s>,
    /// Conditions of the metrics that it is a part of.
    pub(super) filters: Vec<&'s Filter>,
    pub(super) offset: Option<Offset>,
}

/// How it is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape<'s> {
    /// Rows of one table.
    Simple(&'s Aggregation),
    /// Added up over time.
    Cumulative {
        aggregation: &'s Aggregation,
        window: Option<Window>,
        grain_to_date: Option<Grain>,
        period: PeriodAggregation,
    },
    /// Events that another one led to.
    Converted(&'s Conversion),
}

impl<'s> Shape<'s> {
    /// The rows whose table gives the groupings.
    pub(super) fn aggregation(&self) -> &'s Aggregation {
        match self {
            Self::Simple(aggregation) | Self::Cumulative { aggregation, .. } => aggregation,
            Self::Converted(both) => &both.base,
        }
    }
}

/// Things to count, each once.
#[derive(Debug, Default)]
pub(super) struct Branches {
    /// SQL of each.
    pub(super) sql: Vec<String>,
}

impl Branches {
    fn add(&mut self, sql: String) -> usize {
        match self.sql.iter().position(|known| *known == sql) {
            Some(known) => known,
            None => {
                self.sql.push(sql);
                self.sql.len() - 1
            }
        }
    }
}

impl<'s> Planner<'s> {
    /// A metric as an expression over branches.
    ///
    /// # Errors
    /// When one of its parts cannot be counted.
    pub(super) fn expression(
        &self,
        metric: &'s Metric,
        above: &[&'s Filter],
        offset: Option<Offset>,
        branches: &mut Branches,
    ) -> Result<String, ConsumptionError> {
        let mut filters: Vec<&'s Filter> = above.to_vec();
        filters.extend(&metric.filters);
        match &metric.kind {
            MetricKind::Simple(aggregation) => {
                let shape = Shape::Simple(aggregation);
                self.counted(&Leaf { shape, filters, offset }, branches)
            }
            MetricKind::Cumulative { aggregation, window, grain_to_date, period } => {
                let shape = Shape::Cumulative {
                    aggregation,
                    window: *window,
                    grain_to_date: *grain_to_date,
                    period: *period,
                };
                self.counted(&Leaf { shape, filters, offset }, branches)
            }
            MetricKind::Ratio { numerator, denominator } => {
                let above = self.input(metric, numerator, &filters, offset, branches)?;
                let below = self.input(metric, denominator, &filters, offset, branches)?;
                Ok(self.share(&above, &below))
            }
            MetricKind::Derived { expr, inputs } => {
                let mut named = Vec::new();
                for input in inputs {
                    let sql = self.input(metric, input, &filters, offset, branches)?;
                    named.push((input.alias.as_ref().unwrap_or(&input.name), sql));
                }
                replaced(metric, expr, &named)
            }
            MetricKind::Conversion(both) => {
                let shape = Shape::Converted(both);
                let leaf = Leaf { shape, filters: filters.clone(), offset };
                let converted = self.counted(&leaf, branches)?;
                match both.calculation {
                    project::semantics::Calculation::Conversions => Ok(converted),
                    project::semantics::Calculation::ConversionRate => {
                        let leaf = Leaf { shape: Shape::Simple(&both.base), filters, offset };
                        let base = self.counted(&leaf, branches)?;
                        Ok(self.share(&converted, &base))
                    }
                }
            }
        }
    }

    /// A part over a whole; nothing when the whole is nothing.
    fn share(&self, above: &str, below: &str) -> String {
        let writer = self.writer;
        format!("{} / nullif({}, 0)", writer.double(above), writer.double(below))
    }

    fn counted(
        &self,
        leaf: &Leaf<'s>,
        branches: &mut Branches,
    ) -> Result<String, ConsumptionError> {
        let sql = self.branch(leaf)?;
        let column = mark(branches.add(sql));
        Ok(match &leaf.shape.aggregation().fill_nulls_with {
            Some(value) => format!("coalesce({column}, {value})"),
            None => column,
        })
    }

    fn input(
        &self,
        metric: &Metric,
        input: &'s MetricInput,
        filters: &[&'s Filter],
        offset: Option<Offset>,
        branches: &mut Branches,
    ) -> Result<String, ConsumptionError> {
        let own = match (input.offset_window, input.offset_to_grain) {
            (Some(window), _) => Some(Offset::Window(window)),
            (None, Some(grain)) => Some(Offset::ToGrain(grain)),
            (None, None) => None,
        };
        if own.is_some() && offset.is_some() {
            return Err(ConsumptionError::Settings {
                message: format!("\"{}\" moves \"{}\" in time twice", metric.name, input.name),
                help: "Give one of the two metrics no offset.".to_owned(),
            });
        }
        let found = self.metric(&input.name)?;
        let mut all = filters.to_vec();
        all.extend(&input.filters);
        self.expression(found, &all, own.or(offset), branches)
    }
}

/// The expression with each input's SQL in place of its name.
fn replaced(
    metric: &Metric,
    expr: &str,
    named: &[(&String, String)],
) -> Result<String, ConsumptionError> {
    let mut sql = String::new();
    let mut used = vec![false; named.len()];
    for token in tokens(expr) {
        let name = match token {
            Token::Word(text) | Token::Quoted(text) => text.trim_matches('"'),
            Token::Text(_) | Token::Number(_) | Token::Sign(_) | Token::Space(_) => "",
        };
        let found = named.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        match found {
            Some(found) => {
                used[found] = true;
                sql.push_str(&format!("({})", named[found].1));
            }
            None => sql.push_str(token.text()),
        }
    }
    if let Some(unused) = used.iter().position(|used| !used) {
        return Err(ConsumptionError::Settings {
            message: format!(
                "the expression of \"{}\" does not use its input \"{}\"",
                metric.name, named[unused].0
            ),
            help: format!("It is: {expr}. Use the input's alias, or take the input out."),
        });
    }
    Ok(format!("({sql})"))
}
