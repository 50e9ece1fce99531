#!/usr/bin/env python3
"""The main job, end to end: two real SCIM servers, a real Kubernetes API server, and the operator as the ServiceAccount
that is shipped. Every step prints what it expects and what it found; the demo fails if they differ.

Run by `make demo`, which starts the control plane around it."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import scim

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEVENV = ROOT / "target/controlplane/bin/devenv"
OPERATOR = ROOT / "target/debug/joinery"
SAMPLES = ROOT / "deploy/samples"
NAMESPACE = "acme"
HR_PORT, CHAT_PORT = 18081, 18082
HR_TOKEN, CHAT_TOKEN = "hr-demo-token", "chat-demo-token"
PATIENCE_SECONDS = 120


def kubectl(*arguments, check=True, stdin=None):
    done = subprocess.run(["kubectl", *arguments], input=stdin, text=True, capture_output=True)
    if check and done.returncode != 0:
        raise SystemExit(f"kubectl {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout.strip()


def show(*arguments):
    """Runs kubectl as a reader would, and prints both."""
    print(f"\n$ kubectl {' '.join(arguments)}\n{kubectl(*arguments)}")


def title(text):
    print(f"\n=== {text}")


def expect(what, expected, read):
    """Waits until `read()` gives what is expected; prints both."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = read()
        if found == expected:
            break
        if time.monotonic() > deadline:
            print(f"  {what}: expected {expected!r}, found {found!r}  <-- DIFFERS")
            raise SystemExit(1)
        time.sleep(0.5)
    print(f"  {what}: expected {expected!r}, found {found!r}")


def condition(kind, name, wanted):
    status = json.loads(kubectl("-n", NAMESPACE, "get", kind, name, "-o", "json")).get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == wanted), {})


def run_import():
    """Asks for a full import now, and waits until it is over or held."""
    text = f"demo {time.time_ns()}"
    kubectl("-n", NAMESPACE, "annotate", "--overwrite", "importschedule", "hr", f"joinery.dev/requested-at={text}")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        runs = json.loads(kubectl("-n", NAMESPACE, "get", "importruns", "-o", "json"))["items"]
        asked = [run for run in runs if run["metadata"].get("annotations", {}).get("joinery.dev/requested-at") == text]
        for run in asked:
            conditions = {c["type"]: c for c in run.get("status", {}).get("conditions", [])}
            over = conditions.get("Succeeded", {}).get("status") in ("True", "False")
            if over or conditions.get("SafeguardTripped", {}).get("status") == "True":
                return run["metadata"]["name"], conditions
        time.sleep(0.3)
    raise SystemExit("the import that was asked for did not end")


@contextlib.contextmanager
def process(arguments, **options):
    started = subprocess.Popen(arguments, **options)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(timeout=30)
        except subprocess.TimeoutExpired:
            started.kill()


@contextlib.contextmanager
def scim_server(port, token, seed):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as seed_file:
        json.dump(seed, seed_file)
        seed_file.flush()
        arguments = [DEVENV, "scim", "--token", token, "--port", str(port), "--seed-file", seed_file.name]
        with process(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            ready = server.stdout.readline()
            if not ready:
                raise SystemExit(f"the SCIM server on port {port} did not start")
            yield scim.Client(json.loads(ready)["baseURL"], token)


def operator_kubeconfig(directory):
    """A kubeconfig of the shipped ServiceAccount, with a token of its own and none of the admin's rights."""
    admin = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    token = kubectl("-n", "joinery-system", "create", "token", "joinery", "--duration=2h")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "joinery",
        "clusters": admin["clusters"],
        "users": [{"name": "joinery", "user": {"token": token}}],
        "contexts": [{"name": "joinery", "context": {"cluster": admin["clusters"][0]["name"], "user": "joinery"}}],
    }
    path = pathlib.Path(directory) / "joinery.kubeconfig"
    path.write_text(json.dumps(config))
    return path


@contextlib.contextmanager
def operator(directory):
    environment = {**os.environ, "KUBECONFIG": str(operator_kubeconfig(directory))}
    log = open(pathlib.Path(directory) / "joinery.log", "w")
    arguments = [OPERATOR, "controller", "--store", f"{directory}/joinery.db", "--listen", "127.0.0.1:0"]
    with process(arguments, env=environment, stdout=log, stderr=subprocess.STDOUT) as running:
        try:
            yield running
        except BaseException:
            print("\nThe end of the operator's log:", *pathlib.Path(log.name).read_text().splitlines()[-30:], sep="\n")
            raise


