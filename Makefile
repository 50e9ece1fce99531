# Everything that is built or installed lands in target/; nothing outside this directory is touched.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help demo test test-unit test-cluster lint generate bench build controlplane devenv scim test-devenv clean

K8S_VERSION := 1.36.3
TOOLS := $(CURDIR)/target/controlplane/bin
DEVENV := $(TOOLS)/devenv
K8S_LDFLAGS := -s -w -X k8s.io/component-base/version.gitVersion=v$(K8S_VERSION) \
	-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: build controlplane devenv scim ## The main job, end to end, on a real control plane with two real SCIM servers
	$(DEVENV) run -- python3 tools/demo/demo.py

test: lint test-unit test-devenv test-cluster ## All tests

lint: ## Formatting and lints
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

test-unit: ## The fast tests: no control plane
	cargo test --locked --lib --bins --test contract --test connector

test-devenv: devenv ## The tests of the test environment itself
	cd tools/controlplane && CGO_ENABLED=0 go vet ./cmd/devenv && CGO_ENABLED=0 go test ./cmd/devenv

test-cluster: build controlplane devenv scim ## The tests on a real control plane
	$(DEVENV) run -- cargo test --locked --test cluster --test faults

build: ## The operator
	cargo build --locked --bins

generate: ## crds/ from the types in src/api, docs/promises.md from the tests
	cargo run --locked --bin crdgen
	JOINERY_UPDATE=1 cargo test --locked --test contract promises

bench: ## Ratios against the least program that moves the same bytes (docs/performance.md)
	cargo bench --locked

# --- the test environment ---

controlplane: $(if $(KUBEBUILDER_ASSETS),,target/controlplane/stamp) ## etcd, kube-apiserver, kube-controller-manager, kubectl

target/controlplane/stamp: tools/controlplane/go.mod tools/controlplane/go.sum
	@echo "Building the control plane; the first time takes 5 to 15 minutes."
	cd tools/controlplane && CGO_ENABLED=0 GOBIN=$(TOOLS) go install -ldflags "$(K8S_LDFLAGS)" tool
	touch $@

devenv: $(DEVENV) ## The helper that starts and stops it all

$(DEVENV): $(wildcard tools/controlplane/cmd/devenv/*.go) tools/controlplane/go.mod
	cd tools/controlplane && CGO_ENABLED=0 GOBIN=$(TOOLS) go install -ldflags "-s -w" ./cmd/devenv

scim: target/scim/stamp ## Two real SCIM servers, in a virtual environment

target/scim/stamp: tools/scim/requirements.txt
	rm -rf target/scim/venv
	python3 -m venv target/scim/venv
	target/scim/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r tools/scim/requirements.txt
	touch $@

clean: ## Remove everything that was built
	rm -rf target
