//! `samverkan context`: which contexts are there, and which is in use?

use clap::Subcommand;
use serde_json::json;

use super::failure::Failure;
use super::output::{note, table};
use super::session::Session;
use crate::client::{Context, Contexts};

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List the contexts; the one in use has a star
    List,
    /// Use this one from now on
    Use {
        /// Its name
        name: String,
    },
    /// Show a context: the one named, or the one in use
    Show {
        /// Its name
        name: Option<String>,
    },
}

pub(crate) fn run(command: ContextCommand, session: &Session) -> Result<(), Failure> {
    let (contexts, output) = (Contexts::from_environment()?, session.output);
    match command {
        ContextCommand::List => {
            let current = match &session.context {
                Some(name) => Some(name.clone()),
                None => contexts.current()?,
            };
            let mut found = Vec::new();
            for name in contexts.names()? {
                let (name, context) = contexts.load(Some(&name))?;
                found.push((current.as_deref() == Some(&name), name, context));
            }
            let values: Vec<_> = found
                .iter()
                .map(|(is_current, name, context)| {
                    let mut value = value(name, context);
                    value["is_current"] = (*is_current).into();
                    value
                })
                .collect();
            let rows = found.iter().map(|(is_current, name, context)| {
                let star = if *is_current { "*" } else { "" };
                vec![
                    star.into(),
                    name.clone(),
                    context.organisation.clone(),
                    context.actor.clone(),
                    context.address.clone(),
                ]
            });
            let empty = format!("no contexts in {}; `samverkan dev` makes some", contexts.folder().display());
            output.list(&values, &["", "name", "organisation", "actor", "address"], rows, &empty)
        }
        ContextCommand::Use { name } => {
            contexts.choose(&name)?;
            note(format!("{name} is used from now on"));
            Ok(())
        }
        ContextCommand::Show { name } => {
            let (name, context) = contexts.load(name.as_deref().or(session.context.as_deref()))?;
            let rows = [
                ("name", name.clone()),
                ("organisation", context.organisation.clone()),
                ("actor", context.actor.clone()),
                ("address", context.address.clone()),
                ("server name", context.server_name.clone().unwrap_or_else(|| "that in the address".into())),
                ("authority", context.ca.display().to_string()),
                ("certificate", context.certificate.display().to_string()),
                ("key", context.key.display().to_string()),
            ];
            output.show(&value(&name, &context), || {
                output.line(&table(&["what", "value"], rows.map(|(what, value)| vec![what.into(), value])))
            })
        }
    }
}

fn value(name: &str, context: &Context) -> serde_json::Value {
    json!({
        "name": name,
        "organisation": context.organisation,
        "actor": context.actor,
        "address": context.address,
        "server_name": context.server_name,
        "ca": context.ca,
        "certificate": context.certificate,
        "key": context.key,
    })
}
