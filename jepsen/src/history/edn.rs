//! Histories as text, in Jepsen's form: one map a line, in Clojure's data notation (EDN).
//!
//! ```text
//! {:index 0 :time 17 :type :invoke :process 3 :f :append :value {:producer 3 :sequence 1 :rows 2}}
//! {:index 1 :time 29 :type :ok :process 3 :f :append :value {… :places [[shard index row] …]}}
//! {:index 2 :time 30 :type :invoke :process 4 :f :search :value {:of {:producer 3}}}
//! {:index 3 :time 41 :type :ok :process 4 :f :search
//!  :value {:of {:producer 3} :found [[producer sequence row shard index row] …]}}
//! {:index 4 :time 50 :type :info :process :nemesis :f :kill :value "node 2"}
//! {:index 5 :time 60 :type :invoke :process 5 :f :write :value ["drained" 1]}
//! {:index 6 :time 61 :type :invoke :process 6 :f :read :value ["drained" nil]}
//! ```

use std::fmt::{self, Write as _};

use clojure_reader::edn::{Edn, read_string};

use super::{
    Action, Batch, Element, Found, History, Kind, Op, Place, Process, ReplicaState, Selection,
};

/// Why a text is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct NoHistory {
    /// Counts lines from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A history as text.
#[must_use]
pub fn write(history: &History) -> String {
    let mut text = String::new();
    for op in history.ops() {
        write_op(&mut text, op).expect("BUG: writing into a string failed");
    }
    text
}

/// The history that a text is; empty lines and comments, which begin with `;`, are left out.
///
/// # Errors
///
/// A line is no operation that [`write`] writes.
pub fn read(text: &str) -> Result<History, NoHistory> {
    let mut history = History::default();
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        let failed = |why| NoHistory { line: at + 1, why };
        let edn = read_string(line).map_err(|error| failed(error.to_string()))?;
        history.ops.push(op(&edn).map_err(failed)?);
    }
    Ok(history)
}

fn write_op(out: &mut String, op: &Op) -> fmt::Result {
    let kind = match op.kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    };
    write!(out, "{{:index {} :time {} :type :{kind} :process ", op.index, op.time_ns)?;
    match op.process {
        Process::Client(number) => write!(out, "{number}")?,
        Process::Nemesis => out.push_str(":nemesis"),
    }
    write!(out, " :f :{} :value ", name(&op.action))?;
    write_value(out, op)?;
    if let Some(error) = &op.error {
        write!(out, " :error {}", Edn::string(error))?;
    }
    out.push_str("}\n");
    Ok(())
}

fn name(action: &Action) -> &str {
    match action {
        Action::Append { .. } => "append",
        Action::Read { .. } => "search",
        Action::Write { .. } => "write",
        Action::Get { .. } => "read",
        Action::Replicas(_) => "replicas",
        Action::Fault { name, .. } => name,
    }
}

fn write_value(out: &mut String, op: &Op) -> fmt::Result {
    match &op.action {
        Action::Append { batch, rows, places } => {
            write!(out, "{{{} :rows {rows}", of_batch(*batch))?;
            if op.kind == Kind::Ok {
                let of_place =
                    |Place { shard, index, row }: &Place| format!("[{shard} {index} {row}]");
                write!(out, " :places {}", vector(places.iter().map(of_place)))?;
            }
            out.push('}');
            Ok(())
        }
        Action::Read { selection, found } => {
            let of = match selection {
                Selection::All => ":all".to_owned(),
                Selection::Producer(producer) => format!("{{:producer {producer}}}"),
                Selection::Batch(batch) => format!("{{{}}}", of_batch(*batch)),
            };
            write!(out, "{{:of {of}")?;
            if op.kind == Kind::Ok {
                let of_found = |Found { element, place, stored_at_ns }: &Found| {
                    let Batch { producer, sequence } = element.batch;
                    let Place { shard, index, row } = place;
                    let time = stored_at_ns.map(|time| format!(" {time}")).unwrap_or_default();
                    format!("[{producer} {sequence} {} {shard} {index} {row}{time}]", element.row)
                };
                write!(out, " :found {}", vector(found.iter().map(of_found)))?;
            }
            out.push('}');
            Ok(())
        }
        Action::Write { register, value } => write!(out, "[{} {value}]", Edn::string(register)),
        Action::Get { register, value } => {
            write!(out, "[{} {}]", Edn::string(register), number_or_nil(*value))
        }
        Action::Replicas(states) => write!(out, "{}", vector(states.iter().map(of_replica))),
        Action::Fault { detail, .. } => write!(out, "{}", Edn::string(detail)),
    }
}

fn of_batch(batch: Batch) -> String {
    format!(":producer {} :sequence {}", batch.producer, batch.sequence)
}

fn of_replica(state: &ReplicaState) -> String {
    let ReplicaState { shard, node, applied, rows, content, files } = state;
    let files = files.as_ref().map_or(Edn::Nil, Edn::string);
    let (applied, content) = (number_or_nil(*applied), Edn::string(content));
    format!(
        "{{:shard {shard} :node {node} :applied {applied} :rows {rows} :content {content} :files {files}}}"
    )
}

fn number_or_nil(number: Option<u64>) -> String {
    number.map_or_else(|| "nil".to_owned(), |number| number.to_string())
}

fn vector(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(" "))
}

type Parsed<T> = Result<T, String>;

