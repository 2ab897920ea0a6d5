//! Plays the company into a folder and keeps its vendors up until the input ends:
//! `cargo run -p demo --example play -- <folder> [scale] [incident …]`.

use std::io::Read;

use demo::{Company, DemoOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("name a folder")?;
    let mut options = DemoOptions::new(&dir);
    if let Some(scale) = arguments.next() {
        options.scale = scale.parse()?;
    }
    for incident in arguments {
        options.incidents.push(incident.parse()?);
    }
    let generated = demo::generate(&options, &|_| {})?;
    let mut said =
        format!("{} files, {} bytes\n", generated.files_written, generated.bytes_written);
    let company = Company::open(options.dir.as_path())?.ok_or("the folder holds no company")?;
    let vendors = company.start_vendors().await?;
    for (name, value) in vendors.environment() {
        said += &format!("{name}={value}\n");
    }
    std::io::Write::write_all(&mut std::io::stdout(), said.as_bytes())?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
