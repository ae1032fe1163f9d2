//! A JSON object to attributes: each member that is no object becomes one, named by its path.
//!
//! Nothing is lost on the way: numbers keep their text, arrays stay text, nulls and empty
//! objects become values of their own, and a name that occurs twice in an object is refused at
//! any depth, since only one of the two could come back.

use std::borrow::Cow;
use std::sync::Arc;

use varve_proto::Interner;
use varve_types::limits::{ATTRIBUTE_NAME_BYTES_MAX, COLUMNS_PER_BATCH_MAX, METADATA_DEPTH_MAX};
use varve_types::{Attribute, Value};

use super::fault::Stop;
use super::number::number_value;
use super::path::push_member;
use super::reader::{Reader, Shape};

/// Up to this many names each is compared with each; above, they are sorted.
const COMPARED_PAIRWISE_MAX: usize = 12;

/// Flattens the objects of one body; what they share (names, buffers) is kept between them.
#[derive(Debug, Default)]
pub(crate) struct Flattener<'a> {
    interner: Interner,
    /// The names of the object before, in the order sent: a guess at this one's.
    names: Vec<Arc<str>>,
    path: String,
    scratch: String,
    /// Names seen in the objects that are open, each with its place in the text.
    keys: Vec<(Cow<'a, str>, usize)>,
}

