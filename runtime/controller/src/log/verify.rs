//! `dsctl log verify`: whether everything in a data folder fits together.

use std::path::PathBuf;

use clap::Args;
use dscript_protocol::folder::existing_data_folder;

use crate::out;

#[derive(Args)]
#[command(after_help = "It reads everything and changes nothing; programs may go on writing.\n\n\
    Exit status: 0 all is well; 1 something is damaged; 2 the folder could not be looked at.\n\n\
    Examples:\n  dsctl log verify\n  dsctl log verify --data ./data --json")]
pub struct VerifyArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub fn verify(args: VerifyArgs) -> Result<i32, String> {
    let data = existing_data_folder(args.data.as_deref())?;
    let found = dscript_logpool::verify(&data).map_err(|why| why.to_string())?;
    if args.json {
        out::print_json(&serde_json::json!({
            "segments": found.segments,
            "blocks": found.blocks,
            "records": found.records,
            "waiting": found.waiting,
            "problems": found.problems,
        }))?;
    } else {
        let mut text = format!(
            "{} records in {} blocks of {} segments, {} in log files\n",
            found.records, found.blocks, found.segments, found.waiting
        );
        for problem in &found.problems {
            text.push_str(&format!("{problem}\n"));
        }
        out::print(&text)?;
    }
    match found.problems.len() {
        0 => Ok(0),
        count => {
            let are = if count == 1 { "1 thing is".to_owned() } else { format!("{count} things are") };
            eprintln!("dsctl: {are} wrong in {}; what can be read still is", data.display());
            Ok(1)
        }
    }
}
