//! What a program asks of a pool, as texts, so that it can be asked here and elsewhere.

use dscript_logpool::{Condition, Order, Pattern, Query};

/// Which records of a pool are wanted.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub pool: String,
    pub key: Pattern,
    /// Patterns, `*` for any text; `None` for all.
    pub nodes: Option<String>,
    pub tasks: Option<String>,
    /// Nanoseconds since 1970, inclusive.
    pub since: Option<i64>,
    pub condition: Option<String>,
    /// The newest so many.
    pub most: Option<usize>,
}

impl Question {
    /// As a LogPool has it; an error is one of the condition.
    pub fn query(&self) -> Result<Query, String> {
        let pattern = |text: &Option<String>| text.as_deref().map_or(Pattern::Any, Pattern::parse);
        let condition = self.condition.as_deref().map(Condition::parse).transpose();
        Ok(Query {
            pool: Pattern::Exact(self.pool.clone()),
            key: self.key.clone(),
            node: pattern(&self.nodes),
            task: pattern(&self.tasks),
            since: self.since,
            condition: condition.map_err(|why| why.to_string())?,
            limit: self.most,
            order: if self.most.is_some() { Order::NewestFirst } else { Order::OldestFirst },
            ..Query::default()
        })
    }
}
