//! How far a set of files was read: which files, and where inside the one that a batch ended in.
//! A file is ten bytes here (six of its name's hash, four of its size's and time's), so that the
//! position of a hundred thousand files is about a megabyte, and of two thousand 29 kilobytes.

use std::collections::BTreeMap;

use base::files::FileEntry;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::MovementError;

const NAME_BYTES: usize = 6;
const LOOK_BYTES: usize = 4;
const ENTRY_BYTES: usize = NAME_BYTES + LOOK_BYTES;
const LAYOUT: u32 = 1;

/// The position as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilesPosition {
    /// Layout of this document.
    layout: u32,
    /// Files read to their end.
    pub(crate) files: u64,
    /// The last of them in order of reading; for people.
    pub(crate) last: Option<String>,
    /// The file a batch ended in.
    pub(crate) open: Option<OpenFile>,
    /// Files read, base64.
    seen: String,
}

/// A file that was read in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenFile {
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    pub(crate) modified_ms: i64,
    /// Bytes read, after decompression; of Parquet files rows.
    pub(crate) offset: u64,
    /// The line that comes next.
    pub(crate) line: u64,
}

/// Where a piece of a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileMark {
    /// Place of the file among those to read.
    pub(crate) file: usize,
    pub(crate) offset: u64,
    pub(crate) line: u64,
    /// Whether the file was read to its end.
    pub(crate) done: bool,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    New,
    Read,
    Changed,
}

/// The files read, ready to be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(BTreeMap<[u8; NAME_BYTES], [u8; LOOK_BYTES]>);

impl Default for FilesPosition {
    fn default() -> Self {
        Self { layout: LAYOUT, files: 0, last: None, open: None, seen: String::new() }
    }
}

impl FilesPosition {
    /// The files read.
    pub(crate) fn seen(&self) -> Result<Seen, MovementError> {
        let bytes = (self.layout == LAYOUT).then(|| decode(&self.seen)).flatten();
        let Some(bytes) = bytes.filter(|bytes| bytes.len() % ENTRY_BYTES == 0) else {
            return Err(MovementError::PositionUnreadable {
                reason: "the list of files read is damaged or of another layout".to_owned(),
            });
        };
        let mut seen = Seen::default();
        for entry in bytes.chunks_exact(ENTRY_BYTES) {
            let (mut name, mut look) = ([0; NAME_BYTES], [0; LOOK_BYTES]);
            name.copy_from_slice(&entry[..NAME_BYTES]);
            look.copy_from_slice(&entry[NAME_BYTES..]);
            seen.0.insert(name, look);
        }
        Ok(seen)
    }

    /// Writes the files read into the document.
    pub(crate) fn keep(&mut self, seen: &Seen) {
        let entries = seen.0.iter().flat_map(|(name, look)| name.iter().chain(look).copied());
        let bytes: Vec<u8> = entries.collect();
        self.files = seen.0.len() as u64;
        self.seen = encode(&bytes);
    }
}

impl Seen {
    pub(crate) fn look_up(&self, name: &str, entry: &FileEntry) -> Known {
        match self.0.get(&name_hash(name)) {
            None => Known::New,
            Some(look) if *look == look_hash(entry) => Known::Read,
            Some(_) => Known::Changed,
        }
    }

    /// Whether the file was read, whatever it looks like now.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.0.contains_key(&name_hash(name))
    }

    pub(crate) fn add(&mut self, name: &str, entry: &FileEntry) {
        self.0.insert(name_hash(name), look_hash(entry));
    }
}

fn name_hash(name: &str) -> [u8; NAME_BYTES] {
    let digest = Sha256::digest(name.as_bytes());
    std::array::from_fn(|place| digest[place])
}

fn look_hash(entry: &FileEntry) -> [u8; LOOK_BYTES] {
    let look = format!("{} {}", entry.size_bytes, entry.modified_ms);
    let digest = Sha256::digest(look.as_bytes());
    std::array::from_fn(|place| digest[place])
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            let digit = (number >> (18 - 6 * place)) & 63;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for group in text.as_bytes().chunks(4) {
        let mut number = 0_u32;
        for letter in group {
            let digit = ALPHABET.iter().position(|known| known == letter)?;
            number = number << 6 | u32::try_from(digit).ok()?;
        }
        number <<= 6 * (4 - group.len());
        let whole = number.to_be_bytes();
        bytes.extend_from_slice(whole.get(1..group.len())?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(size_bytes: u64) -> FileEntry {
        FileEntry { path: "x".into(), size_bytes, modified_ms: 5 }
    }

    #[test]
    fn a_file_is_known_again_and_so_is_its_change() {
        let mut seen = Seen::default();
        for number in 0..100 {
            seen.add(&format!("{number}.csv"), &entry(number));
        }
        let mut position = FilesPosition::default();
        position.keep(&seen);
        let seen = position.seen().unwrap();
        assert_eq!(seen.look_up("7.csv", &entry(7)), Known::Read);
        assert_eq!(seen.look_up("7.csv", &entry(8)), Known::Changed);
        assert_eq!(seen.look_up("700.csv", &entry(8)), Known::New);
        assert_eq!(position.files, 100);
        position.seen.push('!');
        assert!(position.seen().is_err());
    }

    proptest::proptest! {
        #[test]
        fn base64_gives_back_what_it_took(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
