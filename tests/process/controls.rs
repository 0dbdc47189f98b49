//! Would it be noticed? A server that breaks a promise on purpose must be found out, each time.

use std::time::Duration;

use crate::Wrong;
use crate::damage::{Base, alter_a_text};
use crate::ground::Ground;
use crate::life::Manner;
use crate::plan::{Plan, Row, copy_folder};
use crate::server::{Launch, Server, Started};
use crate::strace::Injection;
use crate::verify;

fn broken(name: &'static str) -> Launch {
    Launch { environment: vec![(name, "1".into())], ..Launch::default() }
}

fn with_danger(plan: Plan) -> Result<Plan, Wrong> {
    let danger = plan.danger.clone().ok_or("controls need --danger")?;
    Ok(Plan { program: danger, ..plan })
}

/// What a start without the broken promise finds: it must be something.
async fn is_noticed(ground: &Ground, number: u64) -> Result<(), Wrong> {
    let server = Server::start(ground).await?;
    match verify::everything(ground, server.port()).await {
        Ok(_) => Err(format!("number {}: nothing was noticed", number + 1)),
        Err(wrong) => {
            tracing_line(&wrong);
            Ok(())
        }
    }
}

fn tracing_line(wrong: &str) {
    if std::env::var_os("TORTURE_VERBOSE").is_some() {
        eprintln!("noticed: {wrong}");
    }
}

/// Acknowledged before it is committed: a kill while writes wait must show a loss.
pub(crate) async fn ack_early(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("control: acknowledged early");
    let plan = with_danger(plan)?;
    while row.times < times {
        let ground = plan.ground("ack-early", row.times, None).await?;
        let launch = broken("SAMVERKAN_DANGER_ACK_EARLY");
        let (mut server, life) = plan.lively(&ground, &launch, Manner::Once).await?;
        let stuck = Injection { calls: "pwrite64", what: "delay_enter=3000000".into() };
        let slow = stuck.attach_on(server.pid(), &ground.store.join("db"))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        // By now a commit waits in its first write, and its posts are acknowledged.
        server.kill();
        drop(slow);
        // Somebody may be told something wrong already.
        let _ = life.end().await;
        is_noticed(&ground, row.times).await?;
        row.times += 1;
        plan.remove(&ground);
    }
    control_done(row)
}

/// Delivery records after the bytes: what was received last must be missing after a kill.
pub(crate) async fn records_late(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("control: records after bytes");
    let plan = with_danger(plan)?;
    while row.times < times {
        let ground = plan.ground("records-late", row.times, None).await?;
        let launch = broken("SAMVERKAN_DANGER_RECORDS_LATE");
        let (mut server, life) = plan.lively(&ground, &launch, Manner::Once).await?;
        life.acked(200).await?;
        // The record of what is delivered last waits for a write that does not come.
        life.hush();
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.kill();
        let _ = life.end().await;
        is_noticed(&ground, row.times).await?;
        row.times += 1;
        plan.remove(&ground);
    }
    control_done(row)
}

/// Digests that nobody compares: an altered text must be seen.
pub(crate) async fn no_chain(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let mut row = Row::new("control: no chain check");
    let plan = with_danger(plan)?;
    let base = Base::readable(&plan, "no-chain").await?;
    while row.times < times {
        let store = plan.folder("no-chain-copy", row.times);
        copy_folder(&base.ground.store, &store)?;
        alter_a_text(&store, plan.random(row.times))?;
        let ground = base.ground.with_store(&store)?;
        match Server::try_start(&ground, &broken("SAMVERKAN_DANGER_NO_CHAIN")).await? {
            Started::Ended(status, log) => return Err(format!("it should have started: {status}: {log}")),
            Started::Serves(server) => match verify::as_it_stands(&ground, server.port()).await {
                Ok(found) => {
                    return Err(format!("number {}: nothing was noticed, {found:?}", row.times + 1));
                }
                Err(wrong) => tracing_line(&wrong),
            },
        }
        let _ = std::fs::remove_dir_all(&store);
        row.times += 1;
    }
    control_done(row)
}

fn control_done(mut row: Row) -> Result<Row, Wrong> {
    row.outcome = "noticed every time".into();
    row.has_load = false;
    row.done()
}
