//! Everybody who takes part: accounts, sign-ups and users. The whole play is known from the seed
//! and the scale; a moment of it shows what happened up to then.

use crate::calendar::{self, Calendar, DAY, DAYS, END, HOUR, START};
use crate::customers::{self, Payment, Subscription};
use crate::draw::{Draw, Topic, mix};
use crate::sales::{self, Opportunity};
use crate::support::{self, Ticket};
use crate::words;

/// A company that uses the product.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) created: i64,
    pub(crate) country: usize,
    pub(crate) industry: usize,
    pub(crate) employees: Option<i64>,
    pub(crate) plan: usize,
    /// A new plan from a moment on.
    pub(crate) plan_change: Option<(i64, usize)>,
    pub(crate) closed: Option<i64>,
    /// The person who opened it and pays for it.
    pub(crate) owner: u32,
    words: (usize, usize),
}

impl Account {
    pub(crate) fn open_at(&self, at: i64) -> bool {
        self.created <= at && self.closed.is_none_or(|closed| at < closed)
    }

    pub(crate) fn plan_at(&self, at: i64) -> usize {
        self.plan_change.filter(|(from, _)| *from <= at).map_or(self.plan, |(_, plan)| plan)
    }

    pub(crate) fn name(&self) -> (&'static str, &'static str) {
        (words::COMPANY_FIRST[self.words.0], words::COMPANY_LAST[self.words.1])
    }

    pub(crate) fn country(&self) -> &'static str {
        words::COUNTRIES[self.country].0
    }

    pub(crate) fn currency(&self) -> &'static str {
        words::COUNTRIES[self.country].1
    }
}

/// Where a sign-up came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Web,
    Mobile,
}

/// Somebody who asked for a login.
#[derive(Clone, Debug)]
pub(crate) struct Signup {
    pub(crate) at_ms: i64,
    pub(crate) door: Door,
    pub(crate) invited_to: Option<u32>,
}

impl Signup {
    pub(crate) fn at(&self) -> i64 {
        self.at_ms.div_euclid(1_000)
    }
}

/// Somebody who uses the product.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) created: i64,
    pub(crate) account: u32,
    pub(crate) signup: Option<u32>,
    /// Left the account at that moment.
    pub(crate) left: Option<i64>,
    /// Bits from which name, role and habits follow.
    pub(crate) bits: u64,
}

impl User {
    pub(crate) fn first_name(&self) -> &'static str {
        words::FIRST_NAMES[(self.bits % words::FIRST_NAMES.len() as u64) as usize]
    }

    pub(crate) fn last_name(&self) -> &'static str {
        words::LAST_NAMES[((self.bits >> 16) % words::LAST_NAMES.len() as u64) as usize]
    }

    pub(crate) fn role(&self) -> &'static str {
        words::ROLES[((self.bits >> 32) % words::ROLES.len() as u64) as usize]
    }

    /// A third of all users never come back after the first look.
    pub(crate) fn comes_back(&self) -> bool {
        (self.bits >> 40) % 100 >= 33
    }
}

/// Something that changed and is therefore delivered (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) at: i64,
    pub(crate) number: u32,
}

/// The whole play.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) calendar: Calendar,
    pub(crate) accounts: Vec<Account>,
    pub(crate) signups: Vec<Signup>,
    pub(crate) users: Vec<User>,
    pub(crate) account_changes: Vec<Change>,
    pub(crate) user_changes: Vec<Change>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) opportunities: Vec<Opportunity>,
    pub(crate) tickets: Vec<Ticket>,
}

impl World {
    pub(crate) fn new(seed: u64, scale: f64) -> Self {
        let calendar = Calendar::new(seed, scale);
        let mut accounts = accounts(seed, &calendar);
        let signups = signups(seed, &calendar, &accounts);
        let users = users(seed, &mut accounts, &signups);
        let account_changes = account_changes(&accounts);
        let user_changes = user_changes(&users);
        let subscriptions = customers::subscriptions(seed, &accounts);
        let payments = customers::payments(seed, &accounts, &subscriptions);
        let opportunities = sales::opportunities(seed, &calendar, &accounts);
        let tickets = support::tickets(seed, &calendar, &accounts, &users);
        Self {
            seed,
            calendar,
            accounts,
            signups,
            users,
            account_changes,
            user_changes,
            subscriptions,
            payments,
            opportunities,
            tickets,
        }
    }

    /// How many users there are at a moment; they are numbered in the order they came.
    pub(crate) fn users_at(&self, at: i64) -> usize {
        self.users.partition_point(|user| user.created <= at)
    }

    pub(crate) fn account_of(&self, user: &User) -> &Account {
        &self.accounts[user.account as usize]
    }

    /// Whether the user works with the product at that moment.
    pub(crate) fn uses(&self, user: &User, at: i64) -> bool {
        user.comes_back()
            && user.left.is_none_or(|left| at < left)
            && self.account_of(user).open_at(at)
    }
}

fn accounts(seed: u64, calendar: &Calendar) -> Vec<Account> {
    let early = calendar::scaled(4_000.0, calendar.scale()).max(12);
    let mut created: Vec<i64> = (0..early)
        .map(|index| {
            let mut draw = Draw::new(seed, Topic::Accounts, index.unsigned_abs());
            START - DAY - draw.between(0, 720 * DAY)
        })
        .collect();
    for day in 0..DAYS {
        let mut draw = Draw::new(seed, Topic::Accounts, (1_000_000 + day).unsigned_abs());
        for _ in 0..calendar.of_day(22.0, day) {
            created.push(START + day * DAY + draw.between(6 * HOUR, 20 * HOUR));
        }
    }
    created.sort_unstable();
    created.into_iter().enumerate().map(|(index, at)| account(seed, index as u64, at)).collect()
}

