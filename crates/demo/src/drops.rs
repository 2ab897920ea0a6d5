//! What the product leaves behind: one file per stream and hour, and the survey's daily file.

use crate::calendar::{self, DAYS, FRIDAY, HOUR, START};
use crate::draw::{Draw, Topic, mix};
use crate::line::{Line, push_padded, push_time};
use crate::words;
use crate::world::{Change, Door, World};

/// A file as delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drop {
    /// Stream it belongs to: `app.usage`.
    pub(crate) stream: &'static str,
    /// Path below the project folder.
    pub(crate) path: String,
    pub(crate) content: String,
    /// Whole rows, those delivered twice among them.
    pub(crate) rows: u64,
    /// Rows that no reader can take.
    pub(crate) broken: u64,
}

/// Every so many sign-ups one is delivered twice: the product's shipper promises "at least once".
pub(crate) const TWICE_EVERY: usize = 167;
/// Day and hour in which the shipper was restarted and cut lines off.
const CUT_OFF: (i64, i64) = (2, 3);
const CUT_OFF_LINES: f64 = 12.0;
/// Day on which the survey tool exported scores as `n/a`.
const NO_SCORE_DAY: i64 = 5;
const NO_SCORE_ANSWERS: f64 = 5.0;
const ANSWERS_PER_DAY: f64 = 60.0;

/// The files of one hour; an hour in which nothing happened has no file.
pub(crate) fn of_hour(world: &World, hour: i64) -> Vec<Drop> {
    let mut drops = vec![
        accounts(world, hour),
        users(world, hour),
        signups(world, hour, Door::Web),
        signups(world, hour, Door::Mobile),
        usage(world, hour),
    ];
    if hour % 24 == 23 {
        drops.push(answers(world, hour / 24));
    }
    drops.retain(|drop| drop.rows + drop.broken > 0);
    drops
}

/// The web sign-ups of Friday 13:00 as the shipper first wrote them in W1: every line cut in half.
pub(crate) fn cut_in_half(drop: &mut Drop) {
    let halves = drop.content.lines().map(|line| {
        let mut half = line[..line.len() / 2].to_owned();
        half.push('\n');
        half
    });
    drop.content = halves.collect();
    (drop.rows, drop.broken) = (0, drop.rows);
}

/// Hour of the file that W1 disturbs.
pub(crate) const DISTURBED_HOUR: i64 = FRIDAY * 24 + *calendar::FRIDAY_HOURS.start();

fn path(folder: &str, hour: i64) -> String {
    let date = calendar::date(hour / 24);
    format!("data/app/{folder}/dt={date}/hour={:02}.ndjson", hour % 24)
}

fn within(changes: &[Change], hour: i64) -> &[Change] {
    let begin = START + hour * HOUR;
    let from = changes.partition_point(|change| change.at < begin);
    let until = changes.partition_point(|change| change.at < begin + HOUR);
    &changes[from..until]
}

fn accounts(world: &World, hour: i64) -> Drop {
    let mut content = String::new();
    let changes = within(&world.account_changes, hour);
    for change in changes {
        let account = &world.accounts[change.number as usize];
        let (first, last) = account.name();
        let mut line = Line::begin(&mut content);
        line.id("account_id", "acc_", u64::from(change.number) + 1, 6);
        line.text("account_name", &format!("{first} {last}"));
        line.text("domain", &domain(world, change.number));
        line.text("country", account.country());
        line.text("industry", words::INDUSTRIES[account.industry]);
        line.number_or_null("employees", account.employees);
        line.text("plan", words::PLANS[account.plan_at(change.at)].0);
        let closed = account.closed.is_some_and(|closed| closed <= change.at);
        line.text("status", if closed { "closed" } else { "active" });
        line.time("created_at", account.created * 1_000);
        line.time("updated_at", change.at * 1_000).end();
    }
    let rows = changes.len() as u64;
    Drop { stream: "app.accounts", path: path("accounts", hour), content, rows, broken: 0 }
}

/// A domain of the account's own, below a name that nobody can register.
pub(crate) fn domain(world: &World, account: u32) -> String {
    let (first, last) = world.accounts[account as usize].name();
    format!("{}-{}-{}.example", first.to_lowercase(), last.to_lowercase(), account + 1)
}

