//! What nodes mean: digests of the code and settings from which their rows would be made, so that
//! a node whose meaning and inputs are those of what is published need not be built again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base::NodeId;
use compute::Moving;
use project::{CompileContext, Materialization, Node, NodeKind, Project};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::incremental::is_microbatch;
use crate::{TransformationError, Workshop};

/// Settings that change nothing about a node's rows.
const IDLE_SETTINGS: &[&str] = &[
    "access",
    "alias",
    "concurrent_batches",
    "contract",
    "database",
    "description",
    "docs",
    "enabled",
    "full_refresh",
    "grants",
    "group",
    "lookback",
    "meta",
    "packages",
    "persist_docs",
    "schema",
    "tags",
];

/// What a node means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeCode {
    /// Digest of the text it compiles to.
    pub text: String,
    /// Digest of what the text means.
    pub code: String,
    /// Digest of the settings that matter.
    pub settings: String,
    /// Digest of its contract, when that is enforced.
    pub contract: String,
    /// What in it gives another answer by itself.
    pub moving: Vec<String>,
    /// The text, and for an incremental model that of its first run before it.
    pub texts: Vec<String>,
}

/// The meaning that a text was found to have, so that it need not be taken apart again.
#[derive(Clone, Debug)]
pub struct KnownCode {
    /// Digest of the text.
    pub text: String,
    /// Digest of its meaning.
    pub code: String,
    /// What in it moves.
    pub moving: Vec<String>,
}

/// What nodes mean, or why they mean nothing.
pub type NodeCodes = BTreeMap<NodeId, Result<NodeCode, String>>;

impl Workshop {
    /// What nodes mean. An incremental model means both its first run and the later ones.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn meanings(
        &self,
        wanted: BTreeMap<NodeId, Option<KnownCode>>,
    ) -> Result<NodeCodes, TransformationError> {
        let world = self.world(self.session(self.catalog().await?)).await?;
        let (context, facts) = self.context(&world, false);
        let (mut first, first_facts) = self.context(&world, true);
        first.full_refresh = true;
        // Nothing is made here: templates may ask, and what they would change stays as it is.
        facts.settle();
        first_facts.settle();
        let reader = Reader {
            project: Arc::clone(&self.project),
            files: Arc::clone(&self.files),
            dialect: self.dialect.to_string(),
            prefix: format!("\"{}\".", self.environment.as_str().replace('"', "\"\"")),
            context,
            first,
        };
        let work = move || reader.read(wanted);
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            TransformationError::Internal(format!("reading meanings broke off: {error}"))
        })
    }
}

struct Reader {
    project: Arc<Project>,
    files: Arc<dyn base::Files>,
    dialect: String,
    /// How relations name their environment.
    prefix: String,
    context: CompileContext,
    first: CompileContext,
}

impl Reader {
    fn read(&self, wanted: BTreeMap<NodeId, Option<KnownCode>>) -> NodeCodes {
        let graph = &self.project.graph;
        let mut found = NodeCodes::new();
        let nodes = wanted.iter().filter_map(|(id, known)| Some((graph.node(id)?, known.as_ref())));
        let (unit_tests, others): (Vec<_>, Vec<_>) =
            nodes.partition(|(node, _)| node.kind == NodeKind::UnitTest);
        for (node, known) in others {
            found.insert(node.id.clone(), self.node(node, known));
        }
        for (node, _) in unit_tests {
            let code = self.unit_test(node, &found);
            found.insert(node.id.clone(), code);
        }
        found
    }

