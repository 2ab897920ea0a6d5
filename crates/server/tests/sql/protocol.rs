//! Messages in an order that no good client sends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::door::Door;

/// Everything the door answers to these bytes.
async fn answer(door: &Door, bytes: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(door.address).await.unwrap();
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_messages_end_their_connection_and_no_other() {
    let door = Door::open().await;
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for round in 0..200_u64 {
        let mut bytes = Vec::new();
        if round % 2 == 0 {
            let body = b"user\0ana\0database\0prod\0\0";
            bytes.extend(u32::try_from(body.len() + 8).unwrap().to_be_bytes());
            bytes.extend(196_608_u32.to_be_bytes());
            bytes.extend(body);
        }
        for _ in 0..round % 40 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(if state.is_multiple_of(3) {
                b"QPBDESHCXpdcf"[(state % 13) as usize]
            } else {
                (state >> 32) as u8
            });
        }
        answer(&door, &bytes).await;
    }
    assert_eq!(door.asked("select 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_declined_and_the_startup_goes_on() {
    let door = Door::open().await;
    let mut bytes = vec![0, 0, 0, 8, 4, 210, 22, 47];
    assert_eq!(answer(&door, &bytes).await, b"N");
    let body = b"user\0ana\0database\0prod\0\0";
    bytes.extend(u32::try_from(body.len() + 8).unwrap().to_be_bytes());
    bytes.extend(196_608_u32.to_be_bytes());
    bytes.extend(body);
    let said = answer(&door, &bytes).await;
    assert_eq!(&said[..2], b"NR");
}
