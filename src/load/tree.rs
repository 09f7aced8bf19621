//! From YAML to the tree, within limits. The tree is built from the parser's events, since serde
//! would have to know each value's type before its place can be had.

use std::collections::BTreeMap;

use model::config::tree::{Content, Key, Node, Place};
use model::config::{Problem, cut};
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag, options};

use super::words;

/// The deepest nesting.
pub const DEPTH_MAX: usize = 32;
/// The most nodes, counted again each time an alias repeats them.
const NODES_MAX: usize = 1_000_000;
/// The most bytes of text, counted again each time an alias repeats them.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The key that takes over the entries of another mapping.
const MERGE: &str = "<<";

/// The tree of the only document in `source`, and the problems that did not end the reading.
///
/// # Errors
/// The problems if there is no tree.
pub fn parse(source: &str) -> Result<(Node, Vec<Problem>), Vec<Problem>> {
    let options = options! {
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(source, options) {
        let step = match next {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(words::syntax(&error, place(*error.marker()), source)),
        };
        if let Err(fatal) = step {
            builder.problems.push(fatal);
            return Err(builder.problems);
        }
    }
    match builder.root {
        Some(root) if !root.is_null() => Ok((root, builder.problems)),
        _ => {
            let problem = Problem::new(Place::FILE, "this file says nothing");
            builder.problems.push(problem.hint("it begins with `version: 1`"));
            Err(builder.problems)
        }
    }
}

/// The place of a mark of the parser, whose columns begin at 0.
fn place(mark: Marker) -> Place {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Place { line: number(mark.line()), column: number(mark.col()).saturating_add(1) }
}

/// How large a finished node is.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// A collection that is still open.
struct Open {
    node: Node,
    anchor: usize,
    size: Size,
    /// The key whose value comes next, in a mapping.
    key: Option<Key>,
    /// Where each key stands, in a mapping.
    keys: BTreeMap<String, Place>,
    /// Mappings to take entries from.
    merged: Vec<Node>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    /// Finished nodes by the number of their anchor.
    anchors: BTreeMap<usize, (Node, Size)>,
    /// What has been built so far, aliases included.
    built: Size,
    problems: Vec<Problem>,
}

impl Builder {
    /// Takes one event. An error ends the reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let place = place(span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::new(place, "a second document begins here")
                        .hint("one file holds one document: take the line `---` away"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let forced = self.tag(tag.as_deref(), place)?;
                let plain = style == ScalarStyle::Plain && !forced;
                let size = Size { nodes: 1, bytes: text.len(), depth: 1 };
                self.spend(size, place)?;
                let content = Content::Scalar { text: text.into_owned(), plain };
                self.finished(Node { place, content }, size, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), place)?;
                self.enter(Content::Sequence(Vec::new()), place, anchor)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), place)?;
                self.enter(Content::Mapping(Vec::new()), place, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave()?,
            Event::Alias(anchor) => self.alias(anchor, place)?,
            _ => {}
        }
        Ok(())
    }

    /// Whether the tag makes a scalar text; tells of a tag that means nothing here.
    fn tag(&mut self, tag: Option<&Tag>, place: Place) -> Result<bool, Problem> {
        match tag {
            None => Ok(false),
            Some(tag) if tag.is_yaml_core_schema_tag("str") => Ok(true),
            Some(_) => Err(Problem::new(place, "tags have no meaning here")
                .hint("a `!` at the beginning of a text must be in quotes")),
        }
    }

    fn enter(&mut self, content: Content, place: Place, anchor: usize) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(words::too_deep(place));
        }
        let size = Size { nodes: 1, ..Size::default() };
        self.spend(size, place)?;
        self.open.push(Open {
            node: Node { place, content },
            anchor,
            size,
            key: None,
            keys: BTreeMap::new(),
            merged: Vec::new(),
        });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Problem> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        if let Content::Mapping(entries) = &mut open.node.content {
            self.merge(entries, &mut open.keys, open.merged);
        }
        open.size.depth += 1;
        self.finished(open.node, open.size, open.anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Problem> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(Problem::new(place, "this alias stands inside what it repeats"));
        };
        if self.open.len() + size.depth > DEPTH_MAX {
            return Err(words::too_deep(place));
        }
        // Before the copy is made: a few lines of aliases can stand for any number of nodes.
        spend(&mut self.built, *size, place)?;
        let (mut node, size) = (node.clone(), *size);
        node.place = place;
        self.finished(node, size, 0)
    }

    fn spend(&mut self, size: Size, place: Place) -> Result<(), Problem> {
        spend(&mut self.built, size, place)
    }

    /// Takes over entries whose keys are not there yet; what is written in the mapping itself wins,
    /// then the first of `merged`.
    fn merge(
        &mut self,
        entries: &mut Vec<(Key, Node)>,
        keys: &mut BTreeMap<String, Place>,
        merged: Vec<Node>,
    ) {
        for node in merged {
            let Content::Mapping(more) = node.content else {
                let message = "`<<` takes over a mapping or a list of mappings";
                self.problems.push(Problem::new(node.place, message));
                continue;
            };
            for (key, value) in more {
                if !keys.contains_key(&key.text) {
                    keys.insert(key.text.clone(), key.place);
                    entries.push((key, value));
                }
            }
        }
    }

    /// Puts a finished node where it belongs: under its key, into its sequence, or at the top.
    fn finished(&mut self, node: Node, size: Size, anchor: usize) -> Result<(), Problem> {
        if anchor > 0 {
            self.spend(size, node.place)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.size.nodes += size.nodes;
        open.size.bytes += size.bytes;
        open.size.depth = open.size.depth.max(size.depth);
        match &mut open.node.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping(entries) => match open.key.take() {
                None => open.key = Some(key(node)?),
                Some(key) if key.text == MERGE => match node.content {
                    Content::Sequence(list) => open.merged.extend(list),
                    _ => open.merged.push(node),
                },
                Some(key) => match open.keys.get(&key.text) {
                    Some(first) => self.problems.push(twice(&key, *first)),
                    None => {
                        open.keys.insert(key.text.clone(), key.place);
                        entries.push((key, node));
                    }
                },
            },
            Content::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn spend(built: &mut Size, size: Size, place: Place) -> Result<(), Problem> {
    built.nodes = built.nodes.saturating_add(size.nodes);
    built.bytes = built.bytes.saturating_add(size.bytes);
    if built.nodes > NODES_MAX || built.bytes > TEXT_BYTES_MAX {
        return Err(Problem::new(
            place,
            format!(
                "this file is too large with its aliases written out: at most {NODES_MAX} values and {} MiB",
                TEXT_BYTES_MAX / (1024 * 1024)
            ),
        ));
    }
    Ok(())
}

fn twice(key: &Key, first: Place) -> Problem {
    let text = cut(&key.text);
    let message = format!("the key `{text}` stands twice: the first is in line {}", first.line);
    Problem::new(key.place, message)
}

/// A node as a key.
fn key(node: Node) -> Result<Key, Problem> {
    match node.content {
        Content::Scalar { text, .. } => Ok(Key { place: node.place, text }),
        _ => Err(Problem::new(node.place, "a key must be a text")
            .hint("what begins with `{` or `[` and is meant as text must be in quotes")),
    }
}
