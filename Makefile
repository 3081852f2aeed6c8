# `make help` lists the targets. Results go to out/.

SHELL := /bin/bash
.DEFAULT_GOAL := release
.DELETE_ON_ERROR:

# A toolchain that scripts/need-go.sh fetched comes before the one in PATH.
export PATH := $(CURDIR)/out/go/bin:$(PATH)
export CGO_ENABLED := 0

IMAGE    := amazon/amazon-ecs-agent
VERSION  := $(shell cat VERSION)
REVISION := $(shell git rev-parse --short=8 HEAD 2>/dev/null || echo unknown)
DIRTY    := $(shell [ -z "$$(git status --porcelain 2>/dev/null)" ] && echo false || echo true)
STAMP    := github.com/aws/amazon-ecs-agent/agent/version
LDFLAGS  := -s -w -X $(STAMP).Version=$(VERSION) -X $(STAMP).GitShortHash=$(REVISION) -X $(STAMP).gitDirty=$(DIRTY)
GOBUILD  := go build -trimpath -buildvcs=false

# Packages with tests that need a real Docker engine; the second list makes network namespaces, mounts, and needs root as well.
# Modules of their own have targets of their own.
integ_packages_in = $(shell grep -rl --include='*_test.go' '^//go:build integration' $(1) | xargs -r -n1 dirname | sort -u | sed 's,^,./,')
OTHER_MODULES = $(patsubst %/go.mod,./%%,$(wildcard misc/*/go.mod))
INTEG_PACKAGES = $(filter-out $(ROOT_INTEG_PACKAGES) $(OTHER_MODULES),$(call integ_packages_in,agent misc))
ROOT_INTEG_PACKAGES = $(call integ_packages_in,ecs-init misc/cni-plugins agent/network agent/httpd/fault)
# What go test is told besides the packages, for example: make test-unit TESTFLAGS='-run Persist -v'
TESTFLAGS ?=

.PHONY: help
help: ## this list
	@awk '/^## / { print "\n" substr($$0, 4) ":" } \
		/^[a-z][a-z0-9 -]*:.*## / { name = text = $$0; sub(/:.*/, "", name); sub(/.*## /, "", text); printf "  %-18s%s\n", name, text }' $(MAKEFILE_LIST)
	@echo
	@echo '  BUILDER_IMAGE=<image with Go>  compiles inside a container instead of with the local Go'

## build

# The CNI plugins: one program under these names, of which the first is the file.
CNI_PLUGINS := vpc-eni vpc-branch-eni ecs-bridge ecs-ipam aws-appmesh ecs-serviceconnect ecs-eni
CNI_BUILT   := $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
CNI_LDFLAGS := $(LDFLAGS) -X github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin.built=$(CNI_BUILT)

.PHONY: release docker gobuild static cni-plugins local-ecs example-image
release: docker ## the image, saved to out/amazon-ecs-agent.tar (default)
	docker save -o out/amazon-ecs-agent.tar $(IMAGE):make $(IMAGE):latest
	@ls -lh out/amazon-ecs-agent.tar | awk '{print $$9 ": " $$5}'

docker: static cni-plugins ## the image amazon/amazon-ecs-agent:make and :latest
	scripts/stage-image.sh
	scripts/with-docker.sh docker build --quiet --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		-t $(IMAGE):make -t $(IMAGE):latest -f Dockerfile out/image

gobuild static: go ## out/amazon-ecs-agent, a static binary
ifdef BUILDER_IMAGE
	scripts/in-builder.sh $(GOBUILD) -ldflags '$(LDFLAGS)' -o out/amazon-ecs-agent ./agent
else
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o out/amazon-ecs-agent ./agent
endif

cni-plugins: go ## out/cni-plugins, the CNI plugins for tasks with network interfaces of their own
ifdef BUILDER_IMAGE
	scripts/in-builder.sh $(GOBUILD) -ldflags '$(CNI_LDFLAGS)' -o out/cni-plugins/$(firstword $(CNI_PLUGINS)) ./misc/cni-plugins
else
	$(GOBUILD) -ldflags '$(CNI_LDFLAGS)' -o out/cni-plugins/$(firstword $(CNI_PLUGINS)) ./misc/cni-plugins
endif
	@cd out/cni-plugins && for name in $(wordlist 2,$(words $(CNI_PLUGINS)),$(CNI_PLUGINS)); do ln -sf $(firstword $(CNI_PLUGINS)) $$name; done

local-ecs: go ## out/local-ecs, the local control plane
	$(GOBUILD) -ldflags '-s -w' -o out/local-ecs ./misc/local-ecs

example-image: go ## the image of the example tasks, amazon/ecs-example-web:latest
	scripts/with-docker.sh misc/example-web/build.sh

.PHONY: clean
clean: ## remove out/
	@[ ! -d out ] || chmod -R u+w out
	rm -rf out

## try

.PHONY: run up
run: static local-ecs ## build, run an example task from start to end, show every step
	$(GOBUILD) -o out/demo ./misc/e2e/demo
	@scripts/with-docker.sh out/demo run -dir out/run

up: static local-ecs ## keep local-ecs and the agent running until Ctrl-C
	$(GOBUILD) -o out/demo ./misc/e2e/demo
	@scripts/with-docker.sh out/demo up -dir out/up

## test

.PHONY: test test-unit test-clients test-browser simulate run-integ-tests test-e2e test-in-docker bench lint
test: test-unit test-clients test-browser run-integ-tests test-e2e ## everything: unit, client, browser, integration and end-to-end tests

test-unit: go-race ## unit tests with the race detector
	CGO_ENABLED=1 go test -race -timeout 15m $(TESTFLAGS) ./...
	go test -count 1 -run '^TestSimulation$$' ./agent/engine

test-clients: go ## what published clients make of local-ecs and the agent, on real Docker (a module of its own)
	scripts/with-docker.sh go -C misc/clients test -tags integration -count 1 -timeout 10m $(TESTFLAGS) ./...

test-browser: go ## the status page in headless Chromium (a module of its own)
	@scripts/need-test-tools.sh browser
	go -C misc/browser test -count 1 -timeout 5m $(TESTFLAGS) ./...

simulate: go ## random tasks, faults and crashes in virtual time: N schedules, default 100000
	go test -count 1 -timeout 0 -run '^TestSimulation$$' ./agent/engine -args -schedules $(or $(N),100000) $(if $(SEED),-seed $(SEED))

run-integ-tests: go ## tests against a real Docker engine, network namespaces and mounts
	@scripts/need-test-tools.sh
	scripts/with-docker.sh go test -tags integration -count 1 -p 1 -timeout 15m $(TESTFLAGS) $(INTEG_PACKAGES)
	scripts/with-docker.sh go test -tags integration -count 1 -p 1 -timeout 5m -exec $(CURDIR)/scripts/as-root.sh $(TESTFLAGS) $(ROOT_INTEG_PACKAGES)

test-e2e: go ## the agent and local-ecs together on real Docker
	@scripts/need-test-tools.sh
	scripts/with-docker.sh go test -tags e2e -count 1 -p 1 -timeout 20m $(TESTFLAGS) ./misc/e2e ./misc/e2e/vpc

test-in-docker: ## unit tests inside BUILDER_IMAGE
	@[ -n "$(BUILDER_IMAGE)" ] || { echo 'test-in-docker needs BUILDER_IMAGE, an image with Go: make test-in-docker BUILDER_IMAGE=golang:1.26' >&2; exit 1; }
	scripts/in-builder.sh go test -timeout 15m $(TESTFLAGS) ./...

bench: static local-ecs ## Go benchmarks, then size, memory and speed of the agent beside a plain Docker client
	go test -run '^$$' -bench . -benchmem -timeout 30m $(TESTFLAGS) ./agent/...
	E2E_BENCH=1 scripts/with-docker.sh go test -tags e2e -count 1 -run '^Test(Footprint|Cost|Scale|CostOfStatistics)$$' -timeout 20m -v ./misc/e2e

lint: go ## gofmt, vet, staticcheck, other platforms, shellcheck
	scripts/lint.sh

include ecs-init/ecs-init.mk

.PHONY: go go-race
go:
ifndef BUILDER_IMAGE
	@scripts/need-go.sh
endif
go-race:
	@scripts/need-go.sh --race
