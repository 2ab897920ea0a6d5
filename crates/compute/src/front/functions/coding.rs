//! Text and bytes in other letters: hex, base64, URLs, bits, digests, and how alike two texts are.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Call, Kernel, Returns, Want, returns};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn all() -> Vec<ScalarUDF> {
    const BYTES: &[Want] = &[Want::Bytes];
    const TEXT: &[Want] = &[Want::Text];
    const TWO: &[Want] = &[Want::Text, Want::Text];
    let text: Returns = returns!(DataType::Utf8);
    let bytes: Returns = returns!(DataType::Binary);
    let whole: Returns = returns!(DataType::Int64);
    vec![
        Kernel::udf("fp_base64", BYTES, text, |call| written(call, base64)),
        Kernel::udf("fp_sha1", BYTES, text, |call| written(call, |bytes| hex(&sha1(bytes)))),
        Kernel::udf("fp_from_base64", TEXT, bytes, |call| read(call, from_base64, "base64")),
        Kernel::udf("fp_blob_words", TEXT, bytes, |call| {
            read(call, escaped, "bytes with \\xAA for those that are no letters")
        }),
        Kernel::udf("fp_unhex", TEXT, bytes, |call| read(call, unhex, "hex digits")),
        Kernel::udf("fp_hex", &[Want::Any], text, |call| digits(call, true)),
        Kernel::udf("fp_bin", &[Want::Any], text, |call| digits(call, false)),
        Kernel::udf("fp_url_encode", BYTES, text, |call| written(call, url)),
        Kernel::udf("fp_url_decode", TEXT, text, |call| {
            let all = call.texts(0)?.into_iter().map(|text| text.map(url_decode));
            Ok(Arc::new(all.collect::<StringArray>()))
        }),
        Kernel::udf("fp_octet_length", BYTES, whole, |call| {
            let all = call.bytes(0)?.into_iter().map(|bytes| bytes.map(|b| b.len() as i64));
            Ok(Arc::new(all.collect::<Int64Array>()))
        }),
        Kernel::udf("fp_bit_count", &[Want::Whole], whole, |call| {
            let all = call.wholes(0)?.into_iter().map(|x| x.map(|x| i64::from(x.count_ones())));
            Ok(Arc::new(all.collect::<Int64Array>()))
        }),
        Kernel::udf("fp_hamming", TWO, whole, |call| {
            let mut out = Vec::with_capacity(call.rows);
            for (a, b) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
                out.push(match a.zip(b) {
                    Some((a, b)) if a.len() == b.len() => {
                        Some(a.bytes().zip(b.bytes()).filter(|(a, b)| a != b).count() as i64)
                    }
                    Some(_) => return exec_err!("\"hamming\" takes texts of one length"),
                    None => None,
                });
            }
            Ok(Arc::new(Int64Array::from(out)))
        }),
        Kernel::udf("fp_jaccard", TWO, returns!(DataType::Float64), |call| {
            let pairs = call.texts(0)?.into_iter().zip(call.texts(1)?);
            let all = pairs.map(|(a, b)| a.zip(b).map(|(a, b)| jaccard(a, b)));
            Ok(Arc::new(all.collect::<Float64Array>()))
        }),
    ]
}

fn written(call: &Call<'_>, write: fn(&[u8]) -> String) -> Result<ArrayRef> {
    let all = call.bytes(0)?.into_iter().map(|bytes| bytes.map(write));
    Ok(Arc::new(all.collect::<StringArray>()))
}

fn read(call: &Call<'_>, read: fn(&str) -> Option<Vec<u8>>, what: &str) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for text in call.texts(0)? {
        out.push(match text {
            Some(text) => match read(text) {
                Some(bytes) => Some(bytes),
                None => return exec_err!("\"{text}\" is not {what}"),
            },
            None => None,
        });
    }
    Ok(Arc::new(out.iter().map(Option::as_deref).collect::<BinaryArray>()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|ch| ch.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits?;
    // An odd first digit stands alone.
    let (first, rest) = digits.split_at(digits.len() % 2);
    Some(first.iter().copied().chain(rest.chunks(2).map(|pair| pair[0] * 16 + pair[1])).collect())
}

/// DuckDB's spelling of bytes: `\xAA`, and ASCII as it is.
fn escaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'\\', [b'x', a, b, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
                out.push(digit(a)? * 16 + digit(b)?);
                rest = after;
            }
            (b'\\', _) => return None,
            (byte, after) => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    Some(out)
}

/// Of a number its digits, of a text those of its bytes.
fn digits(call: &Call<'_>, sixteen: bool) -> Result<ArrayRef> {
    let column = call.any(0)?;
    if column.data_type().is_integer() {
        let numbers = cast(&column, &DataType::Int64)?;
        let all = numbers
            .as_primitive::<Int64Type>()
            .iter()
            .map(|x| x.map(|x| if sixteen { format!("{x:X}") } else { format!("{x:b}") }));
        return Ok(Arc::new(all.collect::<StringArray>()));
    }
    let bytes = cast(&column, &DataType::Binary)?;
    let all = bytes.as_binary::<i32>().iter().map(|bytes| {
        let bytes = bytes?;
        Some(match sixteen {
            true => hex(bytes).to_uppercase(),
            false => bytes.iter().map(|byte| format!("{byte:08b}")).collect(),
        })
    });
    Ok(Arc::new(all.collect::<StringArray>()))
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let at = |index: usize| u32::from(part.get(index).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            out.push(match place > part.len() {
                true => '=',
                false => char::from(BASE64[(word >> (18 - 6 * place) & 63) as usize]),
            });
        }
    }
    out
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let plain = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - plain.len() > 2 {
        return None;
    }
    let mut out = Vec::new();
    let (mut word, mut bits) = (0u32, 0u32);
    for byte in plain.bytes() {
        let digit = BASE64.iter().position(|letter| *letter == byte)?;
        word = word << 6 | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits & 255) as u8);
        }
    }
    Some(out)
}

fn url(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(*byte));
            }
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
        out
    })
}

fn url_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let pair = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Shares of letters: those in both of those in either.
fn jaccard(a: &str, b: &str) -> f64 {
    let letters = |text: &str| text.chars().collect::<std::collections::BTreeSet<char>>();
    let (a, b) = (letters(a), letters(b));
    let both = a.intersection(&b).count();
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}

/// SHA-1 (RFC 3174), for keys that were made with it; not for secrets.
fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - bytes.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut words = [0u32; 80];
        for (word, part) in words.iter_mut().zip(block.chunks(4)) {
            *word = part.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            let mixed = words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16];
            words[at] = mixed.rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mix, constant) = match round / 20 {
                0 => (b & c | !b & d, 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut out = [0; 20];
    for (place, word) in out.chunks_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        let long = "a".repeat(119);
        assert_eq!(hex(&sha1(long.as_bytes())), "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(from_base64(&base64(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_taken(text in "\\PC{0,20}") {
            let _ = (from_base64(&text), unhex(&text), url_decode(&text));
            prop_assert_eq!(url_decode(&url(text.as_bytes())), text);
        }
    }
}
