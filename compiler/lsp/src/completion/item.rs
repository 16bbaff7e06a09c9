//! One thing to choose, and the snippets.

use serde_json::{Value, json};

pub mod kind {
    pub const METHOD: u8 = 2;
    pub const FUNCTION: u8 = 3;
    pub const FIELD: u8 = 5;
    pub const VARIABLE: u8 = 6;
    pub const CLASS: u8 = 7;
    pub const INTERFACE: u8 = 8;
    pub const MODULE: u8 = 9;
    pub const PROPERTY: u8 = 10;
    pub const ENUM: u8 = 13;
    pub const KEYWORD: u8 = 14;
    pub const SNIPPET: u8 = 15;
    pub const ENUM_MEMBER: u8 = 20;
    pub const CONSTANT: u8 = 21;
    pub const STRUCT: u8 = 22;
    pub const EVENT: u8 = 23;
    pub const TYPE_PARAMETER: u8 = 25;
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    First,
    Local,
    Near,
    Imported,
    Library,
    Word,
    Unimported,
}

pub struct Item {
    label: String,
    kind: u8,
    rank: Rank,
    detail: String,
    insert: Option<String>,
    snippet: Option<String>,
    declared: Option<(String, u32)>,
    also: Option<Value>,
    from: Option<String>,
}

impl Item {
    pub fn new(label: &str, kind: u8, rank: Rank) -> Self {
        Self {
            label: label.into(),
            kind,
            rank,
            detail: String::new(),
            insert: None,
            snippet: None,
            declared: None,
            also: None,
            from: None,
        }
    }

    pub fn detail(mut self, detail: &str) -> Self {
        self.detail = detail.into();
        self
    }

    pub fn insert(mut self, text: &str) -> Self {
        self.insert = Some(text.into());
        self
    }

    pub fn snippet(mut self, text: &str) -> Self {
        self.snippet = Some(text.into());
        self
    }

    /// With parentheses behind it, the cursor between them where it takes arguments.
    pub fn call(mut self, wanted: bool, takes: bool) -> Self {
        if wanted {
            let inside = if takes { "$1" } else { "" };
            self.snippet = Some(format!("{}({inside})$0", self.label));
        }
        self
    }

    pub fn declared(mut self, module: &str, at: u32) -> Self {
        self.declared = Some((module.into(), at));
        self
    }

    /// An edit elsewhere that belongs to it.
    pub fn also(mut self, edit: Value) -> Self {
        self.also = Some(edit);
        self
    }

    pub fn from(mut self, module: &str) -> Self {
        self.from = Some(module.into());
        self
    }

    pub fn to_value(&self, range: &Value, uri: &str, snippets: bool) -> Value {
        let snippet = self.snippet.as_ref().filter(|_| snippets);
        let text = snippet.or(self.insert.as_ref()).unwrap_or(&self.label);
        let mut value = json!({
            "label": self.label,
            "kind": self.kind,
            "sortText": format!("{}{}", self.rank as u8, self.label),
            "textEdit": {"range": range, "newText": text},
        });
        if snippet.is_some() {
            value["insertTextFormat"] = json!(2);
        }
        if !self.detail.is_empty() {
            value["detail"] = json!(self.detail);
        }
        if let Some((module, at)) = &self.declared {
            value["data"] = json!({"uri": uri, "module": module, "at": at});
        }
        if let Some(edit) = &self.also {
            value["additionalTextEdits"] = json!([edit]);
        }
        if let Some(from) = &self.from {
            value["labelDetails"] = json!({"description": format!("import {from}")});
        }
        value
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between declarations.
    Module,
    /// Among statements.
    Statement,
    /// In a scenario.
    State,
}

pub struct Snippet {
    pub label: &'static str,
    pub what: &'static str,
    /// The word of the language it begins with.
    pub begins: &'static str,
    pub place: Place,
    pub text: &'static str,
}

pub const SNIPPETS: &[Snippet] = &[
    Snippet {
        label: "monitor task",
        what: "a task that watches",
        begins: "monitor",
        place: Place::Module,
        text: "monitor task ${1:name}(${2}) {\n    return ${0:true};\n}",
    },
    Snippet {
        label: "recover task",
        what: "a task that repairs, with its undo",
        begins: "recover",
        place: Place::Module,
        text: "recover task ${1:name}(${2}) {\n    $0\n} undo {\n}",
    },
    Snippet {
        label: "lowlevel function",
        what: "a Low-Level Script: a command behind a signature",
        begins: "lowlevel",
        place: Place::Module,
        text: "lowlevel ${1:boolean}! ${2:name}(${3}) {\n    Output out = try new Command(\"${4:true}\").timeout(${5:5s}).run();\n    return ${0:true};\n}",
    },
    Snippet {
        label: "scenario",
        what: "a state machine over tasks",
        begins: "scenario",
        place: Place::Module,
        text: "scenario ${1:Name}(${2}) on nodes(\"${3:role=}\") guard { at most 1 recovering; } {\n    initial state ${4:Healthy} {\n        monitor ${5:check}() every ${6:5s};\n        on failure go ${7:Restart};\n    }\n    state ${7:Restart} {\n        recover ${8:restart}();\n        on success go ${4:Healthy};\n        on failure go ${7:Restart} after 1m;\n    }\n}$0",
    },
    Snippet {
        label: "test",
        what: "a test",
        begins: "test",
        place: Place::Module,
        text: "test \"${1:what must hold}\" {\n    $0\n}",
    },
    Snippet {
        label: "given",
        what: "what a function answers in this test",
        begins: "given",
        place: Place::Statement,
        text: "given ${1:function}(${2}) returns ${0:true};",
    },
    Snippet {
        label: "within",
        what: "bounds a block in time",
        begins: "within",
        place: Place::Statement,
        text: "within (${1:10s}) {\n    $0\n} else {\n}",
    },
    Snippet {
        label: "retry",
        what: "runs a block again when it fails",
        begins: "retry",
        place: Place::Statement,
        text: "retry (${1:3}, ${2:2s}) {\n    $0\n} else (Error e) {\n}",
    },
    Snippet {
        label: "every",
        what: "runs a block at a fixed rate",
        begins: "every",
        place: Place::Statement,
        text: "every (${1:5s}) {\n    $0\n}",
    },
    Snippet {
        label: "state",
        what: "a state that runs a task",
        begins: "state",
        place: Place::State,
        text: "state ${1:Name} {\n    recover ${2:task}();\n    on success go ${3:Healthy};\n    on failure go ${4:Escalate};\n}$0",
    },
];
