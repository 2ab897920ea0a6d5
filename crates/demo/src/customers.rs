//! What accounts pay: subscriptions and payments, as the billing vendor keeps them.

use crate::calendar::{self, DAY, END, HOUR, START};
use crate::draw::{Draw, Topic};
use crate::words;
use crate::world::Account;

/// What an account ordered.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) account: u32,
    pub(crate) created: i64,
    pub(crate) plan: usize,
    pub(crate) seats: i64,
    /// A new plan from a moment on.
    pub(crate) change: Option<(i64, usize)>,
    pub(crate) canceled: Option<i64>,
}

impl Subscription {
    pub(crate) fn plan_at(&self, at: i64) -> usize {
        self.change.filter(|(from, _)| *from <= at).map_or(self.plan, |(_, plan)| plan)
    }
}

/// One month of a subscription.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) subscription: u32,
    pub(crate) created: i64,
    pub(crate) amount_minor: i64,
    pub(crate) failed: bool,
    pub(crate) refunded: Option<i64>,
}

/// How long before the play the vendor's books go back.
const BOOKS: i64 = 60 * DAY;
/// Between two payments of a subscription.
const MONTH: i64 = 30 * DAY;

pub(crate) fn subscriptions(seed: u64, accounts: &[Account]) -> Vec<Subscription> {
    let mut subscriptions = Vec::new();
    for (number, account) in accounts.iter().enumerate() {
        let mut draw = Draw::new(seed, Topic::Subscriptions, number as u64);
        let first_paid = if account.plan > 0 {
            Some(account.created + draw.between(0, 14 * DAY))
        } else {
            account.plan_change.map(|(at, _)| at)
        };
        let Some(created) = first_paid.map(calendar::settle) else { continue };
        if created >= END || account.closed.is_some_and(|closed| closed <= created + HOUR) {
            continue;
        }
        subscriptions.push(Subscription {
            account: number as u32,
            created,
            plan: account.plan_at(created),
            seats: 1 + (draw.share().powi(3) * 60.0) as i64,
            change: account.plan_change.filter(|(at, _)| *at > created && *at < END),
            canceled: account.closed.filter(|at| *at < END),
        });
    }
    subscriptions.sort_by_key(|subscription| subscription.created);
    subscriptions
}

pub(crate) fn payments(
    seed: u64,
    accounts: &[Account],
    subscriptions: &[Subscription],
) -> Vec<Payment> {
    let mut payments = Vec::new();
    for (number, subscription) in subscriptions.iter().enumerate() {
        let mut draw = Draw::new(seed, Topic::Payments, number as u64);
        let from = START - BOOKS;
        let skipped = ((from - subscription.created).max(0) + MONTH - 1) / MONTH;
        let mut at = subscription.created + skipped * MONTH;
        let ends = subscription.canceled.unwrap_or(END).min(END);
        while at < ends {
            let price = words::PLANS[subscription.plan_at(at)].1;
            let failed = draw.chance(50);
            let refund = calendar::settle(at + draw.between(DAY, 12 * DAY));
            let refunded = (!failed && draw.chance(20)).then_some(refund);
            payments.push(Payment {
                subscription: number as u32,
                created: calendar::settle(at),
                amount_minor: in_currency(
                    price * subscription.seats,
                    accounts[subscription.account as usize].currency(),
                ),
                failed,
                refunded: refunded.filter(|at| *at < END),
            });
            at += MONTH;
        }
    }
    payments.sort_by_key(|payment| payment.created);
    payments
}

fn in_currency(minor: i64, currency: &str) -> i64 {
    match currency {
        "eur" => minor * 93 / 100,
        "gbp" => minor * 79 / 100,
        _ => minor,
    }
}
