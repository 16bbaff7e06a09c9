//! `dsctl token`: a token with which one node can join once. The controller keeps only its hash.

use clap::Args;
use dscript_protocol::message::{FromOperator, ToOperator};

use crate::client::{Target, ask_once};
use crate::out;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    dsctl token\n  \
    dsvm node --controller 127.0.0.1:7700 --token \"$(dsctl token)\"")]
pub struct TokenArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub fn token(args: TokenArgs) -> Result<i32, String> {
    let ToOperator::Token { token, hours } = ask_once(&args.target, &FromOperator::CreateToken)? else {
        return Err(super::strange());
    };
    if args.json {
        out::print_json(&serde_json::json!({ "token": token.0, "hours": hours }))?;
    } else {
        out::print(&format!("{}\n", token.0))?;
        eprintln!("dsctl: one node can join with it, once, within {hours} hours");
    }
    Ok(0)
}
