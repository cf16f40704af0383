//! `ivo_string_agg`: the texts of a group in one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, ListArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use qserv_core::{Error, Result};

use super::groups::{State, ends};
use super::{Aggregate, Aggregation, Call};
use crate::definition::{Audience, Body, Definition, Form, Returns, text};

/// How long the text of a group may be, in bytes.
const LONGEST_TEXT: usize = 64 << 20;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_string_agg",
    known_as: "ivo_string_agg",
    audience: Audience::Users,
    summary: "All texts of a group in one, with a delimiter between each two. They are sorted by their characters' code \
              points, so that the same rows always give the same text.",
    missing: "Texts that are NULL are left out; NULL if there are no others. A delimiter that is NULL is an empty one; it \
              must be a constant. A text of more than 64 MiB is an error.",
    example: "SELECT ivo_string_agg(name, ', ') AS names FROM Object",
    forms: &[Form::fixed(&[
        text("expression", "the texts"),
        text("delimiter", "what stands between two texts, a constant"),
    ])],
    returns: Returns::Text,
    unit: None,
    ucd: None,
    body: Body::Aggregate(Aggregation::of::<StringAgg>()),
};

struct StringAgg;

impl Aggregate for StringAgg {
    type State = Texts;

    fn settings(call: &Call) -> Result<Joint> {
        let delimiter = match call.constant(1, "the delimiter")? {
            Some(delimiter) => match delimiter.try_as_str() {
                Some(Some(delimiter)) => delimiter.to_owned(),
                _ => return Err(Error::invalid("the delimiter must be a text")),
            },
            None => String::new(),
        };
        Ok(Joint { delimiter, is_distinct: call.is_distinct })
    }
}

/// How texts are put together.
#[derive(Debug, Clone)]
struct Joint {
    delimiter: String,
    /// Whether equal texts count once.
    is_distinct: bool,
}

/// The texts of one group, one behind the other.
#[derive(Debug, Default)]
struct Texts {
    all: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl State for Texts {
    type Settings = Joint;
    type Columns = StringArray;
    type States = ListArray;

    fn fields() -> Vec<Field> {
        let texts = DataType::List(Field::new_list_field(DataType::LargeUtf8, true).into());
        vec![Field::new("texts", texts, true)]
    }

    fn columns(arguments: &[ArrayRef]) -> Result<StringArray> {
        let Some(texts) = arguments.first() else { return Err(Error::internal("texts of nothing")) };
        let texts = cast(texts, &DataType::Utf8).map_err(|_| Error::internal("values that are no texts"))?;
        Ok(texts.as_string::<i32>().clone())
    }

    fn states(columns: &[ArrayRef]) -> Result<ListArray> {
        let texts = columns.first().and_then(|texts| texts.as_list_opt::<i32>());
        let texts = texts.filter(|texts| texts.value_type() == DataType::LargeUtf8);
        texts.cloned().ok_or_else(|| Error::internal("a state of other types"))
    }

    fn add(&mut self, joint: &Joint, texts: &StringArray, row: usize) -> Result<()> {
        if texts.is_valid(row) { self.push(texts.value(row), joint) } else { Ok(()) }
    }

    fn remove(&mut self, joint: &Joint, texts: &StringArray, row: usize) -> Result<()> {
        if texts.is_null(row) {
            return Ok(());
        }
        let left = texts.value(row);
        let mut others = Self::default();
        let mut is_found = false;
        for text in self.each() {
            if !is_found && text == left {
                is_found = true;
            } else {
                others.push(text, joint)?;
            }
        }
        *self = others;
        Ok(())
    }

    fn merge(&mut self, joint: &Joint, states: &ListArray, row: usize) -> Result<()> {
        if states.is_null(row) {
            return Ok(());
        }
        let texts = states.value(row);
        texts.as_string::<i64>().iter().flatten().try_for_each(|text| self.push(text, joint))
    }

    fn to_arrays(groups: &[Self]) -> Result<Vec<ArrayRef>> {
        let texts: LargeStringArray = groups.iter().flat_map(Self::each).map(Some).collect();
        let ends = ends(groups.iter().map(|group| group.ends.len()))?;
        let item = Field::new_list_field(DataType::LargeUtf8, true).into();
        Ok(vec![Arc::new(ListArray::new(item, ends, Arc::new(texts), None))])
    }

    fn results(joint: &Joint, groups: &mut [Self]) -> Result<ArrayRef> {
        let all: usize = groups.iter().map(|group| group.length(joint)).sum();
        if i32::try_from(all).is_err() {
            return Err(Error::limit("the texts of all groups together are longer than 2 GiB"));
        }
        let mut results = StringBuilder::with_capacity(groups.len(), all);
        for group in groups {
            if group.ends.is_empty() {
                results.append_null();
                continue;
            }
            let mut texts: Vec<&str> = group.each().collect();
            texts.sort_unstable();
            if joint.is_distinct {
                texts.dedup();
            }
            results.append_value(texts.join(&joint.delimiter));
        }
        Ok(Arc::new(results.finish()))
    }

    fn heap_bytes(&self) -> usize {
        self.all.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

impl Texts {
    fn push(&mut self, text: &str, joint: &Joint) -> Result<()> {
        if self.length(joint) + joint.delimiter.len() + text.len() > LONGEST_TEXT {
            return Err(Error::limit(format!("the text of a group is longer than {LONGEST_TEXT} bytes")));
        }
        self.all.push_str(text);
        self.ends.push(self.all.len());
        Ok(())
    }

    /// How long the text is that comes of it, if no text is there twice.
    fn length(&self, joint: &Joint) -> usize {
        self.all.len() + self.ends.len().saturating_mul(joint.delimiter.len())
    }

    fn each(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.all.get(start..*end))
    }
}
