//! Seeds: CSV files of the project as tables.

use super::Desk;

const SEEDS: &str = r#"
-- dbt_project.yml --
name: shop
seeds:
  shop:
    +schema: raw
    codes: {+column_types: {zip: varchar, weight: "decimal(6, 2)"}}
    semi: {+delimiter: ";"}
-- seeds/people.csv --
id,name,born,joined_at,active,score,note
1,Ann,1990-01-31,2026-05-22 10:00:00,true,1.5,
2,"Bob, the ""second""",,2026-05-23 11:30:00,false,2,null
-- seeds/codes.csv --
zip,weight
01234,1.5
99999,2.25
-- seeds/semi.csv --
a;b
1;x
-- seeds/empty.csv --
a,b
-- models/adults.sql --
select name from {{ ref('people') }} where active
"#;

#[test]
fn a_seed_has_the_types_of_its_values_or_those_it_is_given() {
    for dialect in ["duckdb", "postgres"] {
        let desk = Desk::new(dialect, SEEDS);
        let told = desk.good(&["seed"]);
        assert_eq!(told.node("people")["rows"], 2);
        let typed = "select id + 1, name, born + 1, extract(hour from joined_at), not active, \
                     score * 2, note is null from main_raw.people where id = 1";
        assert_eq!(desk.rows(typed), ["2 Ann 1990-02-01 10 false 3.0 true"]);
        let quoted = "select replace(name, ',', ';'), note is null, born is null \
                      from main_raw.people where id = 2";
        assert_eq!(desk.rows(quoted), [r#""Bob; the ""second""" true true"#]);
        let codes = desk.rows("select zip, weight from main_raw.codes");
        assert_eq!(codes, ["01234 1.50", "99999 2.25"]);
        assert_eq!(desk.rows("select a + 1, b from main_raw.semi"), ["2 x"]);
        assert_eq!(desk.rows("select count(*), count(a) from main_raw.empty"), ["0 0"]);
        desk.good(&["run"]);
        assert_eq!(desk.rows("select name from adults"), ["Ann"]);
    }
}

#[test]
fn a_seed_read_again_replaces_its_table() {
    let desk = Desk::new("duckdb", "-- seeds/s.csv --\nid,word\n1,a\n2,b\n");
    desk.good(&["seed"]);
    desk.add("-- seeds/s.csv --\nid,word\n2,B\n3,c\n4,d\n");
    desk.good(&["seed"]);
    assert_eq!(desk.rows("select * from s order by id"), ["2 B", "3 c", "4 d"]);
    desk.add("-- seeds/s.csv --\nid,word,more\nx,y,1\n");
    desk.good(&["build", "--full-refresh"]);
    assert_eq!(desk.rows("select id, word, more from s"), ["x y 1"]);
    desk.add("-- seeds/s.csv --\nid,word,more\nx,y\n");
    let told = desk.bad(&["seed"]);
    assert!(told.stderr.contains("seeds/s.csv:2:1"), "{}", told.stderr);
    assert_eq!(desk.rows("select count(*) from s"), ["1"], "the last good version stays");
}
