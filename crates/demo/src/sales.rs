//! What sales hopes for: opportunities, as the CRM keeps them.

use crate::calendar::{self, Calendar, DAY, DAYS, END, HOUR, START};
use crate::draw::{Draw, Topic};
use crate::words;
use crate::world::Account;

/// Stages in the vendor's words.
pub(crate) const STAGES: [&str; 5] =
    ["Prospecting", "Proposal", "Negotiation", "Closed Won", "Closed Lost"];

/// A deal that may come.
#[derive(Clone, Debug)]
pub(crate) struct Opportunity {
    pub(crate) account: u32,
    pub(crate) created: i64,
    pub(crate) amount_usd: Option<i64>,
    pub(crate) renewal: bool,
    pub(crate) owner: usize,
    pub(crate) lead_source: usize,
    /// Stage from a moment on, oldest first; the first is the moment of its making.
    pub(crate) stages: Vec<(i64, usize)>,
    pub(crate) deleted: Option<i64>,
}

impl Opportunity {
    pub(crate) fn stage_at(&self, at: i64) -> usize {
        self.stages.iter().rev().find(|(from, _)| *from <= at).map_or(0, |(_, stage)| *stage)
    }

    /// When the record was last touched, up to a moment.
    pub(crate) fn touched(&self, at: i64) -> i64 {
        let staged = self.stages.iter().map(|(from, _)| *from).chain(self.deleted);
        staged.filter(|moment| *moment <= at).max().unwrap_or(self.created)
    }

    pub(crate) fn deleted_at(&self, at: i64) -> bool {
        self.deleted.is_some_and(|deleted| deleted <= at)
    }
}

pub(crate) fn opportunities(
    seed: u64,
    calendar: &Calendar,
    accounts: &[Account],
) -> Vec<Opportunity> {
    let early = calendar::scaled(1_800.0, calendar.scale()).max(6);
    let mut created: Vec<i64> = (0..early)
        .map(|index| {
            let mut draw = Draw::new(seed, Topic::Opportunities, index.unsigned_abs());
            START - draw.between(HOUR, 120 * DAY)
        })
        .collect();
    for day in 0..DAYS {
        let mut draw = Draw::new(seed, Topic::Opportunities, (1_000_000 + day).unsigned_abs());
        for _ in 0..calendar.of_day(42.0, day) {
            created.push(START + day * DAY + draw.between(7 * HOUR, 19 * HOUR));
        }
    }
    created.sort_unstable();
    created
        .into_iter()
        .enumerate()
        .map(|(index, at)| opportunity(seed, index as u64, at, accounts))
        .collect()
}

fn opportunity(seed: u64, index: u64, created: i64, accounts: &[Account]) -> Opportunity {
    let mut draw = Draw::new(seed, Topic::Opportunities, 2_000_000 + index);
    let created = calendar::settle(created);
    let known = accounts.partition_point(|account| account.created <= created).max(1);
    let mut stages = vec![(created, 0)];
    let mut at = created;
    let mut stage = 0;
    while stage < 3 {
        at = calendar::settle(at + draw.between(2 * DAY, 18 * DAY));
        if draw.chance(120) {
            break;
        }
        let closes = stage == 2 || draw.chance(150);
        stage = if closes { if draw.chance(520) { 3 } else { 4 } } else { stage + 1 };
        stages.push((at, stage));
    }
    let last = stages.last().map_or(created, |(at, _)| *at);
    let deleted = draw
        .chance(25)
        .then(|| calendar::settle((last + draw.between(DAY, 30 * DAY)).max(START + DAY)));
    stages.retain(|(at, _)| *at < END);
    Opportunity {
        account: draw.below(known) as u32,
        created,
        amount_usd: (!draw.chance(80)).then(|| 500 * draw.between(2, 160)),
        renewal: draw.chance(350),
        owner: draw.below(words::SALES_OWNERS.len()),
        lead_source: draw.below(words::LEAD_SOURCES.len()),
        stages,
        deleted: deleted.filter(|at| *at < END),
    }
}
