//! `require-dbt-version`: whether a project is for the dbt whose behaviour is kept here.

use base::Diagnostic;

use crate::codes;
use crate::yaml::{Data, Value};

/// The dbt whose behaviour is kept.
pub const DBT_VERSION: &str = "1.12.6";

/// Refuses a project that another dbt was asked for.
pub(crate) fn check(value: &Value, project: &str, diagnostics: &mut Vec<Diagnostic>) {
    for item in items(value) {
        let Some(text) = item.scalar_text() else { continue };
        // One text may hold several conditions.
        for condition in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            diagnostics.extend(check_one(condition, item, project));
        }
    }
}

fn items(value: &Value) -> Vec<&Value> {
    match &value.data {
        Data::List(items) => items.iter().collect(),
        Data::Null
        | Data::Bool(_)
        | Data::Integer(_)
        | Data::Float(_)
        | Data::Text(_)
        | Data::Mapping(_) => vec![value],
    }
}

fn check_one(condition: &str, value: &Value, project: &str) -> Option<Diagnostic> {
    let digits = condition.find(|letter: char| letter.is_ascii_digit()).unwrap_or(condition.len());
    let (operator, version) = condition.split_at(digits);
    let (wanted, own) = (parsed(version), parsed(DBT_VERSION)?);
    let fits = wanted.and_then(|wanted| {
        Some(match operator.trim() {
            "" | "=" => own == wanted,
            ">" => own > wanted,
            ">=" => own >= wanted,
            "<" => own < wanted,
            "<=" => own <= wanted,
            _ => return None,
        })
    });
    match fits {
        Some(true) => None,
        Some(false) => {
            let message = format!(
                "project \"{project}\" is for dbt {condition}, and this is dbt {DBT_VERSION}"
            );
            let help = "Widen require-dbt-version, install a version of the package that fits, or \
                        pass --no-version-check.";
            let problem = Diagnostic::error(codes::VERSION_REFUSED, message);
            Some(problem.at(value.span.clone(), "").help(help))
        }
        None => {
            let message = format!("\"{condition}\" is no condition on a version");
            let problem = Diagnostic::error(codes::WRONG_VALUE, message);
            let help = "Write an operator and three numbers, such as \">=1.8.0\" or \"<2.0.0\".";
            Some(problem.at(value.span.clone(), "").help(help))
        }
    }
}

/// Three numbers; what comes before a release (`-rc1`) is smaller than it.
fn parsed(text: &str) -> Option<([u64; 3], bool, &str)> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (numbers, tail) = text.split_at(end.unwrap_or(text.len()));
    let mut parts = numbers.split('.').map(|part| part.parse::<u64>().ok());
    let release = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some((release, tail.is_empty(), tail))
}

#[cfg(test)]
mod tests {
    use base::SourceFile;

    use super::*;

    fn said(written: &str) -> Vec<&'static str> {
        let file = SourceFile::new("dbt_project.yml", written);
        let mut diagnostics = Vec::new();
        let value = crate::yaml::read(&file, &mut diagnostics).unwrap();
        check(&value, "shop", &mut diagnostics);
        diagnostics.iter().map(|one| one.code).collect()
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for fits in ["\">=1.9.0\"", "[\">=1.8.0\", \"<2.0.0\"]", "\">=1.0.0,<2.0.0\"", "\"1.12.6\""]
        {
            assert!(said(fits).is_empty(), "{fits}");
        }
        for refused in ["\">=2.0.0\"", "\"<1.9.0\"", "[\">=1.0.0\", \"<1.12.0\"]", "\"=1.12.5\""] {
            assert_eq!(said(refused), [codes::VERSION_REFUSED], "{refused}");
        }
        assert!(said("\">=1.12.0-rc1\"").is_empty());
        assert_eq!(said("\"~1.8\""), [codes::WRONG_VALUE]);
    }
}