def main():
    people = scim.people(120)
    existing = [scim.person("existing", 0, user_name=people[0]["userName"]), scim.person("existing", 1, user_name=people[1]["userName"])]
    local = [scim.person("local", number) for number in range(3)]
    with (
        tempfile.TemporaryDirectory(prefix="joinery-demo-") as directory,
        scim_server(HR_PORT, HR_TOKEN, people) as hr,
        scim_server(CHAT_PORT, CHAT_TOKEN, existing + local) as chat,
    ):
        title("The source has 120 people; the target has 5 accounts: 2 of them match, 3 are local")
        expect("people in the source", 120, hr.count)
        expect("accounts in the target", 5, chat.count)

        title("Install the CRDs and the operator, apply the sample")
        kubectl("apply", "--server-side", "-k", str(ROOT / "crds"))
        kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        kubectl("apply", "-f", str(ROOT / "deploy/rbac.yaml"))
        with operator(directory):
            print(kubectl("apply", "-f", str(SAMPLES)))
            ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", f"--timeout={PATIENCE_SECONDS}s"]
            print(kubectl(*ready, "appintegrations,attributemappings,provisioningpolicies,importschedules", "--all"))
            run_through(hr, chat, people)
    print("\nEverything was as expected.")


def run_through(hr, chat, people):
    title("The first import: everybody in the source gets an account in the target")
    name, _ = run_import()
    expect("accounts in the target", 123, chat.count)
    expect("accounts created by Joinery", "118", lambda: policy_count("create"))
    expect("accounts taken over", "2", lambda: policy_count("adopt"))
    show("get", "joinery", "-A")

    title("A rename, a joiner and a leaver")
    renamed, leaver = people[10], people[20]
    hr.patch(renamed["userName"], "name.familyName", "Newname")
    hr.create(scim.person("joiner", 0))
    hr.delete(leaver["userName"])
    run_import()
    expect("family name in the target", "Newname", lambda: chat.user(renamed["userName"])["name"].get("familyName"))
    expect("accounts in the target", 124, chat.count)
    expect("the leaver, missing once, is active", True, lambda: chat.active(leaver["userName"]))
    run_import()
    expect("the leaver, missing twice and proved gone, is active", False, lambda: chat.active(leaver["userName"]))
    expect("active accounts in the target", 123, chat.count_active)

    title("40 people vanish from the source at once")
    for person in people[40:80]:
        hr.delete(person["userName"])
    run_import()
    name, conditions = run_import()
    expect("the import is held", "True", lambda: conditions.get("SafeguardTripped", {}).get("status"))
    expect("active accounts in the target", 123, chat.count_active)
    time.sleep(3)
    expect("active accounts in the target, a little later", 123, chat.count_active)
    expect("the schedule says so", "RunHeld", lambda: condition("importschedule", "hr", "Ready").get("reason"))
    print(f"\n  {name}: {conditions['SafeguardTripped']['message']}")
    show("-n", NAMESPACE, "get", "importruns")

    title("They have really left: the held plan is approved, by its digest, and so is what follows from it in the target")
    approve("leavers", "ImportRun", name)
    expect("the approval counts", "True", lambda: condition("changeapproval", "leavers", "Accepted").get("status"))
    expect("the import, after all", "Applied", lambda: condition("importrun", name, "Succeeded").get("reason"))
    expect("the target is held, too", "AwaitingApproval", lambda: condition("provisioningpolicy", "chat", "Ready").get("reason"))
    expect("active accounts in the target", 123, chat.count_active)
    approve("lock-leavers", "ProvisioningPolicy", "chat")
    expect("active accounts in the target", 83, chat.count_active)
    expect("everything is done", "Succeeded", lambda: condition("provisioningpolicy", "chat", "Provisioned").get("reason"))
    show("-n", NAMESPACE, "get", "changeapprovals")


def approve(name, kind, target):
    """Approves what is held now, and nothing else."""
    digest = kubectl("-n", NAMESPACE, "get", kind.lower(), target, "-o", "jsonpath={.status.plan.digest}")
    spec = {"target": {"kind": kind, "name": target}, "planDigest": digest, "decision": "Approve", "reason": "CHG-4711"}
    metadata = {"name": name, "namespace": NAMESPACE}
    approval = {"apiVersion": "joinery.dev/v1alpha1", "kind": "ChangeApproval", "metadata": metadata, "spec": spec}
    kubectl("create", "-f", "-", stdin=json.dumps(approval))


def policy_count(field):
    return kubectl("-n", NAMESPACE, "get", "provisioningpolicy", "chat", "-o", f"jsonpath={{.status.applied.{field}}}")


if __name__ == "__main__":
    sys.exit(main())
