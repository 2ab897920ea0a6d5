//! Broken data files: counted rejects or a clear error, with other files, other streams and
//! earlier versions kept, and an account that holds.

use std::io::Write as _;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use serde_json::Value;
use testkit::{Fiveply, Folder};

use super::{PROJECT, document, fiveply};

/// A stream of its own: its name, the file that is good before and after, and the broken one.
struct Case {
    name: &'static str,
    extension: &'static str,
    broken: Vec<u8>,
}

const GOOD_CSV: &[u8] = b"id,n\n1,1.5\n2,2.5\n";
const GOOD_NDJSON: &[u8] = b"{\"id\":1,\"n\":1.5}\n{\"id\":2,\"n\":2.5}\n";

fn csv_cases() -> Vec<Case> {
    let wide: Vec<String> = (0..2_000).map(|number| format!("c{number}")).collect();
    let values = vec!["1"; 2_000].join(",");
    let wide = format!("id,n,{}\n3,3.5,{values}\n", wide.join(","));
    let mut open_quote = "id,n\n3,\"never closed\n".to_owned();
    (4..1_000).for_each(|id| open_quote.push_str(&format!("{id},1.5\n")));
    let case = |name, broken: &[u8]| Case { name, extension: "csv", broken: broken.to_vec() };
    vec![
        case("csv_truncated", b"id,n\n3,3.5\n4"),
        case("csv_wrong_types", b"id,n\nx,y\n3,3.5\n,\n"),
        case("csv_not_utf8", b"id,n\n3,\xff\xfe\n4,4.5\n"),
        case("csv_open_quote", open_quote.as_bytes()),
        case("csv_wide", wide.as_bytes()),
        case("csv_number_too_large", b"id,n\n99999999999999999999,1.5\n3,1e999\n4,4.5\n"),
        case("csv_empty", b""),
        case("csv_mark", b"\xef\xbb\xbfid,n\n3,3.5\n"),
        case("csv_ragged", b"id,n\n3\n4,4.5,4\n5,5.5\n"),
        case("csv_same_header_twice", b"id,n,n\n3,3.5,4.5\n"),
        case("csv_utf16", b"\xff\xfei\0d\0,\0n\0\n\0"),
        case("csv_null_bytes", b"id,n\n\0\0\0,\0\n3,3.5\n"),
        case("csv_is_parquet", &parquet(3)),
    ]
}

