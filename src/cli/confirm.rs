//! What is asked before somebody comes to see more? Whoever sits at the terminal; a program must have said `--yes`.
//!
//! Tested below.

use clap::Args;

use super::failure::Failure;
use super::output::{ask_yes, can_ask};

/// Whether to ask.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Yes {
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub(crate) yes: bool,
}

impl Yes {
    /// Before anything is done: whether there will be somebody to ask. `deed` says what for, as in `this releases messages`.
    pub(crate) fn check(self, deed: &str) -> Result<(), Failure> {
        if self.yes || can_ask() { Ok(()) } else { Err(no_terminal(deed)) }
    }

    /// Goes on only if somebody said yes: beforehand, or now.
    pub(crate) fn confirm(self, question: &str) -> Result<(), Failure> {
        if self.yes || ask_yes(question)? { Ok(()) } else { Err(declined()) }
    }

    /// As [`Yes::confirm`], but where there is no terminal it goes on: for commands that scripts have always used without asking.
    pub(crate) fn confirm_at_terminal(self, question: &str) -> Result<(), Failure> {
        if can_ask() { self.confirm(question) } else { Ok(()) }
    }
}

fn no_terminal(deed: &str) -> Failure {
    Failure::usage(format!("{deed}, and there is no terminal to ask on")).hint("add --yes if that is meant")
}

fn declined() -> Failure {
    Failure::usage("nothing was done")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_is_not_asked_again() {
        let yes = Yes { yes: true };
        assert!(
            yes.check("this").is_ok() && yes.confirm("Do it?").is_ok() && yes.confirm_at_terminal("Do it?").is_ok()
        );
    }

    #[test]
    fn where_nobody_can_be_asked_the_way_out_is_told() {
        let failure = no_terminal("this releases messages");
        assert!(failure.message.contains("this releases messages, and there is no terminal"), "{failure:?}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("--yes")));
    }
}
