//! A small HTTP server that plays a script: each request takes the next answer for its path.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server says: status line, headers, body.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: &'static str,
    pub(crate) headers: &'static str,
    pub(crate) body: String,
}

pub(crate) fn ok(body: &str) -> Reply {
    Reply { status: "200 OK", headers: "", body: body.to_owned() }
}

pub(crate) fn refused(status: &'static str, headers: &'static str) -> Reply {
    Reply { status, headers, body: "{\"error\":\"no\"}".to_owned() }
}

type Script = HashMap<String, VecDeque<Reply>>;

pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    script: Arc<Mutex<Script>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let script: Arc<Mutex<Script>> = Arc::default();
        let (log, replies) = (Arc::clone(&asked), Arc::clone(&script));
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                answer(connection, &log, &replies).await;
            }
        });
        Self { url, asked, script, task }
    }

    /// Adds an answer to what is asked under a path.
    pub(crate) fn say(&self, path: &str, reply: Reply) {
        self.script.lock().unwrap().entry(path.to_owned()).or_default().push_back(reply);
    }

    /// Paths and queries asked since the last look.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut connection: TcpStream, log: &Mutex<Vec<String>>, script: &Mutex<Script>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match connection.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let target = text.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    log.lock().unwrap().push(target);
    let reply = script.lock().unwrap().get_mut(&path).and_then(VecDeque::pop_front);
    let reply = reply.unwrap_or_else(|| refused("404 Not Found", ""));
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n{}\r\n",
        reply.status,
        reply.body.len(),
        reply.headers
    );
    let _ = connection.write_all(head.as_bytes()).await;
    let _ = connection.write_all(reply.body.as_bytes()).await;
    let _ = connection.shutdown().await;
}
