//! Resolves `$ref` within the same file.

use crate::schema::{nearest, tree::Node};

/// Follows references of one file.
pub(super) struct References<'a> {
    root: &'a Node,
    /// The file's own URI, from `$id`, without a fragment.
    id: Option<&'a str>,
}

impl<'a> References<'a> {
    pub(super) fn new(root: &'a Node) -> Self {
        let id = root.get("$id").and_then(Node::text);
        let id = id.map(|id| id.split('#').next().unwrap_or(id)).filter(|id| !id.is_empty());
        Self { root, id }
    }

    /// The schema that a `$ref` points at.
    ///
    /// # Errors
    /// What to tell the operator of the property that refers: `refers to …`.
    pub(super) fn find(&self, reference: &'a Node) -> Result<&'a Node, String> {
        let Some(text) = reference.text() else {
            return Err(format!("has a `$ref` that is {}; write a text", reference.is_a()));
        };
        let own = self.id.and_then(|id| text.strip_prefix(id)).unwrap_or(text);
        if own.is_empty() || own == "#" {
            return Ok(self.root);
        }
        let Some(pointer) = own.strip_prefix('#') else {
            return Err(format!(
                "refers to `{text}`, another file; only references within a file (`#/…`) are \
                 followed, so copy it to this file's `$defs`"
            ));
        };
        let Some(path) = pointer.strip_prefix('/') else {
            return Err(format!(
                "refers to the anchor `{text}`; write its place, such as `#/$defs/…`"
            ));
        };
        let mut node = self.root;
        for part in path.split('/') {
            let name = unescaped(part);
            node = match node.step(&name) {
                Some(found) => found,
                None => {
                    let known = node.members().iter().map(|member| &*member.name);
                    let hint = match nearest(&name, known) {
                        Some(near) => format!("; did you mean `{near}`?"),
                        None => String::new(),
                    };
                    return Err(format!(
                        "refers to `{text}`, which is not in this file: there is no `{name}`{hint}"
                    ));
                }
            };
        }
        Ok(node)
    }
}

/// One part of a JSON Pointer in a URI: `%25` is `%`, `~1` is `/`, `~0` is `~`.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Sources;

    #[test]
    fn references_go_anywhere_in_the_file() {
        let text = r##"{"$id": "https://x.test/m#", "a": {"b/c~d": [{"x y": true}]},
            "r": ["#", "#/a/b~1c~0d/0/x%20y", "https://x.test/m#/a", "other.json#/a", "#here",
                  "#/a/b~1c~0e", 5, "#/a/%zz"]}"##;
        let sources = Sources::from_texts([("m".to_owned(), text.to_owned())]);
        let root = Node::parse(sources.find("m").unwrap()).unwrap();
        let references = References::new(&root);
        let at = |node: &Node| text[node.at..].chars().take(4).collect::<String>();
        let list = root.get("r").unwrap().items();
        let find = |index: usize| references.find(&list[index]).map(at);
        assert_eq!(find(0).unwrap(), "{\"$i");
        assert_eq!(find(1).unwrap(), "true");
        assert_eq!(find(2).unwrap(), "{\"b/");
        assert!(find(3).unwrap_err().starts_with("refers to `other.json#/a`, another file;"));
        assert!(find(4).unwrap_err().starts_with("refers to the anchor `#here`;"));
        assert_eq!(
            find(5).unwrap_err(),
            "refers to `#/a/b~1c~0e`, which is not in this file: there is no `b/c~e`; did you mean \
             `b/c~d`?"
        );
        assert_eq!(find(6).unwrap_err(), "has a `$ref` that is a number; write a text");
        assert!(find(7).unwrap_err().ends_with("there is no `%zz`"));
    }
}
