//! The tutorial, run as written over real data, and its answers against pandas.

use std::process::Command;

use serde_json::{Value, json};
use testkit::{Fiveply, Folder};

use crate::pages::{Page, python, repository};

/// The same questions for pandas, asked of the same CSV files.
const ANSWERS: &str = r#"
import json, sys
import pandas as pd
read = lambda name: pd.read_csv(f"data/{name}.csv", keep_default_na=False, na_values=["", "NA"])
flights, planes, airports = read("flights"), read("planes"), read("airports")
airlines, weather = read("airlines"), read("weather")
named = flights.merge(airlines, on="carrier", how="left")
named["cancelled"] = named.dep_time.isna()
airline = named.groupby("name").agg(
    flights=("flight", "size"), cancelled=("cancelled", "sum"), delay=("arr_delay", "mean"))
days = named.groupby(["origin", "year", "month", "day"]).cancelled.sum()
hours = weather[["origin", "time_hour", "visib"]]
seen = named.merge(hours, on=["origin", "time_hour"], how="left")
def sight(miles):
    if pd.isna(miles): return "not measured"
    return "poor" if miles < 3 else "fair" if miles < 10 else "clear"
seen["sight"] = seen.visib.map(sight)
sights = seen.groupby("sight").agg(flights=("flight", "size"), delay=("dep_delay", "mean"))
tails, faa = set(planes.tailnum), set(airports.faa)
json.dump({
    "counts": {
        "airlines": len(airlines), "airports": len(airports), "planes": len(planes),
        "weather": len(weather), "flights": len(flights)},
    "planes_without_year": int(planes.year.isna().sum()),
    "hours_without_temperature": int(weather.temp.isna().sum()),
    "without_plane": int((flights.tailnum.notna() & ~flights.tailnum.isin(tails)).sum()),
    "without_airport": int((~flights.dest.isin(faa)).sum()),
    "airlines": {n: [int(r.flights), int(r.cancelled), r.delay] for n, r in airline.iterrows()},
    "days": {f"{o} {y}-{m:02}-{d:02}": int(n) for (o, y, m, d), n in days.items()},
    "sights": {n: [int(r.flights), r.delay] for n, r in sights.iterrows()},
}, sys.stdout)
"#;

#[test]
fn tutorial_runs_as_written_and_agrees_with_pandas() {
    let folder = Folder::empty().unwrap();
    Page::read(&repository().join("docs/tutorial.md")).run(&folder);
    let pandas = ask_pandas(&folder);
    let product = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path());
    counts_and_rejects(&product, &pandas);
    three_answers(&product, &pandas);
}

fn ask_pandas(folder: &Folder) -> Value {
    let output =
        Command::new(python()).args(["-c", ANSWERS]).current_dir(folder.path()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pandas did not answer: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn counts_and_rejects(product: &Fiveply, pandas: &Value) {
    assert_eq!(pandas["counts"]["flights"], json!(336_776));
    for (table, count) in pandas["counts"].as_object().unwrap() {
        let sql = format!("select count(*) from nyc.{table}");
        assert_eq!(&product.value(&sql).unwrap(), count, "{table}");
    }
    // What the page prints of the first load is what pandas finds missing.
    assert_eq!(pandas["planes_without_year"], json!(70));
    assert_eq!(pandas["hours_without_temperature"], json!(1));
    let gaps = |table: &str, column: &str, key: &str| {
        let sql = format!(
            "select count(*) from main.fct_flights f where f.{column} is not null and not exists \
             (select 1 from main.{table} d where d.{key} = f.{column})"
        );
        product.value(&sql).unwrap()
    };
    assert_eq!(gaps("dim_planes", "tailnum", "tailnum"), pandas["without_plane"]);
    assert_eq!(gaps("dim_airports", "dest", "airport"), pandas["without_airport"]);
    assert_eq!(pandas["without_plane"], json!(50_094));
    assert_eq!(pandas["without_airport"], json!(7_602));
}

fn three_answers(product: &Fiveply, pandas: &Value) {
    let rows = product.rows("select * from main_marts.airline_punctuality").unwrap();
    assert_eq!(rows.len(), pandas["airlines"].as_object().unwrap().len());
    for row in rows {
        let theirs = &pandas["airlines"][row["airline"].as_str().unwrap()];
        assert_eq!([&row["flights"], &row["cancelled"]], [&theirs[0], &theirs[1]], "{row}");
        close(&row["avg_arr_delay_min"], &theirs[2]);
    }
    let rows = product.rows("select * from main_marts.airport_days").unwrap();
    assert_eq!(rows.len(), pandas["days"].as_object().unwrap().len());
    for row in rows {
        let day = row["flight_date"].as_str().unwrap();
        let key = format!("{} {}", row["origin"].as_str().unwrap(), day);
        assert_eq!(row["cancelled"], pandas["days"][&key], "{key}");
    }
    let rows = product.rows("select * from main_marts.visibility_delays").unwrap();
    assert_eq!(rows.len(), pandas["sights"].as_object().unwrap().len());
    for row in rows {
        let theirs = &pandas["sights"][row["visibility"].as_str().unwrap()];
        assert_eq!(row["flights"], theirs[0], "{row}");
        close(&row["avg_dep_delay_min"], &theirs[1]);
    }
}

/// The marts round to one digit.
fn close(ours: &Value, theirs: &Value) {
    let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
    assert!((ours - theirs).abs() <= 0.050_001, "{ours} is not {theirs}");
}
