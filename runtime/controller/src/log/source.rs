//! Where an export reads: a data folder, a controller, or where a URL says. Records come one after the other and in no order that
//! counts, so any number of them passes.

use std::collections::HashMap;
use std::io;

use dscript_destination::Destination;
use dscript_logpool::{FieldInfo, FieldKind, LogPoolError, Query, Reader, Record};
use dscript_protocol::message::{FromOperator, LogQuery, Skipped, ToOperator};

use super::{at, filter};
use crate::client::{Client, Target};

/// Where records lie, and what was asked of them there.
pub struct Source {
    place: Place,
    skipped: Vec<Skipped>,
}

enum Place {
    Folder(Reader),
    Controller(Target, LogQuery),
    Server(Destination),
}

/// Why not everything was written.
#[derive(Debug)]
pub enum Failed {
    Read(filter::Failed),
    Write(io::Error),
    Other(String),
}

impl From<LogPoolError> for Failed {
    fn from(why: LogPoolError) -> Failed {
        Failed::Read(why.into())
    }
}

impl From<io::Error> for Failed {
    fn from(why: io::Error) -> Failed {
        Failed::Write(why)
    }
}

impl Source {
    pub fn folder(reader: Reader) -> Source {
        Source { place: Place::Folder(reader), skipped: Vec::new() }
    }

    pub fn controller(target: &Target, asked: LogQuery) -> Source {
        Source { place: Place::Controller(target.clone(), asked), skipped: Vec::new() }
    }

    pub fn server(server: Destination) -> Source {
        Source { place: Place::Server(server), skipped: Vec::new() }
    }

    /// The fields of the records, in the order in which they are first met.
    pub fn fields(&mut self, query: &Query) -> Result<Vec<FieldInfo>, Failed> {
        if let Place::Folder(reader) = &self.place {
            return Ok(reader.fields(query)?);
        }
        let mut infos: Vec<FieldInfo> = Vec::new();
        let mut met: HashMap<String, usize> = HashMap::new();
        self.each(query, |record| {
            for (name, value) in record.fields.iter() {
                let at = *met.entry(name.to_owned()).or_insert_with(|| {
                    infos.push(FieldInfo { name: name.to_owned(), kinds: Vec::new() });
                    infos.len() - 1
                });
                let kind = FieldKind::of_value(value);
                if !infos[at].kinds.contains(&kind) {
                    infos[at].kinds.push(kind);
                }
            }
            true
        })?;
        Ok(infos)
    }

    /// Shows each record that fits, until `each` returns false.
    pub fn each(&mut self, query: &Query, mut each: impl FnMut(Record) -> bool) -> Result<(), Failed> {
        match &self.place {
            Place::Folder(reader) => reader.each(query, each)?,
            Place::Server(server) => at::each(server, query, each).map_err(Failed::Other)?,
            Place::Controller(target, asked) => {
                self.skipped.clear();
                let mut client =
                    Client::ask(target, &FromOperator::ExportLog(asked.clone())).map_err(Failed::Other)?;
                while let Some(answer) = client.answer().map_err(Failed::Other)? {
                    let records = match answer {
                        ToOperator::Records(records) => records,
                        ToOperator::Skipped(some) => {
                            self.skipped.extend(some);
                            continue;
                        }
                        _ => continue,
                    };
                    if !records.into_iter().all(&mut each) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// What was left out because it is damaged.
    pub fn skipped(&self) -> Vec<Skipped> {
        match &self.place {
            Place::Folder(reader) => filter::skipped(reader),
            _ => self.skipped.clone(),
        }
    }
}
