//! A line of 100 MB must not become 100 MB times a few in memory.

use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::Folder;

use super::{PROJECT, fiveply};

const LINE_BYTES: usize = 100 * 1024 * 1024;
const PEAK_BYTES_MAX: u64 = 1_500 * 1024 * 1024;

/// Two good rows around a line of 100 MB, in CSV and in NDJSON.
fn write_long_lines(folder: &Folder) {
    for (name, before, after) in [
        ("csv", "id,text\n1,a\n2,", "\n3,c\n"),
        ("ndjson", "{\"id\":1}\n{\"id\":2,\"text\":\"", "\"}\n{\"id\":3}\n"),
    ] {
        let path = folder.path().join(format!("data/{name}/a.{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
        file.write_all(before.as_bytes()).unwrap();
        let piece = [b'x'; 64 * 1024];
        for _ in 0..LINE_BYTES / piece.len() {
            file.write_all(&piece).unwrap();
        }
        file.write_all(after.as_bytes()).unwrap();
    }
}

/// The most memory a process held so far.
fn peak_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[test]
fn a_line_of_100_mb_is_a_reject_and_memory_stays_bounded() {
    let folder = Folder::with(&format!(
        "{PROJECT}-- ingest/app.yml --\n\
        connection: {{type: files, path: data}}\n\
        defaults: {{reject_limit: 10}}\n\
        streams: [{{name: c, files: 'csv/*.csv'}}, {{name: n, files: 'ndjson/*.ndjson'}}]\n"
    ))
    .unwrap();
    write_long_lines(&folder);
    let mut child = Command::new(env!("CARGO_BIN_EXE_fiveply"))
        .current_dir(folder.path())
        .args(["load"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        peak = peak_bytes(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(0));
    println!("two lines of 100 MB: at most {} MB of memory", peak / 1024 / 1024);
    assert!(peak < PEAK_BYTES_MAX, "{peak} bytes");
    let fiveply = fiveply(folder.path());
    for stream in ["c", "n"] {
        let ids = fiveply.value(&format!("select sum(id) from app.{stream}")).unwrap();
        assert_eq!(ids.as_f64().or_else(|| ids.as_str()?.parse().ok()), Some(4.0), "{ids}");
        let rejects = fiveply.value(&format!("select count(*) from app.{stream}__rejects"));
        assert_eq!(rejects.unwrap(), 1);
    }
}
