//! Broken files: each ends in counted rejects or a clear error, and what is good beside it stays.

use crate::house::House;

async fn rejects(house: &House) -> String {
    house
        .rows("rows__rejects", &["file", "line", "column_name", "reason", "source_text"])
        .await
        .join("\n")
}

const MANY: &str = "reject_limit: 100";

#[tokio::test]
async fn broken_lines_are_kept_aside_with_their_reasons() {
    let house = House::new().await;
    let mut bytes = b"{\"id\":1}\nnot json\n\n{\"id\":\"x\"}\n{\"id\":2,\"s\":\"".to_vec();
    bytes
        .extend_from_slice(b"\xff\"}\n{\"id\":9999999999999999999999}\n[1]\n{\"id\":3}\n{\"id\":4");
    // The type comes from a file before, so that the odd values have nothing to widen.
    house.write("a.ndjson", "{\"id\":0}\n");
    house.load_files(&format!("files: '*.ndjson', {MANY}")).await.unwrap();
    house.write("b.ndjson", bytes);
    let outcome = house.load_files(&format!("files: '*.ndjson', {MANY}")).await.unwrap();
    assert_eq!((outcome.account.read, outcome.account.rejected), (8, 6));
    assert_eq!(house.rows("rows", &["id"]).await, ["0", "1", "3"]);
    insta::assert_snapshot!(rejects(&house).await);
}

#[tokio::test]
async fn a_quote_never_closed_does_not_swallow_the_file() {
    let house = House::new().await;
    let mut text = "id,name\n1,a\n2,\"never closed\n".to_owned();
    for id in 3..2_000 {
        text.push_str(&format!("{id},x\n"));
    }
    house.write("a.csv", text);
    let outcome = house.load_files("files: '*.csv'").await.unwrap();
    assert_eq!((outcome.account.inserted, outcome.account.rejected), (1_998, 1));
    insta::assert_snapshot!(rejects(&house).await);
}

#[tokio::test]
async fn csv_oddities_are_counted_or_read() {
    let house = House::new().await;
    house.write("a.csv", "\u{feff}id,id,,wide\n1,2,3,4\n1,2\n1,2,3,4,5\n\n5,6,7,8");
    house.write("empty.csv", "");
    house.write("header_only.csv", "id,id,,wide\n");
    let outcome = house.load_files(&format!("files: '*.csv', {MANY}")).await.unwrap();
    assert_eq!((outcome.account.inserted, outcome.account.rejected), (2, 2));
    assert_eq!(outcome.files, 3);
    let columns = house.columns("rows").await;
    assert_eq!(columns, "id: Int64, id_2: Int64, column_3: Int64, wide: Int64");
    insta::assert_snapshot!(rejects(&house).await, @r"
    a.csv | 3 | ∅ | 2 values, and the header names 4 | 1,2
    a.csv | 4 | ∅ | 5 values, and the header names 4 | 1,2,3,4,5
    ");
}

#[tokio::test]
async fn truncated_archives_give_what_came_before_the_break() {
    use std::io::Write;
    let house = House::new().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    let text: String = (0..20_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    gzip.write_all(text.as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    house.write("a.ndjson.gz", &bytes[..bytes.len() / 2]);
    house.write("b.ndjson", "{\"id\":-1}\n");
    let outcome = house.load_files(&format!("files: '*.ndjson*', {MANY}")).await.unwrap();
    assert!(outcome.account.inserted > 1_000, "{:?}", outcome.account);
    assert!((1..=2).contains(&outcome.account.rejected));
    assert!(rejects(&house).await.contains("cannot be read further"));
}

#[tokio::test]
async fn a_line_of_100_mb_is_rejected_and_its_neighbours_stay() {
    let house = House::new().await;
    let path = house.path("a.ndjson");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut file, b"{\"id\":1}\n{\"id\":\"").unwrap();
    // A hole of zero bytes costs no disk.
    let length = 100 * 1024 * 1024;
    file.set_len(length).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    std::io::Write::write_all(&mut file, b"\"}\n{\"id\":2}\n").unwrap();
    drop(file);
    house.age("a.ndjson", 60);
    let outcome = house.load_files(&format!("files: '*.ndjson', {MANY}")).await.unwrap();
    assert_eq!((outcome.account.inserted, outcome.account.rejected), (2, 1));
    let rejects = house.rows("rows__rejects", &["line", "source_bytes", "reason"]).await;
    let bytes = length - 9 + 2;
    assert_eq!(
        rejects,
        [format!(
            "2 | {bytes} | the line has {bytes} bytes, more than the 16777216 a line may have"
        )]
    );
}

#[tokio::test]
async fn two_thousand_columns_are_loaded_and_a_limit_says_its_name() {
    let house = House::new().await;
    let names: Vec<String> = (0..2_000).map(|number| format!("c{number}")).collect();
    let values: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    house.write("a.csv", format!("{}\n{}\n", names.join(","), values.join(",")));
    let outcome = house.load_files("files: '*.csv'").await.unwrap();
    assert_eq!(outcome.rows, 1);
    assert_eq!(house.rows("rows", &["c1999"]).await, ["1999"]);
}

#[tokio::test]
async fn too_many_rejects_stop_the_stream_and_publish_nothing() {
    let house = House::new().await;
    house.write("a.csv", "id,name\n1,a\n2\n");
    let error = house.load_files("files: '*.csv'").await.unwrap_err();
    assert_eq!(error.kind(), base::ErrorKind::Data);
    insta::assert_snapshot!(error);
    assert!(house.maybe_table("rows").await.is_none());
}

#[tokio::test]
async fn utf_16_is_refused_as_a_whole() {
    let house = House::new().await;
    house.write("a.csv", b"\xff\xfei\0d\0\n\0");
    house.write("b.csv", "id\n1\n");
    let outcome = house.load_files(&format!("files: '*.csv', {MANY}")).await.unwrap();
    assert_eq!((outcome.account.inserted, outcome.account.rejected), (1, 1));
    assert!(rejects(&house).await.contains("UTF-16"));
}
