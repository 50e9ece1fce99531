use std::sync::Mutex as StdMutex;

use jiff::SignedDuration;

use super::*;
use crate::clock::Clock;

struct Hand(StdMutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Hand {
    fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }
}

const LIMIT: RateLimit = RateLimit { requests_per_second: 1000, burst: 1000, concurrency: 100 };

fn bench() -> (Arc<Hand>, Budgets, BudgetKey) {
    let clock = Arc::new(Hand(StdMutex::new("2026-07-01T12:00:00Z".parse().unwrap())));
    let key = BudgetKey { authority: "a.example:443".into(), credential: ShortHash::of(b"token") };
    (clock.clone(), Budgets::new(clock), key)
}

fn seconds(from: &Hand, until: Option<Timestamp>) -> i64 {
    until.unwrap().duration_since(from.now()).as_secs()
}

#[tokio::test]
async fn rl2_answers_to_requests_of_one_closing_are_one_strike() {
    let (clock, budgets, key) = bench();
    let budget = budgets.join(&key, LIMIT);
    let budget = &budget.budget;
    let mut passes = [budget.admit().await.unwrap(), budget.admit().await.unwrap(), budget.admit().await.unwrap()];
    for pass in &mut passes {
        assert!((5..=6).contains(&seconds(&clock, pass.answered(Some(Pause::Unsaid)))), "all three are of the first closing");
    }
    for expected in [10, 20, 40, 80, 160, 300, 300] {
        clock.advance(331);
        let mut probe = budget.admit().await.unwrap();
        let pause = seconds(&clock, probe.answered(Some(Pause::Unsaid)));
        assert!((expected..=expected + expected / 10).contains(&pause), "{expected}: {pause}");
    }
    clock.advance(331);
    assert_eq!(budget.admit().await.unwrap().answered(None), None);
    assert!((5..=6).contains(&seconds(&clock, budget.admit().await.unwrap().answered(Some(Pause::Unsaid)))), "a good answer starts over");
}

#[tokio::test]
async fn rl2_a_good_answer_from_before_the_closing_does_not_open() {
    let (_, budgets, key) = bench();
    let budget = budgets.join(&key, LIMIT);
    let budget = &budget.budget;
    let (mut early, mut refused) = (budget.admit().await.unwrap(), budget.admit().await.unwrap());
    refused.answered(Some(Pause::For(Duration::from_secs(60))));
    early.answered(None);
    assert!(matches!(budget.admit().await, Err(AppError::RateLimited { .. })));
}

#[tokio::test]
async fn rl2_a_shorter_pause_does_not_shorten_a_longer_one() {
    let (clock, budgets, key) = bench();
    let budget = budgets.join(&key, LIMIT);
    let budget = &budget.budget;
    let (mut first, mut second) = (budget.admit().await.unwrap(), budget.admit().await.unwrap());
    first.answered(Some(Pause::For(Duration::from_secs(600))));
    assert!(seconds(&clock, second.answered(Some(Pause::For(Duration::from_secs(1))))) >= 600);
}

#[tokio::test]
async fn rl1_the_lowest_of_each_limit_counts_while_its_member_is_there() {
    let (_, budgets, key) = bench();
    let limits = |budget: &Budget| lock(&budget.members).limit;
    let first = budgets.join(&key, RateLimit { requests_per_second: 10, burst: 50, concurrency: 3 });
    let second = budgets.join(&key, RateLimit { requests_per_second: 20, burst: 5, concurrency: 2 });
    assert_eq!(limits(&first.budget), RateLimit { requests_per_second: 10, burst: 5, concurrency: 2 });
    drop(first);
    assert_eq!(limits(&second.budget), RateLimit { requests_per_second: 20, burst: 5, concurrency: 2 });
    let other = budgets.join(&BudgetKey { credential: ShortHash::of(b"other"), ..key.clone() }, LIMIT);
    assert_eq!(limits(&other.budget), LIMIT);
    drop((second, other));
    budgets.join(&key, LIMIT);
    assert_eq!(lock(&budgets.live).len(), 1, "who left is forgotten");
}

#[tokio::test]
async fn rl1_a_lowered_number_of_requests_under_way_holds_for_those_to_come() {
    let slots = Slots::new(2);
    let (first, second) = (slots.take().await, slots.take().await);
    slots.resize(1);
    drop(first);
    assert!(tokio::time::timeout(Duration::from_millis(20), slots.take()).await.is_err(), "one is still under way");
    drop(second);
    let _third = tokio::time::timeout(Duration::from_millis(20), slots.take()).await.unwrap();
    slots.resize(2);
    assert!(tokio::time::timeout(Duration::from_millis(20), slots.take()).await.is_ok());
}

#[tokio::test]
async fn zero_counts_as_one() {
    let (_, budgets, key) = bench();
    let budget = budgets.join(&key, RateLimit { requests_per_second: 0, burst: 0, concurrency: 0 });
    assert!(budget.budget.admit().await.is_ok());
}
