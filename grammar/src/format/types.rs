//! Types and patterns. Types are printed by their tokens (parentheses around a function type are not in the tree),
//! and never broken.

use super::lists::Breaks;
use super::printer::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub fn ty(&mut self, ty: &TypeExpr) {
        while self.next_start() < ty.span.end {
            match self.next_text() {
                "," => {
                    self.hoisted(",");
                    self.space();
                }
                "->" => {
                    self.space();
                    self.token("->");
                    self.space();
                }
                _ => self.any(),
            }
        }
    }

    pub fn type_params(&mut self, params: &[TypeParam]) {
        if params.is_empty() {
            return;
        }
        self.listed(["<", ">"], params, Breaks::Together, |p, param| {
            p.any();
            for (index, bound) in param.bounds.iter().enumerate() {
                p.space();
                p.token(if index == 0 { "extends" } else { "&" });
                p.space();
                p.ty(bound);
            }
        });
    }

    pub fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::Type { ty, name } => {
                match ty {
                    Some(ty) => self.ty(ty),
                    None => self.token("var"),
                }
                if name.is_some() {
                    self.space();
                    self.any();
                }
            }
            PatternKind::Record { ty, parts } => {
                self.ty(ty);
                self.listed(["(", ")"], parts, Breaks::Together, Self::pattern);
            }
        }
    }
}
