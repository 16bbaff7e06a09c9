//! What operators ask for, and what is decided on it: the part of `step` that begins and ends runs.

use dscript_protocol::ids::short;
use dscript_protocol::limits::TOKEN_MS;
use dscript_protocol::message::*;
use dscript_protocol::selector::Selector;
use dscript_protocol::{ImageHash, NodeId, RunId, Secret};

use super::state::{Entry, Run};
use super::step::{Effect, Fleet, Now, Request, Step, wall_ms};

impl Fleet {
    pub(super) fn answer(
        &mut self,
        now: Now,
        request: Request,
        message: FromOperator,
        step: &mut Step,
    ) -> Result<(), String> {
        let mut waits = false;
        let answer = match message {
            FromOperator::CreateToken => {
                let token = Secret::new(self.draw());
                let until_ms = wall_ms(now).saturating_add(TOKEN_MS);
                self.decide(Entry::TokenMade { hash: token.hash(), until_ms }, step);
                ToOperator::Token { token, hours: (TOKEN_MS / 3_600_000) as u32 }
            }
            FromOperator::ListNodes => ToOperator::Nodes(self.node_infos()),
            FromOperator::ForgetNode { name } => {
                let node = self
                    .durable
                    .node_named(&name)
                    .ok_or_else(|| format!("no node is called `{name}`; `dsctl nodes` lists them"))?;
                self.forget(now, node, "an operator had the node forgotten", step);
                ToOperator::Nodes(self.node_infos())
            }
            FromOperator::Ship(order) => {
                waits = order.wait;
                let runs = self.ship(now, order, step)?;
                if waits {
                    self.waits.insert(request, runs.iter().copied().collect());
                }
                ToOperator::Runs(runs.iter().filter_map(|run| self.run_info(*run)).collect())
            }
            FromOperator::ListRuns { limit } => ToOperator::Runs(self.run_infos(limit as usize)),
            FromOperator::ShowRun { begins } => {
                let run = self.find_run(&begins)?;
                ToOperator::Runs(self.run_info(run).into_iter().collect())
            }
            FromOperator::StopRun { begins } => {
                let run = self.find_run(&begins)?;
                self.stop(now, run, step);
                ToOperator::Runs(self.run_info(run).into_iter().collect())
            }
            FromOperator::QueryLog(_)
            | FromOperator::StatsLog { .. }
            | FromOperator::TailLog(_)
            | FromOperator::ListPools { .. }
            | FromOperator::ExportLog(_) => {
                return Err("the LogPool answers this, not the fleet".into());
            }
        };
        step.effects.push(Effect::Answer { request, message: answer });
        if waits {
            self.finish_wait(request, step);
        } else {
            step.effects.push(Effect::Answer { request, message: ToOperator::Done });
        }
        Ok(())
    }

    fn ship(&mut self, now: Now, order: Order, step: &mut Step) -> Result<Vec<RunId>, String> {
        let selector = Selector::parse(&order.selector).map_err(|why| why.to_string())?;
        let mut selected: Vec<(String, NodeId)> = self
            .durable
            .nodes
            .iter()
            .filter(|(_, node)| selector.matches(&node.name, &node.labels))
            .map(|(id, node)| (node.name.clone(), *id))
            .collect();
        selected.sort_unstable();
        if selected.is_empty() {
            return Err(if self.durable.nodes.is_empty() {
                "no node has joined yet: `dsctl token` makes a token for `dsvm node`".into()
            } else {
                format!("no node fits `{}`; `dsctl nodes` lists them with their labels", order.selector)
            });
        }
        let hash = ImageHash::of(&order.image);
        step.images.push((hash, order.image));
        let mut runs = Vec::new();
        for (node_name, node) in selected {
            let drawn = self.draw();
            let run = RunId::from_random(std::array::from_fn(|place| drawn[place]));
            let number = wall_ms(now).max(self.durable.last_order + 1);
            self.replace_waiting(now, node, &order.label, run, step);
            let as_run = Run {
                node,
                node_name,
                order: number,
                hash,
                task: order.task.clone(),
                params: order.params.clone(),
                label: order.label.clone(),
                created: now.wall,
                stage: None,
                started: None,
                outcome: None,
                gone: None,
                stop_asked: false,
                assumed: false,
            };
            self.decide(Entry::RunMade { run, as_run }, step);
            runs.push(run);
            if let Some(connection) = self.connection_of(node) {
                self.send_due(now, connection, run, step);
            }
        }
        Ok(runs)
    }

    /// Runs of the same label that their node does not have yet will never begin.
    fn replace_waiting(&mut self, now: Now, node: NodeId, label: &str, by: RunId, step: &mut Step) {
        let waiting: Vec<RunId> = self
            .durable
            .runs
            .iter()
            .filter(|(_, run)| run.node == node && run.label == label && run.must_be_shipped())
            .map(|(id, _)| *id)
            .collect();
        for run in waiting {
            let why = format!("replaced by run {} before it began", short(by));
            self.assume(run, Outcome::new(Ending::Stopped, why, now.wall), step);
            if let Some(connection) = self.connection_of(node) {
                self.send_due(now, connection, run, step);
            }
        }
    }

    fn stop(&mut self, now: Now, id: RunId, step: &mut Step) {
        let Some(run) = self.durable.runs.get(&id) else { return };
        if run.is_over() {
            return;
        }
        let (node, never_taken) = (run.node, run.must_be_shipped());
        if !run.stop_asked {
            self.decide(Entry::StopAsked { run: id }, step);
        }
        if never_taken {
            let why = "stopped before the node had it";
            self.assume(id, Outcome::new(Ending::Stopped, why, now.wall), step);
        }
        if let Some(connection) = self.connection_of(node) {
            self.send_due(now, connection, id, step);
        }
    }
}
