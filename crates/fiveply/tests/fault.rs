//! Ends the process at every commit step and at random moments; what is there afterwards equals an
//! undisturbed run.

use testkit::{Fiveply, Folder};

fn binary(folder: &Folder) -> Fiveply {
    Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path())
}

#[test]
fn the_binary_starts() {
    let folder = Folder::empty().unwrap();
    binary(&folder).good(&["--version"]).unwrap();
}
