//! The program as its users run it: processes, exit codes, what is printed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program with no settings but those given.
fn qserv(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qserv"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QSERV_")) {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    qserv(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A demo that serves; ended when dropped.
struct Demo {
    child: Child,
    server: String,
    said: String,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let folder = folder.to_str().unwrap();
        let mut child =
            qserv(&["demo", "--objects", "600", "--data-dir", folder, "--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap());
        // The Python lines are the last that it prints; the address stands before them.
        while !said.contains(").to_table())") {
            if lines.read_line(&mut said).unwrap() == 0 {
                let mut error = String::new();
                std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut error).unwrap();
                panic!("the demo ended: {said}{error}");
            }
        }
        let (_, address) = said.split_once("TAP service at ").unwrap();
        let server = address.split_once("/tap").unwrap().0.to_owned();
        Self { child, server, said }
    }

    fn query(&self, text: &str, options: &[&str]) -> Output {
        run(&[&["query", text, "--server", &self.server], options].concat())
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // An error: it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn the_demo_is_made_once_and_answers_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    assert!(demo.said.contains("making a sample sky of 600 objects"), "{}", demo.said);

    let csv = demo.query("SELECT COUNT(*) AS n FROM demo.Object", &[]);
    assert_eq!((text(&csv.stdout), text(&csv.stderr)), ("n\r\n600\r\n", ""));
    let json = demo.query("SELECT filterId, band FROM demo.Filter WHERE band = 'g'", &["--format", "json"]);
    assert_eq!(text(&json.stdout), "[\n{\"filterId\":1,\"band\":\"g\"}\n]\n");
    let table = demo.query("SELECT TOP 1 band, meanWavelength FROM demo.Filter ORDER BY band", &["--format", "table"]);
    assert_eq!(
        text(&table.stdout),
        "band  meanWavelength\n                  nm\n----  --------------\ng              480.0\n"
    );
    let plan = demo.query("SELECT * FROM demo.Object", &["--explain"]);
    assert!(text(&plan.stdout).contains("chunks"), "{}", text(&plan.stdout));
    let cut = demo.query("SELECT * FROM demo.Object", &["--max-rows", "2", "--format", "json"]);
    assert!(text(&cut.stderr).starts_with("warning: the answer was cut after 2 rows"), "{}", text(&cut.stderr));

    let wrong = demo.query("SELECT nothing FROM demo.Object", &[]);
    assert_eq!((wrong.status.code(), text(&wrong.stdout)), (Some(2), ""));
    assert!(text(&wrong.stderr).starts_with("error: "), "{}", text(&wrong.stderr));

    let databases = run(&["database", "list", "--server", &demo.server]);
    assert!(text(&databases.stdout).contains("demo"), "{}", text(&databases.stdout));
    let described = run(&["database", "describe", "demo", "--server", &demo.server]);
    assert!(text(&described.stdout).contains("600 rows in "), "{}", text(&described.stdout));
    let missing = run(&["database", "drop", "nosuch", "--server", &demo.server]);
    assert_eq!(missing.status.code(), Some(3));

    let file = folder.path().join("more.csv");
    let header = "filterId,band,physicalFilter,minWavelength,meanWavelength,maxWavelength";
    std::fs::write(&file, format!("{header}\n7,w,w_1,320,600,900\n")).unwrap();
    let load = run(&["load", "demo.Filter", file.to_str().unwrap(), "--server", &demo.server]);
    assert!(text(&load.stdout).starts_with("loaded 1 row into demo.Filter"), "{}", text(&load.stderr));
    let count = demo.query("SELECT COUNT(*) AS n FROM demo.Filter", &["--format", "tsv"]);
    assert_eq!(text(&count.stdout).split_whitespace().last(), Some("7"));

    demo.interrupt();
    let again = Demo::start(folder.path());
    assert!(again.said.contains("sample sky of 600 objects found"), "{}", again.said);
    let count = again.query("SELECT COUNT(*) AS n FROM demo.Filter", &["--format", "tsv"]);
    assert_eq!(text(&count.stdout).split_whitespace().last(), Some("7"));
}

#[test]
fn queries_are_checked_without_a_server() {
    let mut child =
        qserv(&["adql", "check", "--udf", "my_flux(x DOUBLE) -> DOUBLE"]).stdin(Stdio::piped()).spawn().unwrap();
    let queries = "SELECT my_flux(1.0) FROM t\n;;\nSELEKT 1\n";
    child.stdin.take().unwrap().write_all(queries.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert!(output.status.success());
    assert_eq!((lines.len(), lines[0]), (2, "{\"valid\":true}"));
    assert!(lines[1].starts_with("{\"valid\":false,\"error\":{"), "{}", lines[1]);
}

#[test]
fn queries_are_laid_out_without_a_server() {
    let mut child = qserv(&["adql", "format"]).stdin(Stdio::piped()).spawn().unwrap();
    let queries = "select a b from t where a>1 -- why\n;;\nSELEKT 1\n;;\nselect 1\n";
    child.stdin.take().unwrap().write_all(queries.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "SELECT a AS b\nFROM t\nWHERE a > 1\n;;\nSELEKT 1\n;;\nSELECT 1\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: line 1, column 1: `SELEKT`"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).ends_with("query: 2\n"), "{}", text(&output.stderr));
}

#[test]
fn errors_have_one_form_and_exit_codes_tell_their_kind() {
    let nobody = run(&["query", "SELECT 1", "--server", "http://127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(7));
    assert!(text(&nobody.stderr).starts_with("error: no server answers\n  server: http://127.0.0.1:1\n"));
    let file = run(&["load", "d.t", "no-such-file.csv"]);
    assert_eq!(
        (file.status.code(), text(&file.stderr)),
        (Some(3), "error: there is no such file\n  file: no-such-file.csv\n")
    );
    let setting = qserv(&["up"]).env("QSERV_CZAR__LISTNE", "x").output().unwrap();
    assert_eq!(setting.status.code(), Some(2));
    assert!(text(&setting.stderr).contains("did you mean: czar.listen"), "{}", text(&setting.stderr));
    assert_eq!(run(&["frobnicate"]).status.code(), Some(2));
}
