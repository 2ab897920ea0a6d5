//! The project folder: an ordinary project that the user may edit.

use std::fs;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::DemoError;
use crate::play::replace;

macro_rules! files {
    ($($path:literal,)*) => {
        /// Path below the project folder, and content.
        const FILES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../template/", $path))),)*];
    };
}

files! {
    "README.md",
    "dashboards/company.yml",
    "dbt_project.yml",
    "features/churn.yml",
    "fiveply.yml",
    "gitignore",
    "ingest/app.yml",
    "ingest/billing.yml",
    "ingest/crm.yml",
    "ingest/nps.yml",
    "ingest/support.yml",
    "jobs/hourly.yml",
    "jobs/promises.yml",
    "models/groups.yml",
    "models/intermediate/int_signups_deduplicated.sql",
    "models/intermediate/properties.yml",
    "models/marts/core/dim_accounts.sql",
    "models/marts/core/dim_users.sql",
    "models/marts/core/fact_billing_events.sql",
    "models/marts/core/fact_product_usage.sql",
    "models/marts/core/fact_salesforce_opportunities.sql",
    "models/marts/core/fact_signups.sql",
    "models/marts/core/fact_support_tickets.sql",
    "models/marts/core/fact_user_events.sql",
    "models/marts/core/properties.yml",
    "models/marts/cs/mart_account_health_daily.sql",
    "models/marts/cs/nps_daily.sql",
    "models/marts/cs/properties.yml",
    "models/marts/finance/properties.yml",
    "models/marts/finance/revenue_daily.sql",
    "models/marts/finance/subscriptions_by_plan.sql",
    "models/marts/growth/marketing_attribution.sql",
    "models/marts/growth/properties.yml",
    "models/marts/growth/signups_daily.sql",
    "models/marts/ml/feature_churn_user_daily.sql",
    "models/marts/ml/properties.yml",
    "models/staging/properties.yml",
    "models/staging/stg_app__accounts.sql",
    "models/staging/stg_app__signups.sql",
    "models/staging/stg_app__usage.sql",
    "models/staging/stg_app__users.sql",
    "models/staging/stg_billing__payments.sql",
    "models/staging/stg_billing__subscriptions.sql",
    "models/staging/stg_crm__opportunities.sql",
    "models/staging/stg_nps__answers.sql",
    "models/staging/stg_support__tickets.sql",
    "seeds/countries.csv",
    "seeds/currencies.csv",
    "seeds/plans.csv",
    "seeds/properties.yml",
    "syncs/account_health.yml",
    "tests/every_signup_is_counted_on_one_day.sql",
    "tests/revenue_is_never_negative.sql",
}

/// The project's file whose `clock:` follows the play.
const SETTINGS: &str = "fiveply.yml";

/// Makes the files that are missing and says which; what is there stays as it is.
pub(crate) fn write_missing(dir: &Path) -> Result<Vec<String>, DemoError> {
    let mut written = Vec::new();
    for (path, content) in FILES {
        // Under its own name the file would hide the template's neighbours from our repository.
        let path = if *path == "gitignore" { ".gitignore" } else { path };
        let full = dir.join(path);
        if full.exists() {
            continue;
        }
        replace(&full, content.as_bytes())?;
        written.push(path.to_owned());
    }
    Ok(written)
}

/// Sets the project's clock to the moment the company was played to. A user who removed the line
/// wants another clock, and keeps it.
pub(crate) fn set_clock(dir: &Path, now: DateTime<Utc>) -> Result<(), DemoError> {
    let path = dir.join(SETTINGS);
    let text = fs::read_to_string(&path).map_err(DemoError::file(&path))?;
    let now = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let lines = text.split_inclusive('\n').map(|line| match line.strip_prefix("clock:") {
        Some(rest) => {
            let comment = rest.find('#').map_or("\n", |place| &rest[place..]);
            let space = if comment.starts_with('#') { " " } else { "" };
            format!("clock: \"{now}\"{space}{comment}")
        }
        None => line.to_owned(),
    });
    let changed: String = lines.collect();
    if changed == text { Ok(()) } else { replace(&path, changed.as_bytes()) }
}