    fn node(&self, node: &Node, known: Option<&KnownCode>) -> Result<NodeCode, String> {
        if node.kind == NodeKind::Seed {
            return self.seed(node);
        }
        let mut texts = Vec::new();
        if node.config.materialized == Materialization::Incremental {
            texts.push(self.text(node, &self.first)?);
        }
        texts.push(self.text(node, &self.context)?);
        // The same code means the same in every environment.
        let plain: Vec<String> = texts.iter().map(|text| text.replace(&self.prefix, "")).collect();
        let text = digest(plain.iter().map(String::as_bytes));
        let (code, mut moving) = match known {
            Some(known) if known.text == text => (known.code.clone(), known.moving.clone()),
            Some(_) | None => {
                let meanings: Vec<compute::Meaning> =
                    plain.iter().map(|text| compute::meaning(text)).collect();
                let code = digest(meanings.iter().map(|meaning| meaning.text.as_bytes()));
                (code, meanings.into_iter().flat_map(|meaning| meaning.moving).collect())
            }
        };
        for word in ["run_started_at", "invocation_id"] {
            debug_assert!(Moving::of(word).is_some());
            if node.raw_sql.contains(word) {
                moving.push(word.to_owned());
            }
        }
        moving.sort();
        moving.dedup();
        let (settings, contract) = (self.settings(node), contract(node));
        Ok(NodeCode { text, code, settings, contract, moving, texts })
    }

    fn text(&self, node: &Node, context: &CompileContext) -> Result<String, String> {
        let compiled = self.project.compile(&node.id, context);
        compiled.map(|compiled| compiled.sql).map_err(|problems| {
            problems.first().map_or_else(String::new, |problem| problem.message.clone())
        })
    }

    fn seed(&self, node: &Node) -> Result<NodeCode, String> {
        let content = self.files.read(&self.project.root.join(&node.path));
        let content = content.map_err(|error| error.to_string())?;
        let text = digest([content.as_slice()]);
        let (code, settings) = (text.clone(), self.settings(node));
        Ok(NodeCode { text, code, settings, contract: contract(node), ..NodeCode::default() })
    }

    /// What is declared, and what its models mean, whatever they read.
    fn unit_test(&self, node: &Node, found: &NodeCodes) -> Result<NodeCode, String> {
        let mut pieces = vec![node.declaration.clone().unwrap_or_default().to_string()];
        for id in &node.depends_on {
            let model = self.project.graph.node(id).filter(|node| node.kind == NodeKind::Model);
            let Some(model) = model else { continue };
            match found.get(id) {
                Some(code) => pieces.push(code.clone()?.code),
                None => pieces.push(self.node(model, None)?.code),
            }
        }
        let text = digest(pieces.iter().map(String::as_bytes));
        Ok(NodeCode { code: text.clone(), text, ..NodeCode::default() })
    }

    fn settings(&self, node: &Node) -> String {
        let matters = |name: &&String| !IDLE_SETTINGS.contains(&name.as_str());
        let all = &node.config.all;
        let mut names: Vec<&String> = all.keys().filter(matters).collect();
        names.sort();
        let empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
        let mut pieces = vec![self.dialect.clone(), node.config.materialized.word().to_owned()];
        for name in names {
            match all.get(name) {
                Some(value) if !empty(value) => pieces.push(format!("{name}: {value}")),
                Some(_) | None => {}
            }
        }
        if let Some(test) = &node.test {
            pieces.push(format!(
                "{:?} {} {} {} {:?}",
                test.severity, test.fail_calculation, test.warn_if, test.error_if, test.limit
            ));
        }
        if let Materialization::Custom(word) = &node.config.materialized {
            let found = self.project.macros().find_materialization(word);
            let written = found.and_then(|found| {
                let span = &found.block.span;
                span.file.text.get(span.start..span.end).map(str::to_owned)
            });
            pieces.extend(written);
        }
        digest(pieces.iter().map(String::as_bytes))
    }
}

fn contract(node: &Node) -> String {
    if !node.config.contract_enforced {
        return String::new();
    }
    let columns = node.columns.iter().map(|column| {
        json!({"name": column.name, "type": column.data_type, "constraints": column.constraints})
    });
    digest([Value::Array(columns.collect()).to_string().as_bytes()])
}

/// Whether the text that was built is one of those that a node means: a template that says
/// something else each time is never the same.
pub fn is_what_was_built(node: &Node, code: &NodeCode, built: Option<&String>) -> bool {
    match built {
        // Each period of a microbatch model has a text of its own.
        Some(_) if is_microbatch(node) => true,
        Some(built) => code.texts.contains(built),
        None => code.texts.is_empty(),
    }
}

fn digest<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update((piece.len() as u64).to_be_bytes());
        hash.update(piece);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
