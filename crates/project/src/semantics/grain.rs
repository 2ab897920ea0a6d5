//! Grains of time and windows of them.

/// What a time is rounded down to. The finer one is the lesser one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grain {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// A quarter of a year.
    Quarter,
    /// A year.
    Year,
}

impl Grain {
    /// Words of YAML and of names such as `metric_time__day`.
    pub const WORDS: &[(&str, Self)] = &[
        ("second", Self::Second),
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
    ];

    /// The word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, grain)| *grain == self).map_or("", |(word, _)| word)
    }

    /// The grain of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, grain)| *grain)
    }

    /// Whether its buckets always last the same time.
    pub fn is_even(self) -> bool {
        self <= Self::Week
    }
}

/// So many of a grain: `28 days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// How many.
    pub count: u32,
    /// Of what.
    pub grain: Grain,
}

impl Window {
    /// Reads `28 days`, `1 month`.
    pub fn read(text: &str) -> Option<Self> {
        let (count, grain) = text.trim().split_once(char::is_whitespace)?;
        let grain = grain.trim().to_ascii_lowercase();
        let grain = Grain::from_word(grain.strip_suffix('s').unwrap_or(&grain))?;
        let count = count.parse().ok().filter(|count| *count > 0)?;
        Some(Self { count, grain })
    }

    /// As an interval of SQL: `28 day`, `3 month` for a quarter.
    pub fn interval(self) -> String {
        let (count, unit) = match self.grain {
            Grain::Quarter => (self.count.saturating_mul(3), "month"),
            Grain::Week => (self.count.saturating_mul(7), "day"),
            Grain::Second
            | Grain::Minute
            | Grain::Hour
            | Grain::Day
            | Grain::Month
            | Grain::Year => (self.count, self.grain.word()),
        };
        format!("{count} {unit}")
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.count, self.grain.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_in_words() {
        assert_eq!(Window::read("28 days"), Some(Window { count: 28, grain: Grain::Day }));
        assert_eq!(Window::read("1 Month"), Some(Window { count: 1, grain: Grain::Month }));
        assert_eq!(Window::read("0 days"), None);
        assert_eq!(Window::read("days"), None);
        assert_eq!(Window { count: 2, grain: Grain::Quarter }.interval(), "6 month");
    }
}