fn ndjson_cases() -> Vec<Case> {
    let wide: Vec<String> = (0..2_000).map(|number| format!("\"c{number}\":1")).collect();
    let wide = format!("{{\"id\":3,{}}}\n", wide.join(","));
    let deep = format!("{{\"id\":3,\"n\":{}1{}}}\n", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{deep}{{\"id\":4,\"n\":4.5}}\n");
    let case = |name, broken: &[u8]| Case { name, extension: "ndjson", broken: broken.to_vec() };
    vec![
        case("ndjson_truncated", b"{\"id\":3,\"n\":3.5}\n{\"id\":4,\"n\":4"),
        case("ndjson_wrong_types", b"{\"id\":\"x\",\"n\":[1]}\n[3]\n\"id\"\nnull\n{\"id\":3}\n"),
        case("ndjson_not_utf8", b"{\"id\":3,\"n\":\"\xff\xfe\"}\n{\"id\":4,\"n\":4.5}\n"),
        case("ndjson_open_quote", b"{\"id\":3,\"n\":\"never}\n{\"id\":4,\"n\":4.5}\n"),
        case("ndjson_wide", wide.as_bytes()),
        case(
            "ndjson_number_too_large",
            b"{\"id\":99999999999999999999,\"n\":1.5}\n{\"id\":3,\"n\":1e999}\n{\"id\":4}\n",
        ),
        case("ndjson_deep", deep.as_bytes()),
        case("ndjson_empty", b""),
        case("ndjson_mark", b"\xef\xbb\xbf{\"id\":3,\"n\":3.5}\n"),
        case("ndjson_is_array", b"[{\"id\":3,\"n\":3.5},\n{\"id\":4,\"n\":4.5}]\n"),
        case("ndjson_same_key_twice", b"{\"id\":3,\"id\":4,\"n\":3.5}\n"),
    ]
}

fn archive_cases() -> Vec<Case> {
    let rows: String = (3..30_000).map(|id| format!("{{\"id\":{id},\"n\":1.5}}\n")).collect();
    let packed = gzip(rows.as_bytes());
    let case = |name, broken: &[u8]| Case { name, extension: "ndjson.gz", broken: broken.to_vec() };
    vec![
        case("gzip_truncated", &packed[..packed.len() / 2]),
        case("gzip_is_none", b"{\"id\":3,\"n\":3.5}\n"),
        case("gzip_empty", b""),
    ]
}

fn parquet_cases() -> Vec<Case> {
    let whole = parquet(3);
    let mut footer = whole.clone();
    let end = footer.len();
    footer[end - 8..end - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut magic = whole.clone();
    magic[end - 4..].copy_from_slice(b"NOPE");
    let mut pages = whole.clone();
    pages[4..40].fill(0xff);
    let mut thrift = whole.clone();
    let length = usize::try_from(u32::from_le_bytes(whole[end - 8..end - 4].try_into().unwrap()));
    let start = end - 8 - length.unwrap();
    thrift[start..end - 8].fill(0x5a);
    let case = |name, broken: &[u8]| Case { name, extension: "parquet", broken: broken.to_vec() };
    vec![
        case("parquet_half", &whole[..end / 2]),
        case("parquet_wrong_footer_length", &footer),
        case("parquet_wrong_footer", &thrift),
        case("parquet_wrong_magic", &magic),
        case("parquet_wrong_pages", &pages),
        case("parquet_empty", b""),
        case("parquet_is_csv", GOOD_CSV),
    ]
}

/// A Parquet file of two rows, as `fiveply query` writes it.
fn parquet(first: u32) -> Vec<u8> {
    let folder = Folder::with(PROJECT).unwrap();
    let sql = format!("select {first} as id, 1.5::double as n union all select {first} + 1, 2.5");
    let arguments = ["query", "--format", "parquet", "--file", "rows.parquet", &sql];
    fiveply(folder.path()).good(&arguments).unwrap();
    std::fs::read(folder.path().join("rows.parquet")).unwrap()
}

/// Packs with the tool that is on every machine.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .args(["-1", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

fn good(case: &Case) -> Vec<u8> {
    match case.extension {
        "csv" => GOOD_CSV.to_vec(),
        "ndjson" => GOOD_NDJSON.to_vec(),
        "ndjson.gz" => gzip(GOOD_NDJSON),
        _ => parquet(1),
    }
}

#[test]
fn broken_files_are_counted_and_what_is_good_beside_them_is_kept() {
    let mut cases = csv_cases();
    cases.extend(ndjson_cases());
    cases.extend(archive_cases());
    cases.extend(parquet_cases());
    let folder = Folder::with(PROJECT).unwrap();
    let mut ingest = "connection: {type: files, path: data}\n\
        defaults: {reject_limit: 100}\nstreams:\n"
        .to_owned();
    for case in &cases {
        let Case { name, extension, .. } = case;
        ingest.push_str(&format!("  - {{name: {name}, files: '{name}/*.{extension}'}}\n"));
        folder.write(format!("data/{name}/a.{extension}"), &good(case)).unwrap();
    }
    folder.write("ingest/app.yml", ingest.as_bytes()).unwrap();
    let fiveply = fiveply(folder.path());
    fiveply.good(&["load", "--quiet"]).unwrap();

    for case in &cases {
        let Case { name, extension, broken } = case;
        folder.write(format!("data/{name}/b.{extension}"), broken).unwrap();
        folder.write(format!("data/{name}/c.{extension}"), &good(case)).unwrap();
    }
    let loaded = document(&fiveply.run(&["load", "--output", "json"]).unwrap());
    let mut table = String::new();
    for case in &cases {
        let node = format!("stream.app.{}", case.name);
        let nodes = loaded["nodes"].as_array().unwrap();
        let found = nodes.iter().find(|one| one["node"] == node.as_str());
        let report = found.unwrap_or_else(|| panic!("{node} was not loaded"));
        table.push_str(&outcome(&fiveply, case.name, report));
    }
    assert_snapshot!(table);
}

/// Checks the account of one stream against its tables, and says in a few lines what became of it.
fn outcome(fiveply: &Fiveply, name: &str, report: &Value) -> String {
    let rows = fiveply.value(&format!("select count(*) from app.{name}")).unwrap();
    let load = &report["load"];
    let number = |key: &str| load[key].as_u64().unwrap_or(0);
    let parts = ["inserted", "updated", "deleted", "unchanged", "deduplicated", "late", "rejected"];
    let sum: u64 = parts.iter().map(|part| number(part)).sum();
    assert_eq!(number("read"), sum, "{name}: {load}");
    assert_eq!(rows, 2 + number("inserted"), "{name}: the earlier version and what came: {report}");
    let good = format!(
        "select count(*) from app.{name} where _fiveply_file like '{name}/c.%' and id in (1, 2)"
    );
    let good = fiveply.value(&good).unwrap();
    // How many rows come before the break is up to the packer.
    if name == "gzip_truncated" {
        assert!(number("inserted") > 1_000 && number("rejected") == 2, "{report}");
        return format!("{name}: {good} of the good file, and what came before the break\n");
    }
    let mut text = format!(
        "{name}: {}, {} read, {} inserted, {} rejected, {good} of the good file\n",
        report["status"].as_str().unwrap(),
        number("read"),
        number("inserted"),
        number("rejected"),
    );
    if report["status"] == "failed" {
        text.push_str(&format!("  error: {}\n", report["message"].as_str().unwrap()));
        return text;
    }
    assert_eq!(good, 2, "{name}: the good file beside it: {report}");
    if number("rejected") == 0 {
        return text;
    }
    let rejects =
        format!("select line, reason, rows from app.{name}__rejects order by line, reason");
    let rejects = fiveply.rows(&rejects).unwrap();
    let rejected: u64 = rejects.iter().filter_map(|reject| reject["rows"].as_u64()).sum();
    assert_eq!(rejected, number("rejected"), "{name}: {rejects:?}");
    for reject in rejects.iter().take(3) {
        let reason = reject["reason"].as_str().unwrap();
        let reason: String = reason.replace('\0', "\\0").chars().take(140).collect();
        text.push_str(&format!("  line {}: {reason}\n", reject["line"]));
    }
    text
}

#[test]
fn too_many_rejects_stop_one_stream_and_publish_nothing_of_it() {
    let folder = Folder::with(&format!(
        "{PROJECT}-- ingest/app.yml --\n\
        connection: {{type: files, path: data}}\n\
        streams: [{{name: bad, files: 'bad/*.csv'}}, {{name: fine, files: 'fine/*.csv'}}]\n"
    ))
    .unwrap();
    folder.write("data/bad/a.csv", GOOD_CSV).unwrap();
    let fiveply = fiveply(folder.path());
    fiveply.good(&["load", "app.bad"]).unwrap();
    folder.write("data/bad/b.csv", b"id,n\n3\n4\n5\n6,1.5\n").unwrap();
    folder.write("data/fine/a.csv", GOOD_CSV).unwrap();
    let loaded = fiveply.run(&["load", "--threads", "1"]).unwrap();
    assert_eq!(loaded.code, Some(1), "{loaded:#?}");
    assert_snapshot!(super::settled(&loaded.stderr, folder.path()));
    assert_eq!(fiveply.value("select count(*) from app.bad").unwrap(), 2);
    assert_eq!(fiveply.value("select count(*) from app.fine").unwrap(), 2);
}
