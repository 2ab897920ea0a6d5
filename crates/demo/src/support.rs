//! What users complain about: tickets, as the support vendor keeps them.

use crate::calendar::{self, Calendar, DAY, DAYS, END, HOUR, START};
use crate::draw::{Draw, Topic};
use crate::words;
use crate::world::{Account, User};

/// A ticket's states in the vendor's words; the last takes it away.
pub(crate) const STATUSES: [&str; 6] = ["new", "open", "pending", "solved", "closed", "deleted"];
const DELETED: usize = 5;

/// One complaint.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) user: u32,
    pub(crate) created: i64,
    pub(crate) subject: usize,
    pub(crate) tag: usize,
    pub(crate) priority: Option<&'static str>,
    pub(crate) channel: &'static str,
    pub(crate) satisfaction: Option<&'static str>,
    /// Status from a moment on, oldest first; the first is the moment of its making.
    pub(crate) statuses: Vec<(i64, usize)>,
}

impl Ticket {
    /// When it was last touched up to a moment, and its status then.
    pub(crate) fn at(&self, at: i64) -> (i64, usize) {
        let reached = self.statuses.iter().rev().find(|(from, _)| *from <= at);
        reached.copied().unwrap_or((self.created, 0))
    }

    pub(crate) fn deleted_at(&self, at: i64) -> bool {
        self.at(at).1 == DELETED
    }
}

pub(crate) fn tickets(
    seed: u64,
    calendar: &Calendar,
    accounts: &[Account],
    users: &[User],
) -> Vec<Ticket> {
    let mut created = Vec::new();
    for day in 0..DAYS {
        let mut draw = Draw::new(seed, Topic::Tickets, day.unsigned_abs());
        for _ in 0..calendar.of_day(130.0, day) {
            created.push(START + day * DAY + draw.between(5 * HOUR, 22 * HOUR));
        }
    }
    created.sort_unstable();
    created
        .into_iter()
        .enumerate()
        .map(|(index, at)| ticket(seed, index as u64, calendar::settle(at), accounts, users))
        .collect()
}

fn ticket(seed: u64, index: u64, created: i64, accounts: &[Account], users: &[User]) -> Ticket {
    let mut draw = Draw::new(seed, Topic::Tickets, 1_000_000 + index);
    let known = users.partition_point(|user| user.created <= created).max(1);
    let mut user = draw.below(known);
    for _ in 0..4 {
        if accounts[users[user].account as usize].open_at(created) {
            break;
        }
        user = draw.below(known);
    }
    let mut statuses = vec![(created, 0)];
    let mut at = created;
    for status in 1..=4 {
        at = calendar::settle(at + draw.between(20 * 60, (status as i64) * 2 * DAY));
        if status == 2 && draw.chance(500) {
            continue;
        }
        statuses.push((at, status));
    }
    if draw.chance(15) {
        let deleted = calendar::settle(at + draw.between(HOUR, 5 * DAY));
        statuses.push((deleted, DELETED));
    }
    statuses.retain(|(at, _)| *at < END);
    Ticket {
        user: user as u32,
        created,
        subject: draw.below(words::SUBJECTS.len()),
        tag: draw.below(words::TICKET_TAGS.len()),
        priority: (!draw.chance(250)).then(|| draw.pick(&["low", "normal", "normal", "high"])),
        channel: draw.pick(&["email", "web", "chat"]),
        satisfaction: draw.chance(300).then(|| draw.pick(&["good", "good", "good", "bad"])),
        statuses,
    }
}
