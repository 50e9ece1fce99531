//! The helper that starts servers, `tools/controlplane/cmd/devenv`.

use std::{
    env,
    ffi::OsString,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

/// Starts it, and waits for the first line that it writes. It ends when its standard input does, with the test process.
pub fn start(arguments: &[&str]) -> (Child, String) {
    let devenv = env::var_os("JOINERY_DEVENV").unwrap_or_else(|| OsString::from("devenv"));
    let mut child = Command::new(&devenv)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; `make test` puts it on PATH", devenv.display()));
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    (child, line)
}
