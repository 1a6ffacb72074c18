//! Tests of the state machine, alone and with a model of Redis.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn member(process: &str) -> Member {
    Member::new("pair", 9, process)
}

fn others(times: &[(u64, &str)]) -> Answer {
    let others = times.iter().map(|(time, process)| (*time, member(process).key().as_bytes().to_vec()));
    Answer { before: None, others: others.collect() }
}

/// A turn that is answered.
fn turn(election: &mut Election, now: Instant, answer: &Answer) -> Outcome {
    let write = election.begin(500);
    let before = match (answer.before, write) {
        (None, Write::Set(_)) => election.written,
        (before, _) => before,
    };
    election.answered(now, &Answer { before, others: answer.others.clone() })
}

#[test]
fn keys_are_those_of_the_reference() {
    let member = Member::new("p*r", 9, "east");
    assert_eq!(member.key(), "p*r+9+east+ha_daemon_startup_time");
    assert_eq!(member.pattern(), "p\\*r+9+*ha_daemon_startup_time");
}

#[test]
fn the_earliest_daemon_is_active() {
    let now = Instant::now();
    for (times, expected) in [
        (&[][..], State::Active),
        (&[(501, "west")], State::Active),
        (&[(499, "west")], State::Standby),
        (&[(501, "a"), (502, "b"), (3, "c")], State::Standby),
        // Of equal times, the first key wins.
        (&[(500, "east1")], State::Active),
        (&[(500, "eas")], State::Standby),
        // The own key is among those found.
        (&[(1, "east")], State::Active),
    ] {
        let mut election = Election::new(member("east"));
        let outcome = turn(&mut election, now, &others(times));
        assert_eq!((election.state(), outcome.log), (Some(expected), Some(expected)), "{times:?}");
    }
}

#[test]
fn the_state_is_logged_first_at_changes_and_now_and_then() {
    let (mut election, mut now) = (Election::new(member("east")), Instant::now());
    let mut logged = Vec::new();
    for number in 0..1300 {
        let times = if number < 10 { others(&[(1, "west")]) } else { others(&[]) };
        if let Some(state) = turn(&mut election, now, &times).log {
            logged.push((number, state));
        }
        now += INTERVAL;
    }
    let expected = [(0, State::Standby), (10, State::Active), (610, State::Active), (1210, State::Active)];
    assert_eq!(logged, expected);
}

#[test]
fn without_redis_the_daemon_is_active_once_the_keys_of_others_have_expired() {
    let now = Instant::now();
    let mut election = Election::new(member("east"));
    assert_eq!(election.begin(500), Write::Set(500));
    assert_eq!(election.failed(now).log, Some(State::Active), "nothing is known of others");
    assert_eq!(turn(&mut election, now, &others(&[(1, "west")])).log, Some(State::Standby));
    for (millis, state) in [(1000, State::Standby), (2999, State::Standby), (3000, State::Active)] {
        election.begin(0);
        election.failed(now + Duration::from_millis(millis));
        assert_eq!(election.state(), Some(state), "{millis}");
    }
}

#[test]
fn commands_override_the_times_and_give_way() {
    let now = Instant::now();
    let mut election = Election::new(member("east"));
    turn(&mut election, now, &others(&[(1, "west")]));
    assert_eq!(election.obey(Command::ForceActive, 0, now), Some(State::Active));
    assert_eq!(election.begin(0), Write::Set(500), "the key goes on being written");
    turn(&mut election, now, &others(&[(1, "west")]));
    assert_eq!(election.state(), Some(State::Active));
    assert_eq!(election.obey(Command::ForceStandby, 0, now), Some(State::Standby));
    assert_eq!(election.begin(0), Write::Remove);
    election.answered(now, &others(&[]));
    assert_eq!(election.begin(0), Write::Nothing, "the key is removed once");
    election.answered(now, &others(&[]));
    assert_eq!(election.obey(Command::Automatic, 0, now), Some(State::Active));
    assert_eq!(election.begin(0), Write::Set(500));
    election.answered(now, &others(&[]));
    // The present time makes others earlier.
    assert_eq!(election.obey(Command::ResetTime, 900, now), None);
    assert_eq!(election.begin(0), Write::Set(900));
    turn(&mut election, now, &others(&[(800, "west")]));
    assert_eq!(election.state(), Some(State::Standby));
}

#[test]
fn a_command_before_the_first_turn_decides_unless_it_leaves_it_to_the_times() {
    let now = Instant::now();
    let mut election = Election::new(member("east"));
    assert_eq!(election.obey(Command::Automatic, 0, now), None);
    assert_eq!(election.state(), None);
    assert_eq!(election.obey(Command::ForceStandby, 0, now), Some(State::Standby));
    assert_eq!(election.begin(0), Write::Nothing);
}