fn users(world: &World, hour: i64) -> Drop {
    let mut content = String::new();
    let changes = within(&world.user_changes, hour);
    for change in changes {
        let user = &world.users[change.number as usize];
        let mut line = Line::begin(&mut content);
        line.id("user_id", "usr_", u64::from(change.number) + 1, 7);
        line.id("account_id", "acc_", u64::from(user.account) + 1, 6);
        line.text("email", &email(world, change.number));
        line.text("full_name", &format!("{} {}", user.first_name(), user.last_name()));
        line.text("role", user.role());
        match user.signup {
            Some(signup) => line.number("signup_id", signup_id(signup as usize)),
            None => line.null("signup_id"),
        };
        line.boolean("active", user.left.is_none_or(|left| change.at < left));
        line.time("created_at", user.created * 1_000);
        line.time("updated_at", change.at * 1_000).end();
    }
    let rows = changes.len() as u64;
    Drop { stream: "app.users", path: path("users", hour), content, rows, broken: 0 }
}

fn email(world: &World, number: u32) -> String {
    let user = &world.users[number as usize];
    let first = user.first_name().to_lowercase();
    let last = user.last_name().to_lowercase();
    format!("{first}.{last}.{}@{}", number + 1, domain(world, user.account))
}

/// The product's number of a sign-up.
fn signup_id(index: usize) -> i64 {
    1_000_001 + index as i64
}

/// Sign-ups of an hour, by their place in the whole play.
pub(crate) fn signups_within(world: &World, hour: i64) -> std::ops::Range<usize> {
    let begin_ms = (START + hour * HOUR) * 1_000;
    let from = world.signups.partition_point(|signup| signup.at_ms < begin_ms);
    let until = world.signups.partition_point(|signup| signup.at_ms < begin_ms + HOUR * 1_000);
    from..until
}

fn signups(world: &World, hour: i64, door: Door) -> Drop {
    let (stream, folder) = match door {
        Door::Web => ("app.signups", "signups"),
        Door::Mobile => ("app.signups_mobile", "signups_mobile"),
    };
    let (mut content, mut twice) = (String::new(), String::new());
    let mut rows = 0;
    for index in signups_within(world, hour) {
        if world.signups[index].door != door {
            continue;
        }
        let begin = content.len();
        signup(world, index, &mut content);
        rows += 1;
        if index % TWICE_EVERY == 5 {
            twice.push_str(&content[begin..]);
            rows += 1;
        }
    }
    content.push_str(&twice);
    Drop { stream, path: path(folder, hour), content, rows, broken: 0 }
}

fn signup(world: &World, index: usize, content: &mut String) {
    let signup = &world.signups[index];
    let mut draw = Draw::new(world.seed, Topic::Signups, 10_000_000 + index as u64);
    let country = draw.pick(words::COUNTRIES).0;
    let first = draw.pick(words::FIRST_NAMES).to_lowercase();
    let mut line = Line::begin(content);
    line.number("signup_id", signup_id(index));
    line.time("signed_up_at", signup.at_ms);
    line.text("email", &format!("{first}.{}@mail.example", signup_id(index)));
    line.text_or_null("country", (!draw.chance(50)).then_some(country));
    line.text("plan", words::PLANS[draw.weighted(&[60, 78, 92, 98, 100])].0);
    match signup.invited_to {
        Some(account) => line.id("invited_to_account_id", "acc_", u64::from(account) + 1, 6),
        None => line.null("invited_to_account_id"),
    };
    match signup.door {
        Door::Web => {
            let campaign = draw.chance(300).then(|| draw.pick(words::CAMPAIGNS));
            let referrer = draw.chance(500).then(|| draw.pick(words::REFERRERS));
            line.object("attribution", |line| {
                line.text_or_null("campaign", campaign);
                line.text_or_null("referrer", referrer);
            });
        }
        Door::Mobile => {
            line.text("store", draw.pick(&["apple", "google"]));
            line.text("app_version", draw.pick(&["5.2.0", "5.2.1", "5.3.0"]));
        }
    }
    line.end();
}

fn usage(world: &World, hour: i64) -> Drop {
    let count = world.calendar.usage_of_hour(hour / 24, hour % 24);
    let begin = START + hour * HOUR;
    let known = world.users_at(begin - 1);
    let mut draw = Draw::new(world.seed, Topic::Usage, hour.unsigned_abs());
    let mut content = String::with_capacity(count as usize * 260);
    let step_ms = (HOUR - 2) * 1_000 / count.max(1);
    for index in 0..count {
        let at_ms = begin * 1_000 + index * step_ms + draw.between(0, step_ms.max(1) - 1);
        let number = somebody(world, known, at_ms / 1_000, &mut draw);
        let event = mix(mix(world.seed) ^ (hour << 32 | index).unsigned_abs());
        event_line(world, number, at_ms, event, &mut draw, &mut content);
    }
    let mut broken = 0;
    if (hour / 24, hour % 24) == CUT_OFF {
        broken = calendar::scaled(CUT_OFF_LINES, world.calendar.scale()).unsigned_abs();
        for line in 0..broken {
            content.push_str("{\"event_id\":\"evt_cut_off_");
            push_padded(&mut content, line, 2);
            content.push_str("\",\"event_ts\":\"2026-02\n");
        }
    }
    let rows = count.unsigned_abs();
    Drop { stream: "app.usage", path: path("usage", hour), content, rows, broken }
}

