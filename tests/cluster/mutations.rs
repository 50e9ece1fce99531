//! G1: what the API server admits of mutated manifests works, or is stalled with the name of the field; and after any number of
//! them a good one works. The pure half of this, with more trials, is `src/controller/mutations.rs`.

use futures::{StreamExt, stream};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::{
    cases::{self, Table},
    long, mutate,
    random::Random,
    support,
    world::{World, seen},
};

/// How many manifests of a kind one object goes through before a good one.
const SEQUENCE: usize = 20;
const AT_ONCE: usize = 8;

async fn create(world: &World, kind: &str, object: &Value, dry_run: bool) -> Result<(), String> {
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let parameters = PostParams { dry_run, ..PostParams::default() };
    match world.api(kind).create(&parameters, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if (400..500).contains(&answer.code) && !answer.message.is_empty() => Err(answer.message),
        Err(error) => panic!("{kind}: {error}"),
    }
}

/// Those of so many mutated manifests that the API server admits, each of an integration of its own.
async fn admitted(world: &World, table: &Table, trials: usize, random: &mut Random) -> Vec<Value> {
    let manifests: Vec<Value> = (0..trials)
        .map(|number| {
            let mut object = mutate::mutated(table, &format!("m{number}"), random);
            if object["spec"]["integrationRef"]["name"].is_string() {
                object["spec"]["integrationRef"]["name"] = format!("app-{number}").into();
            }
            object
        })
        .collect();
    stream::iter(manifests)
        .map(|object| async move {
            match create(world, &table.kind, &object, true).await {
                Ok(()) => Some(object),
                Err(refusal) => {
                    assert!(refusal.contains("spec"), "{}: a refusal that names no field: {refusal}", table.kind);
                    None
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Says what is wrong with an object that the operator has, or has not, looked at.
fn judged(object: &Value) -> Result<(), String> {
    if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
        return Err(format!("not looked at: {}", object["status"]));
    }
    let stalled = seen(object, "Stalled");
    if stalled.status == "True" && !stalled.message.contains("spec.") {
        return Err(format!("stalled without a field: {} of {}", stalled.message, object["spec"]));
    }
    if seen(object, "Ready").reason.is_empty() { Err("it has no Ready".to_owned()) } else { Ok(()) }
}

async fn settles(world: &World, kind: &str, name: &str) {
    support::eventually(&format!("{kind} {name} says what it is"), async || judged(&world.get(kind, name).await)).await;
}

#[tokio::test]
async fn g1_what_is_admitted_works_or_names_its_field() {
    let world = &World::new("mutations").await;
    let mut random = Random::start("g1");
    for table in cases::tables() {
        let kind = &table.kind;
        let trials = long::scaled(500, 10_000);
        let objects = admitted(world, &table, trials, &mut random).await;
        println!("{kind}: {} of {trials} are admitted", objects.len());
        assert!(objects.len() >= 10, "{kind}: hardly any is admitted");
        let tried = objects.len().min(long::scaled(40, 1000));
        let only_one = table.name.is_some();
        stream::iter(&objects[..tried])
            .for_each_concurrent(if only_one { 1 } else { AT_ONCE }, |object| async move {
                create(world, kind, object, false).await.unwrap();
                let name = object["metadata"]["name"].as_str().unwrap();
                settles(world, kind, name).await;
                if only_one {
                    world.delete(kind, name).await;
                }
            })
            .await;
    }
}

#[tokio::test]
async fn g1_after_any_sequence_of_manifests_a_good_one_works() {
    let world = &World::new("sequences").await;
    let mut random = Random::start("g1");
    for table in cases::tables().into_iter().filter(|table| table.kind != "ImportRun") {
        let kind = &table.kind;
        let name = table.name.as_deref().unwrap_or("one");
        let mut good = cases::merged(&table, name, &json!({}));
        if kind == "AttributeMapping" {
            // The tables try what a schema says; what an expression says is another matter.
            good["spec"] = json!({"integrationRef": good["spec"]["integrationRef"], "preset": "SCIMCore"});
        }
        create(world, kind, &good, false).await.unwrap();
        for round in 0..long::scaled(1, 10) {
            let mut taken = 0;
            while taken < SEQUENCE {
                let mutated = mutate::mutated(&table, name, &mut random);
                // What is immutable stays, so that the API server has less to refuse.
                let mut object = world.get(kind, name).await;
                let reference = object["spec"]["integrationRef"].clone();
                object["spec"] = mutated["spec"].clone();
                if !reference.is_null() && object["spec"].is_object() {
                    object["spec"]["integrationRef"] = reference;
                }
                taken += usize::from(replace(world, kind, &object).await.is_ok());
            }
            let mut object = world.get(kind, name).await;
            object["spec"] = good["spec"].clone();
            if let Err(refusal) = replace(world, kind, &object).await {
                panic!("{kind}, round {round}: the good one is refused: {refusal}");
            }
            support::eventually(&format!("{kind}: the good one works"), async || {
                let object = world.get(kind, name).await;
                judged(&object)?;
                if seen(&object, "Stalled").status == "True" { Err(object["status"].to_string()) } else { Ok(()) }
            })
            .await;
        }
    }
}

/// Puts this in the place of the object, whatever the operator has written to it meanwhile.
async fn replace(world: &World, kind: &str, object: &Value) -> Result<(), String> {
    let mut object = object.clone();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let name = name.as_str();
    loop {
        let typed: DynamicObject = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
        match world.api(kind).replace(name, &PostParams::default(), &typed).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(answer)) if answer.reason == "Conflict" => {
                object["metadata"] = world.get(kind, name).await["metadata"].clone();
            }
            Err(kube::Error::Api(answer)) if (400..500).contains(&answer.code) => return Err(answer.message),
            Err(error) => panic!("{kind}: {error}"),
        }
    }
}