impl<'a> Flattener<'a> {
    /// Reads the object that comes next as attributes sorted by name. `root` is the field it is
    /// the value of, for errors.
    pub(crate) fn object(
        &mut self,
        reader: &mut Reader<'a>,
        root: &'static str,
    ) -> Result<Vec<Attribute>, Stop> {
        self.path.clear();
        self.keys.clear();
        let mut attributes = Vec::with_capacity(self.names.len());
        self.members(reader, root, 1, &mut attributes)?;
        if !attributes.is_sorted_by(|a, b| a.name < b.name) {
            attributes.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(attributes)
    }

    /// Forgets the names gathered so far, which a refused request does not need.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Flattens the members of an object that comes next; whether it has any.
    fn members(
        &mut self,
        reader: &mut Reader<'a>,
        root: &'static str,
        depth: usize,
        attributes: &mut Vec<Attribute>,
    ) -> Result<bool, Stop> {
        check_depth(reader, depth).map_err(|stop| stop.within(|| self.field(root)))?;
        reader.open();
        let first_key = self.keys.len();
        let path_bytes = self.path.len();
        while let Some(key) = reader.member(self.keys.len() == first_key)? {
            let shape = reader.shape()?;
            let at = reader.at();
            push_member(&mut self.path, depth == 1, &key);
            self.keys.push((key, at));
            if self.path.len() > ATTRIBUTE_NAME_BYTES_MAX {
                return Err(name_too_long(at, root, &self.path));
            }
            let leaf = if shape == Shape::Object {
                let has_members = self.members(reader, root, depth + 1, attributes)?;
                (!has_members).then_some(Value::EmptyObject)
            } else {
                Some(self.leaf(reader, root, depth, shape)?)
            };
            if let Some(value) = leaf {
                self.push(root, at, value, attributes)?;
            }
            self.path.truncate(path_bytes);
        }
        let has_members = self.keys.len() > first_key;
        self.close_keys(first_key)
            .map_err(|stop| stop.within(|| format!("{}.", self.field(root))))?;
        Ok(has_members)
    }

    fn leaf(
        &mut self,
        reader: &mut Reader<'a>,
        root: &'static str,
        depth: usize,
        shape: Shape,
    ) -> Result<Value, Stop> {
        Ok(match shape {
            Shape::String => Value::Text(reader.string()?.into()),
            Shape::Number => number_value(reader.number()?, &mut self.scratch),
            Shape::Bool => Value::Bool(reader.bool()?),
            Shape::Null => {
                reader.null()?;
                Value::Null
            }
            Shape::Array | Shape::Object => {
                let start = reader.at();
                self.check(reader, depth + 1).map_err(|stop| stop.within(|| self.field(root)))?;
                Value::Array(reader.text_since(start).into())
            }
        })
    }

    fn push(
        &mut self,
        root: &'static str,
        at: usize,
        value: Value,
        attributes: &mut Vec<Attribute>,
    ) -> Result<(), Stop> {
        let place = attributes.len();
        if place == COLUMNS_PER_BATCH_MAX {
            let message = format!("has more than {COLUMNS_PER_BATCH_MAX} values");
            return Err(Stop::invalid(at, root, message, "send less metadata per record"));
        }
        let name = self.interner.intern(&self.path, self.names.get(place));
        match self.names.get_mut(place) {
            Some(guess) if Arc::ptr_eq(guess, &name) => {}
            Some(guess) => guess.clone_from(&name),
            None => self.names.push(Arc::clone(&name)),
        }
        attributes.push(Attribute { name, value });
        Ok(())
    }

    /// Steps over the value that comes next, and refuses names that occur twice in an object.
    fn check(&mut self, reader: &mut Reader<'a>, depth: usize) -> Result<(), Stop> {
        match reader.shape()? {
            Shape::Object => {
                check_depth(reader, depth)?;
                reader.open();
                let first_key = self.keys.len();
                while let Some(key) = reader.member(self.keys.len() == first_key)? {
                    let this = self.keys.len();
                    self.keys.push((key, reader.at()));
                    self.check(reader, depth + 1)
                        .map_err(|stop| stop.within(|| format!(".{}", self.keys[this].0)))?;
                }
                self.close_keys(first_key).map_err(|stop| stop.within(|| ".".to_owned()))
            }
            Shape::Array => {
                check_depth(reader, depth)?;
                reader.open();
                let mut index = 0;
                while reader.element(index == 0)? {
                    self.check(reader, depth + 1)
                        .map_err(|stop| stop.within(|| format!("[{index}]")))?;
                    index += 1;
                }
                Ok(())
            }
            _ => Ok(reader.skip()?),
        }
    }

    /// Ends an object: refuses a name that it has twice, and forgets its names.
    fn close_keys(&mut self, first: usize) -> Result<(), Stop> {
        let keys = &mut self.keys[first..];
        let twice = if keys.len() <= COMPARED_PAIRWISE_MAX {
            let occurs_before = |at: &usize| keys[..*at].iter().any(|(key, _)| *key == keys[*at].0);
            (1..keys.len()).find(occurs_before)
        } else {
            keys.sort_unstable();
            (1..keys.len()).find(|at| keys[at - 1].0 == keys[*at].0)
        };
        if let Some((key, at)) = twice.map(|at| &keys[at]) {
            let hint = "a name may occur once in an object, since only one could come back";
            return Err(Stop::invalid(*at, key.as_ref(), "occurs twice", hint));
        }
        self.keys.truncate(first);
        Ok(())
    }

    fn field(&self, root: &str) -> String {
        if self.path.is_empty() { root.to_owned() } else { format!("{root}.{}", self.path) }
    }
}

fn check_depth(reader: &Reader<'_>, depth: usize) -> Result<(), Stop> {
    if depth <= METADATA_DEPTH_MAX {
        return Ok(());
    }
    let message = format!("is nested deeper than {METADATA_DEPTH_MAX}");
    Err(Stop::invalid(reader.at(), "", message, "send it less deeply nested, or as text"))
}

fn name_too_long(at: usize, root: &str, path: &str) -> Stop {
    let shown: String = path.chars().take(64).collect();
    let message =
        format!("has a name of {} bytes; at most {ATTRIBUTE_NAME_BYTES_MAX} are taken", path.len());
    let hint = "make the name, or the names that lead to it, shorter";
    Stop::invalid(at, format!("{root}.{shown}…"), message, hint)
}

/// Says what is wrong with a text that should be one JSON array such as metadata may have.
pub(crate) fn check_array(text: &str) -> Result<(), String> {
    let mut reader = Reader::new(text, 0);
    let not_json = |at, what| format!("is not a JSON array: {what} (byte {at})");
    match reader.shape() {
        Ok(Shape::Array) if reader.at() == 0 => {}
        _ => return Err(not_json(0, "it does not begin with `[`")),
    }
    match Flattener::default().check(&mut reader, 2) {
        Ok(()) if reader.at() == text.len() => Ok(()),
        Ok(()) => Err(not_json(reader.at(), "more follows its end")),
        Err(Stop::Malformed(malformed)) => Err(not_json(malformed.at, malformed.what)),
        Err(Stop::Refused(fault)) => {
            Err(format!("has a part {} that {}", fault.field, fault.message))
        }
    }
}