/// A user who works at that moment: newcomers and the oldest accounts more often than others.
fn somebody(world: &World, known: usize, at: i64, draw: &mut Draw) -> usize {
    for _ in 0..8 {
        let share = draw.share();
        let number = if draw.chance(450) {
            known - 1 - (share * 0.15 * known as f64) as usize
        } else {
            (share * share.sqrt() * known as f64) as usize
        };
        if world.uses(&world.users[number], at) {
            return number;
        }
    }
    let first = draw.below(known);
    let circle = (first..known).chain(0..first);
    circle.into_iter().find(|&number| world.uses(&world.users[number], at)).unwrap_or(first)
}

fn event_line(
    world: &World,
    number: usize,
    at_ms: i64,
    event: u64,
    draw: &mut Draw,
    content: &mut String,
) {
    let user = &world.users[number];
    let (event_type, feature) = words::EVENT_TYPES[draw.weighted(words::EVENT_WEIGHTS)];
    let bits = draw.next();
    let platform = words::PLATFORMS[(bits % words::PLATFORMS.len() as u64) as usize];
    let duration_ms = 20 + (bits >> 8) % 900 + ((bits >> 20) % 40).pow(2);
    // One session a day and user is enough for whoever counts sessions.
    let session = mix(user.bits ^ (at_ms / 86_400_000).unsigned_abs());
    let mut line = Line::begin(content);
    line.token("event_id", "evt_", event);
    line.time("event_ts", at_ms);
    line.id("user_id", "usr_", number as u64 + 1, 7);
    line.id("account_id", "acc_", u64::from(user.account) + 1, 6);
    line.text("event_type", event_type);
    line.text("feature", feature);
    line.text("platform", platform);
    if bits >> 56 < 13 {
        line.null("session_id");
    } else {
        line.token("session_id", "ses_", session);
    }
    line.object("properties", |line| {
        line.number("duration_ms", duration_ms as i64);
        let rows = (feature == "sql_editor" || feature == "exports")
            .then_some(((bits >> 32) % 50_000) as i64);
        line.number_or_null("rows", rows);
    });
    line.end();
}

/// One day's answers to "how likely are you to recommend us".
fn answers(world: &World, day: i64) -> Drop {
    let mut content = String::from("response_id,user_id,score,comment,answered_at\n");
    let count = world.calendar.of_day(ANSWERS_PER_DAY, day).max(i64::from(day == NO_SCORE_DAY));
    let (mut rows, mut broken) = (0, 0);
    let begin = START + day * calendar::DAY;
    let known = world.users_at(begin - 1);
    let mut draw = Draw::new(world.seed, Topic::Answers, day.unsigned_abs());
    for index in 0..count {
        let at_ms = begin * 1_000 + draw.between(6 * HOUR, 23 * HOUR) * 1_000;
        let user = somebody(world, known, at_ms / 1_000, &mut draw);
        let score = draw.weighted(&[2, 3, 5, 8, 11, 17, 25, 38, 60, 82, 100]);
        content.push_str("nps_");
        push_padded(&mut content, (day * 10_000 + index).unsigned_abs(), 7);
        content.push_str(",usr_");
        push_padded(&mut content, user as u64 + 1, 7);
        content.push(',');
        push_padded(&mut content, score as u64, 1);
        content.push(',');
        if draw.chance(350) {
            let list = if score >= 7 { words::ANSWERS_GOOD } else { words::ANSWERS_POOR };
            content.push('"');
            content.push_str(&draw.pick(list).replace('"', "\"\""));
            content.push('"');
        }
        content.push(',');
        push_time(&mut content, at_ms);
        content.push('\n');
        rows += 1;
    }
    if day == NO_SCORE_DAY {
        broken = calendar::scaled(NO_SCORE_ANSWERS, world.calendar.scale()).unsigned_abs();
        for index in 0..broken {
            content.push_str("nps_na_");
            push_padded(&mut content, index, 2);
            content.push_str(",usr_0000001,n/a,,");
            push_time(&mut content, (begin + 12 * HOUR) * 1_000);
            content.push('\n');
        }
    }
    let path = format!("data/nps/nps_{}.csv", calendar::date(day));
    Drop { stream: "nps.answers", path, content, rows, broken }
}

/// Hours of the whole play.
pub(crate) const HOURS: i64 = DAYS * 24;
