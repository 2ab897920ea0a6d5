//! Hooks: SQL of the project around a node or a run, rendered when its moment comes.

use std::sync::Arc;

use base::NodeId;
use compute::statement::{Statement, statements};
use ledger::Commit;
use project::Node;
use project::config::Hook;

use crate::staged::StagedNode;
use crate::world::World;
use crate::{TransformationError, Workshop};

/// Whether a hook changes nothing here, as its first word tells: grants, statistics, settings.
fn is_idle(template: &str) -> bool {
    // A statement that a macro writes, or carries out itself, is known only when it is rendered.
    if template.split(';').any(|statement| statement.trim_start().starts_with('{')) {
        return false;
    }
    let found = statements(template);
    found.is_ok_and(|found| found.iter().all(|statement| *statement == Statement::Nothing))
}

impl Workshop {
    /// Renders and carries out a node's hooks, one after the other.
    pub(crate) async fn run_hooks(
        &self,
        node: &Node,
        hooks: &[Hook],
        world: &Arc<World>,
    ) -> Result<(), TransformationError> {
        for hook in hooks {
            self.run_text(&node.id, &hook.sql, world).await?;
        }
        Ok(())
    }

    /// Renders a text in the context of a node and carries it out.
    async fn run_text(
        &self,
        id: &NodeId,
        text: &str,
        world: &Arc<World>,
    ) -> Result<(), TransformationError> {
        let sql = self.rendered_for(id, text, world).await?;
        world.carry_out(&sql).await.map(drop)
    }

    /// Renders a text in the context of a node.
    pub(crate) async fn rendered(
        &self,
        node: &Node,
        text: &str,
        world: &Arc<World>,
    ) -> Result<String, TransformationError> {
        self.rendered_for(&node.id, text, world).await
    }

    async fn rendered_for(
        &self,
        id: &NodeId,
        text: &str,
        world: &Arc<World>,
    ) -> Result<String, TransformationError> {
        let (context, _) = self.context(world, self.options.full_refresh);
        let (project, id, text) = (Arc::clone(&self.project), id.clone(), text.to_owned());
        let render = move || project.render_text(&id, &text, &context);
        tokio::task::spawn_blocking(render)
            .await
            .map_err(|error| TransformationError::Internal(format!("a hook broke off: {error}")))?
            .map_err(TransformationError::Project)
    }

    /// Carries out the hooks after a node. They are to see what the node made, so it is pointed
    /// to first, and its tests then run on what is published, in dbt's own order.
    pub(crate) async fn after(
        &self,
        node: &Node,
        mut staged: StagedNode,
        world: &Arc<World>,
    ) -> Result<StagedNode, TransformationError> {
        if node.config.post_hooks.iter().all(|hook| is_idle(&hook.sql)) {
            return Ok(staged);
        }
        self.publish_now(&mut staged).await?;
        world.look_again(&staged.swing.table).await?;
        self.run_hooks(node, &node.config.post_hooks, world).await?;
        Ok(staged)
    }

    /// Points to a version before its tests ran.
    pub(crate) async fn publish_now(
        &self,
        staged: &mut StagedNode,
    ) -> Result<(), TransformationError> {
        let commit = Commit::new(self.commit_of(staged), self.environment.clone());
        let commit = staged.joined_to(commit.attempt(&staged.attempt));
        self.ledger.commit(&commit).await?;
        (staged.changed, staged.published) = (false, true);
        Ok(())
    }

    /// Carries out a hook of `on-run-start` or `on-run-end`.
    ///
    /// # Errors
    /// When its template or its SQL is wrong.
    pub async fn operation(&self, id: &NodeId) -> Result<(), TransformationError> {
        let Some(node) = self.project.graph.node(id) else {
            return Err(TransformationError::Internal(format!("no node \"{id}\" in the graph")));
        };
        let world = self.world(self.session(self.catalog().await?)).await?;
        self.run_text(id, &node.raw_sql, &world).await
    }

    /// Calls a macro by name, as `run-operation` does; what it returns is given back.
    ///
    /// # Errors
    /// When there is no such macro, or it fails.
    pub async fn run_operation(
        &self,
        macro_name: &str,
        arguments: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<serde_json::Value, TransformationError> {
        let world = self.world(self.session(self.catalog().await?)).await?;
        let (context, _) = self.context(&world, self.options.full_refresh);
        let (project, name, arguments) =
            (Arc::clone(&self.project), macro_name.to_owned(), arguments.clone());
        let call = move || project.run_operation(&name, &arguments, &context);
        tokio::task::spawn_blocking(call)
            .await
            .map_err(|error| TransformationError::Internal(format!("a macro broke off: {error}")))?
            .map_err(TransformationError::Project)
    }
}

#[cfg(test)]
mod tests {
    use super::is_idle;

    #[test]
    fn a_hook_is_idle_only_when_no_macro_may_do_something() {
        assert!(is_idle("grant select on {{ this }} to role reader; analyze {{ this }}"));
        assert!(!is_idle("{{ fill_from_graph(this) }}"));
        assert!(!is_idle("analyze {{ this }}; {% if execute %}{{ note() }}{% endif %}"));
        assert!(!is_idle("insert into log select 1"));
    }
}