fn account(seed: u64, index: u64, created: i64) -> Account {
    let mut draw = Draw::new(seed, Topic::Accounts, 2_000_000 + index);
    let created = calendar::settle(created);
    let plan = draw.weighted(&[30, 55, 78, 93, 100]);
    let during = |draw: &mut Draw| {
        let from = created.max(START) + 3 * DAY;
        calendar::settle(draw.between(from, from.max(END - HOUR)))
    };
    let plan_change = draw.chance(150).then(|| {
        let upgraded = (plan + 1).min(words::PLANS.len() - 1);
        (during(&mut draw), upgraded)
    });
    let closed = draw.chance(90).then(|| {
        let at = during(&mut draw);
        plan_change.map_or(at, |(changed, _)| at.max(changed + HOUR))
    });
    Account {
        created,
        country: draw.below(words::COUNTRIES.len()),
        industry: draw.below(words::INDUSTRIES.len()),
        employees: (!draw.chance(120)).then(|| 5 + (draw.share().powi(4) * 20_000.0) as i64),
        plan,
        plan_change,
        closed,
        owner: 0,
        words: (draw.below(words::COMPANY_FIRST.len()), draw.below(words::COMPANY_LAST.len())),
    }
}

fn signups(seed: u64, calendar: &Calendar, accounts: &[Account]) -> Vec<Signup> {
    let mut signups = Vec::new();
    for hour in 0..DAYS * 24 {
        let plan = calendar.signups_of_hour(hour / 24, hour % 24);
        let mut draw = Draw::new(seed, Topic::Signups, hour.unsigned_abs());
        let begin = START + hour * HOUR;
        let mut times: Vec<i64> = (0..plan.total())
            .map(|_| begin * 1_000 + draw.between(0, (HOUR - 2) * 1_000))
            .collect();
        times.sort_unstable();
        let known = accounts.partition_point(|account| account.created < begin);
        let doors = doors(plan, &mut draw);
        for (at_ms, door) in times.into_iter().zip(doors) {
            let invited_to = draw.chance(400).then(|| draw.below(known) as u32);
            signups.push(Signup { at_ms, door, invited_to });
        }
    }
    signups
}

/// Doors of an hour's sign-ups. The last one is mobile whenever there is one: nothing that came
/// through the web is younger than the youngest mobile sign-up of its hour.
fn doors(plan: calendar::HourPlan, draw: &mut Draw) -> Vec<Door> {
    let (mut web, mut mobile) = (plan.web, (plan.mobile - 1).max(0));
    let mut doors = Vec::new();
    while web + mobile > 0 {
        if draw.below((web + mobile) as usize) < web as usize {
            web -= 1;
            doors.push(Door::Web);
        } else {
            mobile -= 1;
            doors.push(Door::Mobile);
        }
    }
    doors.extend((plan.mobile > 0).then_some(Door::Mobile));
    doors
}

fn users(seed: u64, accounts: &mut [Account], signups: &[Signup]) -> Vec<User> {
    let mut newcomers: Vec<(i64, u32, Option<u32>, bool)> = Vec::new();
    for (number, account) in accounts.iter().enumerate() {
        newcomers.push((account.created, number as u32, None, true));
        if account.created < START {
            let mut draw = Draw::new(seed, Topic::Users, number as u64);
            for _ in 0..draw.below(9) {
                let created = draw.between(account.created + HOUR, START - HOUR);
                newcomers.push((calendar::settle(created), number as u32, None, false));
            }
        }
    }
    for (number, signup) in signups.iter().enumerate() {
        let mut draw = Draw::new(seed, Topic::Users, 4_000_000 + number as u64);
        let created = calendar::settle(signup.at() + draw.between(180, 5_400));
        let known = accounts.partition_point(|account| account.created < signup.at());
        let drawn = (draw.share().powf(1.5) * known as f64) as usize;
        let account = signup.invited_to.unwrap_or(drawn as u32);
        let open = accounts[account as usize].open_at(created);
        if draw.chance(550) && open && created < END {
            newcomers.push((created, account, Some(number as u32), false));
        }
    }
    newcomers.sort_unstable();
    let mut users = Vec::with_capacity(newcomers.len());
    for (created, account, signup, owner) in newcomers {
        let number = users.len() as u32;
        if owner {
            accounts[account as usize].owner = number;
        }
        let bits = mix(mix(seed).wrapping_add(u64::from(number)));
        let left = (!owner && (bits >> 48) % 100 < 6).then(|| {
            let from = created.max(START) + DAY;
            calendar::settle(from + (bits % 5_000_000) as i64)
        });
        users.push(User { created, account, signup, left: left.filter(|at| *at < END), bits });
    }
    users
}

fn account_changes(accounts: &[Account]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (number, account) in accounts.iter().enumerate() {
        let number = number as u32;
        changes.push(Change { at: account.created.max(START), number });
        let later = account.plan_change.map(|(at, _)| at).into_iter().chain(account.closed);
        changes.extend(later.filter(|at| *at < END).map(|at| Change { at, number }));
    }
    changes.sort_unstable();
    changes
}

fn user_changes(users: &[User]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (number, user) in users.iter().enumerate() {
        let number = number as u32;
        changes.push(Change { at: user.created.max(START), number });
        changes.extend(user.left.map(|at| Change { at, number }));
    }
    changes.sort_unstable();
    changes
}
