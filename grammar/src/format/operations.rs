//! Declarations for operations: tasks and scenarios.

use super::items::HEAD_INDENT;
use super::printer::{Printer, Sep};
use crate::ast::*;

impl Printer<'_> {
    pub fn task(&mut self, task: &Task) {
        if task.role.is_some() {
            self.any();
            self.space();
        }
        self.token("task");
        self.space();
        self.any();
        self.with_block(|p| p.params(&task.params), &task.body, task.undo.is_none());
        if let Some(undo) = &task.undo {
            self.space();
            self.token("undo");
            self.space();
            self.block(undo, false);
        }
    }

    pub fn scenario(&mut self, scenario: &Scenario) {
        self.token("scenario");
        self.space();
        self.any();
        self.params(&scenario.params);
        let guarded = self.is("guard") || scenario.selector.is_some();
        if guarded {
            self.continued(HEAD_INDENT, |p| {
                if let Some(selector) = &scenario.selector {
                    p.line();
                    p.token("on");
                    p.space();
                    p.token("nodes");
                    p.condition(selector);
                }
                if p.is("guard") {
                    p.line();
                    p.token("guard");
                    p.space();
                    p.guard(&scenario.guard);
                }
            });
        }
        self.space();
        self.braces(|p| {
            for (index, state) in scenario.states.iter().enumerate() {
                p.sep = if index == 0 { Sep::First } else { Sep::Lines };
                p.state(state);
            }
        });
    }

    fn guard(&mut self, rules: &[GuardRule]) {
        if rules.is_empty() || self.comment_before(self.close_of_next()) {
            return self.braces(|p| {
                for (index, rule) in rules.iter().enumerate() {
                    p.sep = if index == 0 { Sep::First } else { Sep::Lines };
                    p.guard_rule(rule);
                }
            });
        }
        self.gap();
        self.group(|p| {
            p.token("{");
            p.nest(|p| {
                for rule in rules {
                    p.line();
                    p.guard_rule(rule);
                }
            });
            p.line();
            p.token("}");
        });
    }

    fn guard_rule(&mut self, rule: &GuardRule) {
        self.token("at");
        self.space();
        self.prefixed("most", &rule.count);
        if rule.percent {
            self.token("%");
        }
        if rule.recovering {
            self.space();
            self.token("recovering");
        }
        if let Some(per) = &rule.per {
            self.space();
            self.prefixed("per", per);
        }
        self.semicolon();
    }

    fn state(&mut self, state: &State) {
        self.gap();
        while !self.is("state") {
            self.any();
            self.space();
        }
        self.token("state");
        self.space();
        self.any();
        self.space();
        self.braces(|p| {
            for (index, clause) in state.clauses.iter().enumerate() {
                p.sep = if index == 0 { Sep::First } else { Sep::Lines };
                p.clause(clause);
            }
        });
    }

    fn clause(&mut self, clause: &Clause) {
        self.gap();
        match &clause.kind {
            ClauseKind::Step { args, options, .. } => {
                self.any();
                self.space();
                self.any();
                self.args(args);
                if !options.is_empty() {
                    self.continued(HEAD_INDENT, |p| {
                        for option in options {
                            p.line();
                            p.step_option(option);
                        }
                    });
                }
            }
            ClauseKind::When { key, field, over, value, .. } => {
                self.token("when");
                self.space();
                self.prefixed("log", key);
                self.space();
                self.any();
                self.token("(");
                if field.is_some() {
                    self.any();
                }
                self.token(")");
                self.continued(HEAD_INDENT, |p| {
                    p.line();
                    p.prefixed("over", over);
                    p.space();
                    p.any();
                    p.space();
                    p.expr(value);
                    p.line();
                    p.token("go");
                    p.space();
                    p.any();
                });
            }
            ClauseKind::On { after, .. } => {
                for word in 0..4 {
                    if word > 0 {
                        self.space();
                    }
                    self.any();
                }
                if let Some(after) = after {
                    self.space();
                    self.prefixed("after", after);
                }
            }
            ClauseKind::Error => return self.up_to(clause.span.end),
        }
        self.semicolon();
    }

    fn step_option(&mut self, option: &StepOption) {
        match &option.kind {
            StepOptionKind::Every(value) => self.prefixed("every", value),
            StepOptionKind::Failing(value) => self.prefixed("failing", value),
            StepOptionKind::Within(value) => self.prefixed("within", value),
            StepOptionKind::Retry { times, every } => {
                self.prefixed("retry", times);
                if let Some(every) = every {
                    self.space();
                    self.prefixed("every", every);
                }
            }
            StepOptionKind::Verify { args, for_, .. } => {
                self.token("verify");
                self.space();
                self.any();
                self.args(args);
                if let Some(time) = for_ {
                    self.space();
                    self.prefixed("for", time);
                }
            }
            StepOptionKind::At(_) | StepOptionKind::WithApproval => {
                self.any();
                self.space();
                self.any();
            }
        }
    }
}
