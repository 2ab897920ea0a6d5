//! YAML with spans, and bytes that are none.

use base::SourceFile;
use project::yaml::{self, Data};
use project::{ProjectOptions, open};
use proptest::prelude::*;

use crate::fixture::Folder;

fn read(text: &str) -> (Option<yaml::Value>, usize) {
    let mut diagnostics = Vec::new();
    let value = yaml::read(&SourceFile::new("a.yml", text), &mut diagnostics);
    (value, diagnostics.len())
}

#[test]
fn every_value_knows_its_bytes() {
    let text = "ä: 'é'\nlist:\n  - one\n  - {two: 2}\n\nlast: |\n  text\n";
    let (value, problems) = read(text);
    assert_eq!(problems, 0);
    let value = value.unwrap();
    let mapping = value.as_mapping().unwrap();
    let written = |value: &yaml::Value| text[value.span.start..value.span.end].to_owned();
    assert_eq!(written(mapping.get("ä").unwrap()), "'é'");
    let list = mapping.get("list").unwrap();
    assert_eq!(written(&list.as_list().unwrap()[1]), "{two: 2}");
    let key = mapping.entry("last").unwrap();
    assert_eq!(&text[key.key_span.start..key.key_span.end], "last");
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let (value, _) = read("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\n");
    let json = value.unwrap().to_json();
    assert_eq!(json["more"], serde_json::json!({"y": 3, "x": 1}));
}

#[test]
fn aliases_that_explode_are_stopped() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert_eq!(read(&text), (None, 1));
    assert_eq!(read(&"[".repeat(200)).0, None);
    assert_eq!(read(&"- ".repeat(5_000)).0, None);
}

#[test]
fn keys_stay_text_and_quoted_scalars_too() {
    let (value, _) = read("on: 'yes'\n1: \"2\"\n");
    let value = value.unwrap();
    let mapping = value.as_mapping().unwrap();
    assert_eq!(mapping.get("on").unwrap().data, Data::Text("yes".to_owned()));
    assert_eq!(mapping.get("1").unwrap().data, Data::Text("2".to_owned()));
}

/// Pieces that make YAML-like noise.
fn noise() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "'", "\"", "|", ">",
        "#", "!", "%", "@", "`", "? ", "<<", "---", "...", "\t", "é", "\u{0}", "{{", "}}",
        "!!str ", "models", "name", "tests",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 192,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn noise_never_panics(text in noise()) {
        read(&text);
    }

    #[test]
    fn text_never_panics(text in ".{0,200}") {
        read(&text);
    }

    #[test]
    fn bytes_as_project_files_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = Folder::new("//- dbt_project.yml\nname: shop\n")
            .with("models/a.sql", &bytes)
            .with("models/a.yml", &bytes)
            .with("macros/a.sql", &bytes)
            .with("fiveply.yml", &bytes)
            .with("ingest/a.yml", &bytes)
            .with("packages.yml", &bytes);
        open(std::path::Path::new("/p"), &ProjectOptions::default(), &folder);
    }

    #[test]
    fn noise_as_properties_never_panics(text in noise()) {
        let folder = Folder::new("//- dbt_project.yml\nname: shop\n//- models/a.sql\nselect 1\n")
            .with("models/a.yml", format!("models:\n- name: a\n  {text}").as_bytes())
            .with("fiveply.yml", format!("connections: {text}").as_bytes())
            .with("models/b.sql", text.as_bytes());
        open(std::path::Path::new("/p"), &ProjectOptions::default(), &folder);
    }
}