fn op(edn: &Edn<'_>) -> Parsed<Op> {
    let kind = match keyword(field(edn, "type")?)? {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        "info" => Kind::Info,
        other => return Err(format!(":type is :{other}")),
    };
    let process = match field(edn, "process")? {
        Edn::Key(name) if name == "nemesis" => Process::Nemesis,
        number => Process::Client(unsigned(number)?),
    };
    let (f, value) = (keyword(field(edn, "f")?)?, field(edn, "value")?);
    let action = match process {
        Process::Nemesis => Action::Fault { name: f.to_owned(), detail: text(value)? },
        Process::Client(_) => action(f, value)?,
    };
    let error = edn.get(&Edn::key("error")).map(text).transpose()?;
    let (index, time_ns) = (unsigned(field(edn, "index")?)?, unsigned(field(edn, "time")?)?);
    Ok(Op { index, time_ns, process, kind, action, error })
}

fn action(f: &str, value: &Edn<'_>) -> Parsed<Action> {
    Ok(match f {
        "append" => {
            let places = value.get(&Edn::key("places")).map_or_else(
                || Ok(Vec::new()),
                |places| items(places)?.iter().map(place).collect(),
            )?;
            Action::Append { batch: batch(value)?, rows: small(field(value, "rows")?)?, places }
        }
        "search" => {
            let found = value.get(&Edn::key("found")).map_or_else(
                || Ok(Vec::new()),
                |found| items(found)?.iter().map(one_found).collect(),
            )?;
            Action::Read { selection: selection(field(value, "of")?)?, found }
        }
        "write" | "read" => {
            let [register, number] = items(value)? else {
                return Err(format!(":value of :{f} is not a name and a number"));
            };
            let register = text(register)?;
            match f {
                "write" => Action::Write { register, value: unsigned(number)? },
                _ => Action::Get { register, value: optional(number, unsigned)? },
            }
        }
        "replicas" => Action::Replicas(items(value)?.iter().map(replica).collect::<Parsed<_>>()?),
        other => return Err(format!(":f is :{other}")),
    })
}

fn selection(edn: &Edn<'_>) -> Parsed<Selection> {
    match edn {
        Edn::Key(name) if name == "all" => Ok(Selection::All),
        _ if edn.get(&Edn::key("sequence")).is_some() => Ok(Selection::Batch(batch(edn)?)),
        _ => Ok(Selection::Producer(unsigned(field(edn, "producer")?)?)),
    }
}

fn batch(edn: &Edn<'_>) -> Parsed<Batch> {
    let producer = unsigned(field(edn, "producer")?)?;
    Ok(Batch { producer, sequence: unsigned(field(edn, "sequence")?)? })
}

fn place(edn: &Edn<'_>) -> Parsed<Place> {
    let [shard, index, row] = numbers(edn, items(edn)?)?;
    Ok(Place { shard, index, row })
}

fn one_found(edn: &Edn<'_>) -> Parsed<Found> {
    let all = items(edn)?;
    let (row_and_place, time) = all.split_at_checked(6).unwrap_or((all, &[]));
    let stored_at_ns = match time {
        [] => None,
        [time] => Some(signed(time)?),
        _ => return Err(format!("{edn} is more than a row, its place and its time")),
    };
    let [producer, sequence, row, shard, index, place_row] = numbers(edn, row_and_place)?;
    let row = u32::try_from(row).map_err(|_| format!("row {row} of a batch"))?;
    let element = Element { batch: Batch { producer, sequence }, row };
    Ok(Found { element, place: Place { shard, index, row: place_row }, stored_at_ns })
}

fn replica(edn: &Edn<'_>) -> Parsed<ReplicaState> {
    Ok(ReplicaState {
        shard: unsigned(field(edn, "shard")?)?,
        node: unsigned(field(edn, "node")?)?,
        applied: optional(field(edn, "applied")?, unsigned)?,
        rows: unsigned(field(edn, "rows")?)?,
        content: text(field(edn, "content")?)?,
        files: optional(field(edn, "files")?, text)?,
    })
}

fn field<'a, 'e>(edn: &'a Edn<'e>, name: &'static str) -> Parsed<&'a Edn<'e>> {
    edn.get(&Edn::key(name)).ok_or_else(|| format!(":{name} is missing in {edn}"))
}

fn optional<T>(edn: &Edn<'_>, of: impl Fn(&Edn<'_>) -> Parsed<T>) -> Parsed<Option<T>> {
    if *edn == Edn::Nil { Ok(None) } else { of(edn).map(Some) }
}

fn keyword<'a>(edn: &'a Edn<'_>) -> Parsed<&'a str> {
    match edn {
        Edn::Key(name) => Ok(name),
        other => Err(format!("{other} is no keyword")),
    }
}

fn text(edn: &Edn<'_>) -> Parsed<String> {
    match edn {
        Edn::Str(text) => Ok(text.clone().into_owned()),
        other => Err(format!("{other} is no string")),
    }
}

fn unsigned(edn: &Edn<'_>) -> Parsed<u64> {
    match edn {
        Edn::Int(number) => u64::try_from(*number).map_err(|_| format!("{number} is negative")),
        other => Err(format!("{other} is no number")),
    }
}

fn signed(edn: &Edn<'_>) -> Parsed<i64> {
    match edn {
        Edn::Int(number) => Ok(*number),
        other => Err(format!("{other} is no number")),
    }
}

fn small(edn: &Edn<'_>) -> Parsed<u32> {
    let number = unsigned(edn)?;
    u32::try_from(number).map_err(|_| format!("{number} is more than {}", u32::MAX))
}

fn items<'a, 'e>(edn: &'a Edn<'e>) -> Parsed<&'a [Edn<'e>]> {
    match edn {
        Edn::Vector(items) => Ok(items),
        other => Err(format!("{other} is no vector")),
    }
}

fn numbers<const COUNT: usize>(edn: &Edn<'_>, items: &[Edn<'_>]) -> Parsed<[u64; COUNT]> {
    let numbers = items.iter().map(unsigned).collect::<Parsed<Vec<u64>>>()?;
    numbers.try_into().map_err(|_| format!("{edn} is not {COUNT} numbers"))
}
