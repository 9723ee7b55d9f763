# SPDX-License-Identifier: Apache-2.0

GO       ?= go
TOOL      = $(GO) tool -modfile=$(CURDIR)/tools/go.mod
BINARY    = bin/otelcol-puck
CONFIG   ?= config/local.yaml
FUZZTIME ?= 10m
BENCH    ?= .
# Everything but the generated main, whose dependencies take long, and what needs
# the machine for itself.
UNIT      = $(shell $(GO) list ./... | grep -v -e /cmd/otelcol-puck -e /config -e /test/)

.PHONY: help run build test deps generate lint fmt fuzz bench capture docs test-kernels

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' Makefile

run: build ## Build, then trace this machine's requests to the terminal (as root)
	@GOMEMLIMIT=$${GOMEMLIMIT:-250MiB} $(BINARY) --config $(CONFIG)

build: ## Build the collector to bin/otelcol-puck
	CGO_ENABLED=0 $(GO) build -trimpath -tags grpcnotrace -o $(BINARY) ./cmd/otelcol-puck

test: ## Run all tests; as root also those against real servers, whose packages it installs
	@test/run

deps: ## Install the Debian packages that the tests need
	@test/deps

generate: ## Rebuild all that is generated and committed (needs clang-19)
	test/deps generate
	$(TOOL) builder --config builder-config.yaml --skip-get-modules --skip-compilation
	$(GO) generate ./bpf/...
	$(MAKE) docs

lint: ## Check the format, vet, and run golangci-lint with the layer rules
	test/format
	$(GO) vet -tags grpcnotrace ./...
	$(TOOL) golangci-lint run ./...

fmt: ## Format the Go and the C sources
	test/format -w

fuzz: ## Fuzz every parser for FUZZTIME (10m) each
	test/fuzz $(FUZZTIME)

bench: build ## Run the benchmarks (BENCH selects some), then what tracing costs nginx (as root)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(UNIT)
	$(GO) run ./test/bench -collector $(CURDIR)/$(BINARY)

capture: ## Print a parser's test made of a pcap: PCAP=file PROTO=http, CONN=2 for its second connection
	@test -n "$(PCAP)" -a -n "$(PROTO)" || { echo "usage: make capture PCAP=file PROTO=http [CONN=1]" >&2; exit 2; }
	@$(GO) run ./internal/protocol/prototest/pcapcapture -proto $(PROTO) -conn $(or $(CONN),1) $(PCAP)

docs: ## Write docs/tables from the tables
	$(GO) run ./internal/table/docgen docs/tables

test-kernels: ## Run the collector under Linux 5.10, 6.1, 6.12 and 7.x in QEMU
	test/deps kernels
	PUCK_TEST_KERNELS=1 $(GO) test -v -count=1 -timeout 60m ./test/kernels
