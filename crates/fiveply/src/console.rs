//! What people see while work goes on: lines on standard error, a live line on a terminal. Data
//! alone goes to standard output.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::arguments::{LogLevel, Output};
use crate::events;

/// How often a live line turns.
const TICK: Duration = Duration::from_millis(120);

/// Standard error and standard output, with what the user asked of them.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    bars: Option<MultiProgress>,
    live: Arc<Mutex<BTreeMap<String, ProgressBar>>>,
    /// Whether escape sequences are welcome.
    pub(crate) colours: bool,
    quiet: bool,
    /// Whether results are one JSON document.
    pub(crate) json: bool,
}

/// A colour that carries a meaning, never decoration alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// All good.
    Good,
    /// Look at it.
    Warning,
    /// Broken.
    Bad,
    /// Beside the point.
    Faint,
    /// A heading.
    Strong,
}

impl Console {
    /// Reads terminal and environment (`NO_COLOR`).
    pub(crate) fn new(output: Output, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::with_colours(output, quiet, terminal && !plain)
    }

    /// The same, with or without colours whatever the terminal says.
    pub(crate) fn with_colours(output: Output, quiet: bool, colours: bool) -> Self {
        let live = std::io::stderr().is_terminal() && !quiet && output == Output::Text;
        Self {
            bars: live.then(MultiProgress::new),
            live: Arc::default(),
            colours,
            quiet,
            json: output == Output::Json,
        }
    }

    /// A line of progress; nothing when the user asked for quiet.
    pub(crate) fn say(&self, line: &str) {
        if events::speaks_dbt() {
            events::note(LogLevel::Info, line);
        } else if !self.quiet {
            self.write_line(line);
        }
    }

    /// A line that is shown in any case: an error.
    pub(crate) fn complain(&self, line: &str) {
        if events::speaks_dbt() {
            events::note(LogLevel::Warn, line);
        } else {
            self.write_line(line);
        }
    }

    fn write_line(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| write_to(&mut std::io::stderr().lock(), line)),
            None => write_to(&mut std::io::stderr().lock(), line),
        }
    }

    /// Data, on standard output.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(crate) fn print(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Shows a live line for work that goes on, under a name.
    pub(crate) fn start_live(&self, name: &str, text: String) {
        let Some(bars) = self.bars.as_ref().filter(|_| !events::speaks_dbt()) else { return };
        let bar = bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        bar.set_message(text);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(name.to_owned(), bar);
    }

    /// Changes what a live line says.
    pub(crate) fn update_live(&self, name: &str, text: String) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = live.get(name) {
            bar.set_message(text);
        }
    }

    /// Takes a live line away.
    pub(crate) fn end_live(&self, name: &str) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = live.remove(name) {
            bar.finish_and_clear();
        }
    }

    /// Text in a colour, where colours are welcome.
    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Good => "32",
            Ink::Warning => "33",
            Ink::Bad => "31",
            Ink::Faint => "2",
            Ink::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn write_to(out: &mut impl Write, line: &str) {
    // Nobody is left to tell when standard error itself is closed.
    let _ = writeln!(out, "{line}");
}

/// Seconds as people read them: `0.4 s`, `12.3 s`, `2 min 05 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let all = duration.as_secs_f64();
    if all < 100.0 {
        return format!("{all:.1} s");
    }
    let whole = duration.as_secs();
    format!("{} min {:02} s", whole / 60, whole % 60)
}

/// A count with thousands apart: `1 234 567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with what is counted: `1 row`, `1,234 rows`.
pub(crate) fn things(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// Rows of cells as aligned columns; `right` says which columns hold numbers.
pub(crate) fn columns(rows: &[Vec<String>], right: &[usize]) -> Vec<String> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest: Vec<usize> = (0..width)
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|c| c.chars().count()).max())
        .map(|widest| widest.unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(at, cell)| {
                let width = widest.get(at).copied().unwrap_or(0);
                if right.contains(&at) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_at_a_glance() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!([things(1, "row"), things(2, "row")], ["1 row", "2 rows"]);
        assert_eq!(seconds(Duration::from_millis(1_234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }

    #[test]
    fn columns_line_up_and_numbers_end_together() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let lines = columns(&[row(["a", "1"]), row(["long", "100"])], &[1]);
        assert_eq!(lines, ["a       1", "long  100"]);
    }
}
