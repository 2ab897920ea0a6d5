//! A browser's half of HTTP, over a plain socket: what a test sends is what it wrote.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A caller of one server.
#[derive(Clone, Debug)]
pub struct Http {
    address: String,
    headers: Vec<(String, String)>,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers, names in lowercase.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl HttpAnswer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{} {}", self.status, self.body))
    }
}

impl Http {
    /// A caller of the server at `http://host:port`.
    pub fn new(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, headers: Vec::new() }
    }

    /// Sends a header with every request; one named `host` replaces the usual one.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Reads a path.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn get(&self, path: &str) -> Result<HttpAnswer> {
        self.send("GET", path, None)
    }

    /// Sends JSON to a path.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn post(&self, path: &str, body: &Value) -> Result<HttpAnswer> {
        self.send("POST", path, Some(body))
    }

    /// One request and its whole answer.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<HttpAnswer> {
        let mut reader = self.ask(method, path, body)?;
        let (status, headers) = read_head(&mut reader)?;
        let mut answer = HttpAnswer { status, headers, body: String::new() };
        let mut bytes = Vec::new();
        if answer.header("transfer-encoding") == Some("chunked") {
            read_chunks(&mut reader, &mut bytes)?;
        } else if let Some(length) = answer.header("content-length") {
            bytes.resize(length.parse()?, 0);
            reader.read_exact(&mut bytes)?;
        } else {
            reader.read_to_end(&mut bytes)?;
        }
        answer.body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(answer)
    }

    /// The status alone, for answers that never end.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn status(&self, method: &str, path: &str) -> Result<u16> {
        Ok(read_head(&mut self.ask(method, path, None)?)?.0)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect(&self.address).with_context(|| self.address.clone())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            let length = body.len();
            request.push_str("content-type: application/json\r\n");
            request.push_str(&format!("content-length: {length}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(&body.unwrap_or_default());
        stream.write_all(request.as_bytes())?;
        Ok(BufReader::new(stream))
    }
}

fn read_head(reader: &mut impl BufRead) -> Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("no status in \"{line}\""))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok((status, headers))
}

fn read_chunks(reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim().split(';').next().unwrap_or("0"), 16)?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..length]);
    }
}
