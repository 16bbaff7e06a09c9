//! What the server can do: one row a request, with what the client is told of it.

use crate::position::{Encoding, Lines};
use crate::roots::Root;
use crate::worker::Worker;
use crate::{
    actions, calls, completion, folding, format, goto, hints, hover, lenses, references, signature, symbols,
    tokens,
};
use dscript_compiler::defs::ModuleId;
use dscript_compiler::session::{Analysis, Entity};
use dscript_grammar::span::Span;
use lsp_server::ErrorCode;
use serde_json::{Value, json};

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: i32,
    pub message: String,
}

impl Failure {
    pub fn params(message: &str) -> Self {
        Self { code: ErrorCode::InvalidParams as i32, message: message.into() }
    }

    /// What was asked for cannot be done, and why.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::RequestFailed as i32, message: message.into() }
    }

    pub fn bug(message: &str) -> Self {
        Self { code: ErrorCode::InternalError as i32, message: message.into() }
    }
}

pub type Answer = Result<Value, Failure>;

type Handler = fn(&mut Cx<'_, '_, '_>, &Value) -> Answer;

struct Row {
    method: &'static str,
    handler: Handler,
    /// The client is told of it under this name, and so.
    capability: &'static str,
    value: fn() -> Value,
}

macro_rules! rows {
    ($($method:literal $handler:path, $capability:literal: $value:expr;)*) => {
        const ROWS: &[Row] =
            &[$(Row { method: $method, handler: $handler, capability: $capability, value: || $value }),*];
    };
}

rows! {
    "textDocument/hover" hover::hover, "hoverProvider": json!(true);
    "textDocument/completion" completion::completion,
        "completionProvider": json!({"triggerCharacters": ["."], "resolveProvider": true});
    "completionItem/resolve" completion::resolve, "": Value::Null;
    "textDocument/signatureHelp" signature::help,
        "signatureHelpProvider": json!({"triggerCharacters": ["(", ","], "retriggerCharacters": [")"]});
    "textDocument/declaration" goto::definition, "declarationProvider": json!(true);
    "textDocument/definition" goto::definition, "definitionProvider": json!(true);
    "textDocument/typeDefinition" goto::type_definition, "typeDefinitionProvider": json!(true);
    "textDocument/implementation" goto::implementation, "implementationProvider": json!(true);
    "textDocument/references" references::references, "referencesProvider": json!(true);
    "textDocument/documentHighlight" references::highlight, "documentHighlightProvider": json!(true);
    "textDocument/prepareRename" references::prepare_rename, "renameProvider": json!({"prepareProvider": true});
    "textDocument/rename" references::rename, "": Value::Null;
    "textDocument/documentSymbol" symbols::document, "documentSymbolProvider": json!(true);
    "workspace/symbol" symbols::workspace, "workspaceSymbolProvider": json!(true);
    "textDocument/semanticTokens/full" tokens::full, "semanticTokensProvider": tokens::provider();
    "textDocument/semanticTokens/range" tokens::range, "": Value::Null;
    "textDocument/inlayHint" hints::hints, "inlayHintProvider": json!(true);
    "textDocument/foldingRange" folding::folds, "foldingRangeProvider": json!(true);
    "textDocument/selectionRange" folding::selections, "selectionRangeProvider": json!(true);
    "textDocument/formatting" format::whole, "documentFormattingProvider": json!(true);
    "textDocument/rangeFormatting" format::range, "documentRangeFormattingProvider": json!(true);
    "textDocument/onTypeFormatting" format::on_type, "documentOnTypeFormattingProvider":
        json!({"firstTriggerCharacter": "}", "moreTriggerCharacter": [";"]});
    "textDocument/prepareCallHierarchy" calls::prepare, "callHierarchyProvider": json!(true);
    "callHierarchy/incomingCalls" calls::incoming, "": Value::Null;
    "callHierarchy/outgoingCalls" calls::outgoing, "": Value::Null;
    "textDocument/codeLens" lenses::lenses, "codeLensProvider": json!({"resolveProvider": false});
    "textDocument/codeAction" actions::actions, "codeActionProvider":
        json!({"codeActionKinds": ["quickfix", "refactor.extract", "refactor.rewrite"]});
    "workspace/executeCommand" lenses::execute, "executeCommandProvider":
        json!({"commands": [lenses::SHOW_SCENARIO]});
}

pub fn capabilities(encoding: Encoding) -> Value {
    let mut all = json!({
        "positionEncoding": encoding.name(),
        "textDocumentSync": {"openClose": true, "change": 2, "save": true},
        "workspace": {"workspaceFolders": {"supported": true}},
    });
    for row in ROWS.iter().filter(|r| !r.capability.is_empty()) {
        all[row.capability] = (row.value)();
    }
    all
}

pub fn is_known(method: &str) -> bool {
    ROWS.iter().any(|r| r.method == method)
}

/// The file that a request is about.
pub fn address(params: &Value) -> Option<&str> {
    ["/textDocument/uri", "/item/data/uri", "/data/uri", "/arguments/0/uri", "/arguments/0"]
        .iter()
        .find_map(|path| params.pointer(path).and_then(Value::as_str))
}

pub fn answer(cx: &mut Cx<'_, '_, '_>, method: &str, params: &Value) -> Answer {
    match ROWS.iter().find(|r| r.method == method) {
        Some(row) => (row.handler)(cx, params),
        None => Err(Failure {
            code: ErrorCode::MethodNotFound as i32,
            message: format!("no request `{method}` is known"),
        }),
    }
}

/// What a request is answered from.
pub struct Cx<'s, 'a, 'c> {
    pub worker: &'s Worker,
    pub a: &'s mut Analysis<'a, 'c>,
    pub root: &'s Root,
}

