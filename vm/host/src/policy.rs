//! What a policy makes of capabilities: those that an image declares, and the concrete ones natives ask for.

use dscript_bytecode::capability::Capability;

use crate::run::Policy;

/// A policy with its patterns read.
pub struct Rules {
    allow: Option<Vec<Capability>>,
    deny: Vec<Capability>,
}

impl Rules {
    /// What is wrong with a pattern, where one is.
    pub fn new(policy: &Policy) -> Result<Rules, String> {
        let read = |patterns: &[String]| -> Result<Vec<Capability>, String> {
            patterns.iter().map(|text| Capability::parse(text).map_err(|why| why.to_string())).collect()
        };
        let allow = if policy.allow.is_empty() { None } else { Some(read(&policy.allow)?) };
        Ok(Rules { allow, deny: read(&policy.deny)? })
    }

    /// Whether just this may be done.
    pub fn allows(&self, capability: &str) -> bool {
        Capability::parse(capability).is_ok_and(|wanted| {
            self.allow.as_ref().is_none_or(|allow| allow.iter().any(|pattern| pattern.covers(&wanted)))
                && !self.deny.iter().any(|pattern| pattern.covers(&wanted))
        })
    }

    /// Those of the declared capabilities of which nothing at all may be done: a program that declares them is
    /// refused. One that is allowed in part is refused, in the rest, when it comes to it.
    pub fn refused<'a>(&self, declared: &'a [String]) -> Vec<&'a str> {
        let refused = |text: &&String| {
            let Ok(declared) = Capability::parse(text) else { return true };
            let none_allowed = self.allow.as_ref().is_some_and(|allow| {
                // A declared pattern may lie within a pattern that is allowed, or hold one; where the two only
                // overlap, the concrete capability decides.
                let covered = allow.iter().any(|pattern| pattern.covers(&declared));
                let alike = |pattern: &Capability| pattern.kind() == declared.kind() || pattern.kind() == "*";
                let may_overlap = declared.kind() == "*" || allow.iter().any(alike);
                !covered && (declared.is_exact() || !may_overlap)
            });
            none_allowed || self.deny.iter().any(|pattern| pattern.covers(&declared))
        };
        declared.iter().filter(refused).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &[&str], deny: &[&str], declared: &[&str], refused: &[&str]) {
        let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let rules = Rules::new(&Policy { allow: texts(allow), deny: texts(deny), refuse_early: true })
            .expect("good patterns");
        assert_eq!(rules.refused(&texts(declared)), refused);
    }

    #[test]
    fn programs_are_refused_for_what_they_may_never_do() {
        let declared = ["exec:vmstat", "logpool:write:memcached"];
        check(&[], &[], &declared, &[]);
        check(&[], &["exec:*"], &declared, &["exec:vmstat"]);
        check(&[], &["exec:ls"], &declared, &[]);
        check(&["exec:*"], &[], &declared, &["logpool:write:memcached"]);
        check(&["exec:vm*", "logpool:*"], &[], &declared, &[]);
        check(&["*"], &[], &declared, &[]);
        check(&["exec:ls"], &[], &["exec:*"], &[]);
        check(&["exec:ls"], &[], &["env:read:*"], &["env:read:*"]);
        check(&[], &["exec:ls"], &["exec:*"], &[]);
    }

    #[test]
    fn concrete_ones_need_an_allow_and_no_deny() {
        let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let rules =
            Rules::new(&Policy { allow: texts(&["exec:*"]), deny: texts(&["exec:rm"]), refuse_early: true })
                .expect("good");
        assert!(rules.allows("exec:ls"));
        assert!(!rules.allows("exec:rm"));
        assert!(!rules.allows("env:read:X"));
        assert!(!rules.allows(":"));
        assert!(
            Rules::new(&Policy { allow: texts(&["exec"]), deny: Vec::new(), refuse_early: true }).is_err()
        );
    }
}