#[test]
fn a_daemon_with_the_same_key_is_noticed_and_the_earlier_one_stays_active() {
    let now = Instant::now();
    let mut election = Election::new(member("east"));
    let with = |before| Answer { before: Some(before), others: Vec::new() };
    election.begin(500);
    assert!(!election.answered(now, &with(7)).has_namesake, "left over from before a restart");
    election.begin(0);
    assert!(!election.answered(now, &with(500)).has_namesake);
    election.begin(0);
    assert!(election.answered(now, &with(600)).has_namesake);
    assert_eq!(election.state(), Some(State::Active), "the other one is later");
    election.begin(0);
    assert!(election.answered(now, &with(400)).has_namesake);
    assert_eq!(election.state(), Some(State::Standby));
    // It is remembered for as long as its key lives, as turns of the two may fall together.
    election.begin(0);
    assert!(!election.answered(now + INTERVAL, &with(500)).has_namesake);
    assert_eq!(election.state(), Some(State::Standby));
    election.begin(0);
    election.answered(now + TTL, &with(500));
    assert_eq!(election.state(), Some(State::Active));
}

/// A server with keys that expire.
#[derive(Default)]
struct Redis {
    keys: BTreeMap<Vec<u8>, (u64, Instant)>,
    is_away: bool,
}

impl Redis {
    fn turn(&mut self, election: &mut Election, micros: u64, now: Instant) {
        let write = election.begin(micros);
        if self.is_away {
            election.failed(now);
            return;
        }
        self.keys.retain(|_, (_, written)| now.saturating_duration_since(*written) < TTL);
        let key = election.member().key().as_bytes().to_vec();
        let before = self.keys.get(&key).map(|(time, _)| *time);
        match write {
            Write::Set(time) => _ = self.keys.insert(key, (time, now)),
            Write::Remove => _ = self.keys.remove(&key),
            Write::Nothing => {}
        }
        let others = self.keys.iter().map(|(key, (time, _))| (*time, key.clone())).collect();
        election.answered(now, &Answer { before, others });
    }
}

/// What happens to a group in one step of 100 ms.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Nothing,
    /// The daemon with this number is killed, or started again.
    Kill(usize),
    Start(usize),
    /// Its turns are delayed by this many steps.
    Delay(usize, u8),
    Reset(usize),
    RedisLeaves,
    /// It comes back, with its keys or without them.
    RedisReturns(bool),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        30 => Just(Happening::Nothing),
        1 => (0..4usize).prop_map(Happening::Kill),
        2 => (0..4usize).prop_map(Happening::Start),
        1 => (0..4usize, 1..15u8).prop_map(|(number, steps)| Happening::Delay(number, steps)),
        1 => (0..4usize).prop_map(Happening::Reset),
        1 => Just(Happening::RedisLeaves),
        2 => any::<bool>().prop_map(Happening::RedisReturns),
    ];
    proptest::collection::vec(one, 0..400)
}

const STEP: Duration = Duration::from_millis(100);
/// Steps after the last of all failures within which one daemon, and no more, is active: the keys of a dead daemon have expired, and the others have had a turn, also with a delay.
const SETTLED: u32 = 30 + 10 + 15 + 1;

proptest! {
    #[test]
    fn one_daemon_is_active_or_all_without_redis(steps in happenings(), phases in proptest::array::uniform4(0..10u32)) {
        let (mut now, mut redis) = (Instant::now(), Redis::default());
        let mut daemons: [Option<Election>; 4] = [None, None, None, None];
        let mut delays = [0u8; 4];
        // Steps since something happened.
        let mut quiet = 0u32;
        let calm = std::iter::repeat_n(Happening::Nothing, SETTLED as usize + 1);
        for (number, happening) in (0u32..).zip(steps.into_iter().chain(calm)) {
            now += STEP;
            let micros = u64::from(number) * 100_000;
            if !matches!(happening, Happening::Nothing) {
                quiet = 0;
            }
            match happening {
                Happening::Nothing => {}
                Happening::Kill(index) => daemons[index] = None,
                Happening::Start(index) => {
                    daemons[index].get_or_insert_with(|| Election::new(member(&index.to_string())));
                }
                Happening::Delay(index, steps) => delays[index] = steps,
                Happening::Reset(index) => {
                    if let Some(election) = &mut daemons[index] {
                        election.obey(Command::ResetTime, micros, now);
                    }
                }
                Happening::RedisLeaves => redis.is_away = true,
                Happening::RedisReturns(with_keys) => {
                    if redis.is_away && !with_keys {
                        redis.keys.clear();
                    }
                    redis.is_away = false;
                }
            }
            for (index, election) in daemons.iter_mut().enumerate() {
                delays[index] = delays[index].saturating_sub(1);
                if let Some(election) = election
                    && delays[index] == 0
                    && (number + phases[index]).is_multiple_of(10)
                {
                    redis.turn(election, micros, now);
                }
            }
            quiet += 1;
            let states: Vec<State> = daemons.iter().flatten().filter_map(Election::state).collect();
            let active = states.iter().filter(|state| **state == State::Active).count();
            if quiet > SETTLED {
                let expected = if redis.is_away { states.len() } else { states.len().min(1) };
                prop_assert_eq!(active, expected, "{:?}", states);
            }
        }
    }
}
