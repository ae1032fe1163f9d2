//! Histories as text.

use std::fs;

use proptest::prelude::*;
use varve_jepsen::history::{
    self, Action, Batch, Element, Found, History, Kind, Malformed, Place, Process, ReplicaState,
    Selection,
};

use crate::histories;

fn place() -> impl Strategy<Value = Place> {
    (0..9u64, 0..9u64, 0..9u64).prop_map(|(shard, index, row)| Place { shard, index, row })
}

fn batch() -> impl Strategy<Value = Batch> {
    (0..9u64, 0..1u64 << 40).prop_map(|(producer, sequence)| Batch { producer, sequence })
}

fn selection() -> impl Strategy<Value = Selection> {
    prop_oneof![
        Just(Selection::All),
        any::<u32>().prop_map(|producer| Selection::Producer(producer.into())),
        batch().prop_map(Selection::Batch),
    ]
}

fn answer() -> impl Strategy<Value = Action> {
    let found = (batch(), 0..9u32, place(), any::<Option<i64>>()).prop_map(
        |(batch, row, place, stored_at_ns)| {
            let element = Element { batch, row };
            Found { element, place, stored_at_ns }
        },
    );
    let state = (0..9u64, 0..9u64, any::<Option<u32>>(), any::<Option<String>>()).prop_map(
        |(shard, node, applied, files)| ReplicaState {
            shard,
            node,
            applied: applied.map(u64::from),
            rows: node,
            content: "\"\\\n".to_owned(),
            files,
        },
    );
    prop_oneof![
        (batch(), any::<u32>(), prop::collection::vec(place(), 0..3))
            .prop_map(|(batch, rows, places)| Action::Append { batch, rows, places }),
        (selection(), prop::collection::vec(found, 0..3))
            .prop_map(|(selection, found)| Action::Read { selection, found }),
        (".*", 0..9u64).prop_map(|(register, value)| Action::Write { register, value }),
        (".*", any::<Option<u8>>())
            .prop_map(|(register, value)| Action::Get { register, value: value.map(u64::from) }),
        prop::collection::vec(state, 0..3).prop_map(Action::Replicas),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        answers in prop::collection::vec((answer(), any::<Option<String>>()), 0..8),
        detail in ".*",
    ) {
        let mut history = History::default();
        for (time, (action, error)) in answers.into_iter().enumerate() {
            let process = Process::Client(time as u64);
            history.push_with(time as u64, process, Kind::Ok, action, error);
        }
        let fault = Action::Fault { name: "kill".to_owned(), detail };
        history.push(99, Process::Nemesis, Kind::Info, fault);
        prop_assert_eq!(history::read(&history::write(&history)), Ok(history));
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "(\\{:index 0 :time 0 :type :)?.{0,60}") {
        let _ = history::read(&text);
    }
}

#[test]
fn what_was_read_is_written_as_it_was() {
    for path in histories::all() {
        let text = fs::read_to_string(&path).expect("it can be read");
        let lines: String =
            text.split_inclusive('\n').filter(|line| !line.starts_with(';')).collect();
        let read = history::read(&text).expect("it is a history");
        assert_eq!(history::write(&read), lines, "{}", path.display());
    }
}

#[test]
fn what_is_no_history_is_said_with_its_line() {
    for (line, why) in [
        ("{:index 0", "line 1: "),
        ("{:index 0 :time 0}", "line 1: :type is missing in {:index 0, :time 0}"),
        (
            "{:index -1 :time 0 :type :ok :process 0 :f :write :value [\"a\" 1]}",
            "line 1: -1 is negative",
        ),
        (
            "; fine\n{:index 0 :time 0 :type :ok :process 0 :f :dance :value nil}",
            "line 2: :f is :dance",
        ),
        (
            "{:index 0 :time 0 :type :ok :process 0 :f :search :value {:of :all :found [[1 2]]}}",
            "line 1: [1 2] is not 6 numbers",
        ),
    ] {
        let error = history::read(line).expect_err("it is none").to_string();
        assert!(error.starts_with(why), "{error}");
    }
}

#[test]
fn operations_that_cannot_be_are_refused() {
    let get = || Action::Get { register: "a".to_owned(), value: None };
    let set = || Action::Write { register: "a".to_owned(), value: 1 };
    let one = Process::Client(1);
    let refused = |ops: Vec<(u64, Kind, Action)>| {
        let mut history = History::default();
        ops.into_iter()
            .for_each(|(time_ns, kind, action)| history.push(time_ns, one, kind, action));
        history.calls().expect_err("it cannot be")
    };
    assert_eq!(refused(vec![(0, Kind::Ok, get())]), Malformed::NotBegun(0, one));
    let twice = vec![(0, Kind::Invoke, get()), (1, Kind::Invoke, get())];
    assert_eq!(refused(twice), Malformed::TwoAtOnce(1, one));
    let other = vec![(0, Kind::Invoke, get()), (1, Kind::Ok, set())];
    assert_eq!(refused(other), Malformed::OtherEnd(1, one));
    let back = vec![(1, Kind::Invoke, get()), (0, Kind::Ok, get())];
    assert_eq!(refused(back), Malformed::TimeWentBack(1));
}
