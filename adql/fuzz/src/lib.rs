//! What the targets share: the text in the input, the names, the bound on time.

use std::cell::Cell;
use std::time::Duration;

use qserv_adql::{NameList, Options};
use rustix::time::{ClockId, clock_gettime};

#[path = "../../tests/it/world.rs"]
mod world;

/// The names of the tests.
pub fn names() -> NameList {
    world::world()
}

/// What a run may take. Processor time of this thread: what else the machine does is not the parser's fault.
const MOST: Duration = Duration::from_millis(50);

/// The text in the input: what is no UTF-8 is cut off.
pub fn text(input: &[u8]) -> &str {
    match std::str::from_utf8(input) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&input[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Options without a bound that a printed query could pass where the query itself did not.
pub fn wide() -> Options {
    Options { max_text_bytes: 1 << 24, max_depth: 200, max_nodes: 2_000_000, ..Options::default() }
}

/// Runs `run` on the input and panics if it takes longer than it may, three times in a row. The slowest input so far is kept in the
/// folder `slowest`, with its time as a part of its name.
pub fn timed(target: &str, input: &str, run: impl Fn(&str)) {
    thread_local! {
        static SLOWEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }
    let mut took = measured(input, &run);
    if took <= SLOWEST.get() {
        return;
    }
    // A page fault or a cold cache is no property of the text.
    for _ in 0..2 {
        took = took.min(measured(input, &run));
    }
    if took <= SLOWEST.get() {
        return;
    }
    SLOWEST.set(took);
    eprintln!("slowest so far: {} us for {} bytes", took.as_micros(), input.len());
    let folder = std::path::Path::new("slowest");
    if std::fs::create_dir_all(folder).is_ok() {
        let _ = std::fs::write(folder.join(format!("{target}-{:06}us", took.as_micros())), input);
    }
    assert!(took <= MOST, "{} us, which is longer than {} ms", took.as_micros(), MOST.as_millis());
}

fn measured(input: &str, run: &impl Fn(&str)) -> Duration {
    let before = processor_time();
    run(input);
    processor_time().saturating_sub(before)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