impl<'s, 'a, 'c> Cx<'s, 'a, 'c> {
    pub fn new(worker: &'s Worker, a: &'s mut Analysis<'a, 'c>, root: &'s Root) -> Self {
        Self { worker, a, root }
    }

    pub fn encoding(&self) -> Encoding {
        self.worker.client.encoding
    }

    pub fn lines(&self, module: ModuleId) -> Lines<'c> {
        Lines::of(self.a.map.get(self.a.defs.modules[module.index()].file), self.encoding())
    }

    /// The module of the file that a request is about.
    pub fn module(&self, params: &Value) -> Result<ModuleId, Failure> {
        let address = address(params).ok_or(Failure::params("the request names no file"))?;
        let module = match self.worker.documents.get(address) {
            Some(document) => document.module.clone(),
            None => crate::roots::Place::of(address).1,
        };
        self.a
            .module_at(&module)
            .ok_or_else(|| Failure::refused(format!("{address} is not open and not on disk")))
    }

    /// The module and the place that a request is about.
    pub fn at(&self, params: &Value) -> Result<(ModuleId, u32), Failure> {
        let module = self.module(params)?;
        let position = params.get("position").ok_or(Failure::params("the request names no position"))?;
        let offset = self.lines(module).offset(position).ok_or(Failure::params("that is no position"))?;
        Ok((module, offset))
    }

    pub fn uri(&self, module: ModuleId) -> Option<String> {
        let module = &self.a.defs.modules[module.index()];
        self.worker.address(&self.root.place, &module.path, module.is_std)
    }

    pub fn location(&self, module: ModuleId, span: Span) -> Option<Value> {
        Some(json!({"uri": self.uri(module)?, "range": self.lines(module).range(span)}))
    }

    /// Where a thing is declared, as the protocol has it.
    pub fn declared_at(&self, entity: Entity) -> Option<Value> {
        let (module, span) = self.a.declaration(entity)?;
        self.location(module, span)
    }

    /// Edits of several files, with the versions they are meant for where the client knows such.
    pub fn workspace_edit(&self, edits: Vec<(ModuleId, Span, String)>) -> Value {
        let mut by_file: Vec<(String, Vec<Value>)> = Vec::new();
        for (module, span, text) in edits {
            let Some(uri) = self.uri(module) else { continue };
            let edit = json!({"range": self.lines(module).range(span), "newText": text});
            match by_file.iter_mut().find(|(known, _)| *known == uri) {
                Some((_, edits)) => edits.push(edit),
                None => by_file.push((uri, vec![edit])),
            }
        }
        if self.worker.client.versioned_edits {
            let changes: Vec<Value> = by_file
                .into_iter()
                .map(|(uri, edits)| {
                    let version = self.worker.version_of(&uri);
                    json!({"textDocument": {"uri": uri, "version": version}, "edits": edits})
                })
                .collect();
            return json!({"documentChanges": changes});
        }
        let changes: serde_json::Map<String, Value> =
            by_file.into_iter().map(|(uri, edits)| (uri, Value::Array(edits))).collect();
        json!({"changes": changes})
    }
}
