//! Named stories: what happens, and the timeline that people would read. `UPDATE_EXPECT=1` writes them
//! anew; read the difference before you keep it.

use expect_test::{ExpectFile, expect_file};
use model::config::{Maintenance, Needs, Service, Watch, When};
use model::engine::Input;
use model::incident::IncidentId;
use model::name::{ContactName, ProbeName, ServiceName};
use model::time::Millis;

use crate::faults::{Trouble, watch};
use crate::station::Clocks;
use crate::store::Point;
use crate::truth::{Health, Uplink};
use crate::world::{BEGIN, Manner, What, World};

/// A story that is being told. Times are seconds since the beginning.
struct Story(World);

impl Story {
    /// One probe `shop`, every minute from these regions, settled for five minutes.
    fn of(regions: &[&str]) -> Self {
        Self::with(watch(regions, &["shop"], Millis::from_secs(60), Millis::from_secs(10)))
    }

    fn with(watch: Watch) -> Self {
        let mut world = World::new(1, watch, |_| Clocks::new(0, 0));
        world.timeline = Some(Vec::new());
        world.begin();
        world.run(Millis::from_secs(300));
        Self(world)
    }

    fn at(mut self, second: i64, trouble: Trouble) -> Self {
        self.0.post(BEGIN + Millis::from_secs(second), What::Trouble(trouble));
        self
    }

    fn person(mut self, second: i64, input: Input) -> Self {
        self.0.post(BEGIN + Millis::from_secs(second), What::Person(input));
        self
    }

    fn down(self, from: i64, to: i64) -> Self {
        let shop = || ProbeName::new("shop").unwrap();
        self.at(from, Trouble::Target(shop(), Health::Refuses))
            .at(to, Trouble::Target(shop(), Health::Well))
    }

    /// Tells it until that minute and compares; no promise may be broken on the way.
    fn until(mut self, minute: i64, expected: &ExpectFile) {
        self.0.run_until(BEGIN + Millis::from_secs(minute * 60));
        assert!(self.0.witness.broken.is_none(), "{:?}", self.0.witness.broken);
        let lines = self.0.timeline.unwrap().join("\n");
        expected.assert_eq(&(lines + "\n"));
    }
}

const THREE: [&str; 3] = ["ap", "eu", "us"];

fn cut(agent: usize, cut: bool) -> Trouble {
    Trouble::Cut { agent, out: true, cut }
}

fn contact(name: &str) -> ContactName {
    ContactName::new(name).unwrap()
}

fn acknowledge() -> Input {
    Input::Acknowledge { incident: IncidentId(1), who: "ops".into() }
}

#[test]
fn an_outage_is_told_and_its_end_too() {
    Story::of(&THREE).down(400, 700).until(20, &expect_file!["stories/outage.txt"]);
}

#[test]
fn a_blip_is_told_to_nobody() {
    Story::of(&THREE).down(400, 401).until(15, &expect_file!["stories/blip.txt"]);
}

#[test]
fn a_majority_cut_off_makes_everything_unknown_and_nothing_down() {
    let story = Story::of(&THREE).at(400, cut(0, true)).at(400, cut(1, true)).down(500, 800);
    let story = story.at(1200, cut(0, false)).at(1200, cut(1, false));
    story.until(30, &expect_file!["stories/majority_cut_off.txt"]);
}

#[test]
fn an_even_split_of_four_regions_is_partial() {
    let story = Story::of(&["ap", "eu", "sa", "us"])
        .at(400, Trouble::Uplink(0, Uplink::Lies))
        .at(400, Trouble::Uplink(1, Uplink::Lies))
        .at(1000, Trouble::Uplink(0, Uplink::Works))
        .at(1000, Trouble::Uplink(1, Uplink::Works));
    story.until(25, &expect_file!["stories/even_split.txt"]);
}

#[test]
fn a_region_that_lies_is_partial_and_one_that_is_isolated_says_nothing() {
    let story = Story::of(&THREE)
        .at(400, Trouble::Uplink(2, Uplink::Lies))
        .at(800, Trouble::Uplink(2, Uplink::Isolated))
        .at(1200, Trouble::Uplink(2, Uplink::Works));
    story.until(30, &expect_file!["stories/lying_region.txt"]);
}

#[test]
fn all_agents_silent_is_one_incident_about_the_agents() {
    let mut story = Story::of(&THREE);
    for agent in 0..3 {
        story = story.at(400, cut(agent, true)).at(1000, cut(agent, false));
    }
    story.until(30, &expect_file!["stories/all_silent.txt"]);
}

#[test]
fn the_collectors_own_absence_is_nobodys_silence_and_an_outage_meanwhile_is_told_late() {
    let story = Story::of(&THREE)
        .at(400, Trouble::KillCollector)
        .down(500, 7500)
        .at(7000, Trouble::StartCollector);
    story.until(150, &expect_file!["stories/collector_absent.txt"]);
}

