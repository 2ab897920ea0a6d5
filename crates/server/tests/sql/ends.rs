//! How connections and statements end, and what is remembered of them.

use std::time::Duration;

use server::sql::SqlOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::door::Door;

const SLOW: &str = "select count(*) from orders a cross join orders b cross join orders c \
                    where a.id * b.id + c.id = 1";

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_door_tells_every_connection() {
    let mut door = Door::open().await;
    let waiting = door.psql(&["-c", SLOW]);
    let close = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        door.shutdown.cancel();
    };
    let (output, ()) = tokio::join!(waiting, close);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("the server is shutting down"), "{error}");
    let served = tokio::time::timeout(Duration::from_secs(20), &mut door.served).await;
    assert!(served.unwrap().unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_beyond_the_limit_is_told_so() {
    let options = SqlOptions { connections_max: 1, ..SqlOptions::default() };
    let door = Door::with(options).await;
    let mut first = TcpStream::connect(door.address).await.unwrap();
    first.write_all(&start()).await.unwrap();
    let mut answer = [0; 1];
    first.read_exact(&mut answer).await.unwrap();
    let error = door.asked("select 1").await;
    assert!(error.contains("too many connections"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_statement_with_it() {
    let door = Door::open().await;
    let mut client = TcpStream::connect(door.address).await.unwrap();
    client.write_all(&start()).await.unwrap();
    let mut query = vec![b'Q'];
    query.extend(u32::try_from(SLOW.len() + 5).unwrap().to_be_bytes());
    query.extend(SLOW.as_bytes());
    query.push(0);
    client.write_all(&query).await.unwrap();
    let active = "select count(*) from pg_stat_activity where query like '%cross join%'";
    while door.asked(active).await != "2" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(client);
    while door.asked(active).await != "1" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_is_kept_in_the_query_log() {
    let door = Door::open().await;
    door.asked("set application_name = 'tile 7'; select count(*) from orders where id < 10").await;
    door.asked("select amuont from orders").await;
    let ask = "select application, user_name, row_count, error_state from fiveply.query_log \
               where sql like 'select %' and sql not like '%query_log%' order by started_at";
    let wanted = "tile 7|ana|1|\npsql|ana|0|42703";
    loop {
        let found = door.asked(ask).await;
        if found == wanted {
            break;
        }
        assert!(!found.contains("ERROR") && found.lines().count() <= 2, "{found}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A startup message of protocol 3.0.
fn start() -> Vec<u8> {
    let body = b"user\0ana\0database\0prod\0\0";
    let mut message = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
    message.extend(196_608_u32.to_be_bytes());
    message.extend(body);
    message
}