#[test]
fn a_collector_that_dies_between_decision_and_commit_tells_once() {
    let mut story = Story::of(&THREE).down(400, 700);
    for second in 404..412 {
        story = story
            .at(second, Trouble::CrashCollector(Point::AfterApply))
            .at(second + 1, Trouble::StartCollector);
    }
    story.until(25, &expect_file!["stories/dies_before_commit.txt"]);
}

#[test]
fn a_clock_five_minutes_off_is_told_and_does_not_hide_an_outage() {
    let story = Story::of(&THREE)
        .at(400, Trouble::Step(1, 300_000))
        .down(700, 1000)
        .at(1500, Trouble::Step(1, 0));
    story.until(35, &expect_file!["stories/clock_off.txt"]);
}

#[test]
fn a_flapping_target_is_one_incident() {
    let mut story = Story::of(&THREE);
    for round in 0..4 {
        story = story.down(400 + round * 300, 500 + round * 300);
    }
    story.until(40, &expect_file!["stories/flapping.txt"]);
}

#[test]
fn many_targets_that_fail_at_once_are_all_told() {
    let (every, timeout) = (Millis::from_secs(60), Millis::from_secs(10));
    let mut story = Story::with(watch(&THREE, &["api", "blog", "shop"], every, timeout));
    for name in ["api", "blog", "shop"] {
        let name = || ProbeName::new(name).unwrap();
        story = story
            .at(400, Trouble::Target(name(), Health::Silent))
            .at(700, Trouble::Target(name(), Health::Well));
    }
    story.until(20, &expect_file!["stories/many_fail.txt"]);
}

#[test]
fn a_contact_down_all_night_is_told_in_order_afterwards_and_the_next_one_in_time() {
    let story = Story::of(&THREE)
        .at(350, Trouble::Contact(contact("ops"), Manner::Fails))
        .down(400, 3000)
        .at(7000, Trouble::Contact(contact("ops"), Manner::Takes));
    story.until(130, &expect_file!["stories/contact_down.txt"]);
}

#[test]
fn a_contact_whose_answers_are_lost_hears_the_same_notice_again() {
    let story = Story::of(&THREE)
        .at(350, Trouble::Contact(contact("ops"), Manner::LosesAnswer))
        .at(450, Trouble::Contact(contact("ops"), Manner::Takes))
        .down(400, 700);
    story.until(20, &expect_file!["stories/lost_answer.txt"]);
}

#[test]
fn nobody_acts_and_it_never_falls_silent() {
    Story::of(&THREE).down(400, 15_000).until(260, &expect_file!["stories/nobody_acts.txt"]);
}

#[test]
fn an_acknowledgement_stops_the_steps_and_ends_by_itself() {
    let story = Story::of(&THREE).down(400, 4000).person(500, acknowledge());
    story.until(80, &expect_file!["stories/acknowledged.txt"]);
}

#[test]
fn a_probe_that_is_removed_ends_its_incident() {
    let mut after = watch(&THREE, &["shop"], Millis::from_secs(60), Millis::from_secs(10));
    after.probes.clear();
    let story = Story::of(&THREE).down(400, 900).at(600, Trouble::Reload(Box::new(after)));
    story.until(20, &expect_file!["stories/removed.txt"]);
}

fn in_maintenance(from: i64, to: i64) -> Watch {
    let mut watch = watch(&THREE, &["shop"], Millis::from_secs(60), Millis::from_secs(10));
    let name = ServiceName::new("web").unwrap();
    let probes = vec![ProbeName::new("shop").unwrap()];
    watch.services.push(Service { name: name.clone(), needs: Needs::All, probes, objective: None });
    let at = |second| BEGIN + Millis::from_secs(second);
    watch.maintenance.push(Maintenance {
        services: vec![name],
        when: When::Once { from: at(from), to: at(to) },
        announced: None,
        cancelled: false,
    });
    watch
}

#[test]
fn maintenance_over_the_start_of_an_outage_holds_its_notices_until_it_ends() {
    let story = Story::with(in_maintenance(350, 900)).down(400, 1500);
    story.until(40, &expect_file!["stories/maintenance_start.txt"]);
}

#[test]
fn maintenance_over_the_end_of_an_outage_hides_nothing() {
    let story = Story::with(in_maintenance(600, 1500)).down(400, 1000);
    story.until(40, &expect_file!["stories/maintenance_end.txt"]);
}

#[test]
fn a_host_that_was_suspended_is_silent_and_judges_nothing_that_it_slept_through() {
    let until = BEGIN + Millis::from_secs(1000);
    let story = Story::of(&THREE).at(400, Trouble::Suspend(0, until)).down(500, 800);
    story.until(30, &expect_file!["stories/suspended.txt"]);
}

#[test]
fn an_agent_that_died_sends_what_it_had_spooled() {
    let story = Story::of(&THREE)
        .at(400, cut(0, true))
        .at(700, Trouble::CrashAgent(0))
        .at(800, Trouble::StartAgent(0, 0))
        .at(900, cut(0, false));
    story.until(25, &expect_file!["stories/agent_died.txt"]);
}
