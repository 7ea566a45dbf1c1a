# Two commands matter: `make run` starts the demo, `make test` runs the whole suite. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CACHE   := $(CURDIR)/.cache
TOOLS   := $(CACHE)/tools
TAGS    := nomsgpack
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOLANGCI_VERSION := v2.15.0

export TOLLKEEPER_SHARED ?= $(abspath $(CURDIR)/../shared)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-20s %s\n", $$1, $$2}'

.PHONY: run
run: engine build ## fetch what is missing, build, and start the demo
	@exec bin/tollkeeper demo

.PHONY: build
build: ## build bin/tollkeeper
	@echo "building bin/tollkeeper (the first build takes some minutes)"
	@go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/tollkeeper ./cmd/tollkeeper

.PHONY: parts
parts: engine kafka gateways ## install what the tests need
	@bash deploy/test/parts.sh

.PHONY: test
test: parts build ## run the whole suite with the real parts
	go test -tags $(TAGS) -timeout 40m ./...
	@$(MAKE) --no-print-directory test-deploy

.PHONY: test-fast
test-fast: ## run what takes seconds
	go test -tags $(TAGS) ./internal/usage/... ./internal/config/... ./detect/... ./quotas/... ./keys/...

.PHONY: check
check: fmt-check vet lint check-generated check-dashboard ## format, vet, lint, generated code and dashboard in step

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## format the code
	$(TOOLS)/golangci-lint fmt

.PHONY: fmt-check
fmt-check: $(TOOLS)/golangci-lint
	$(TOOLS)/golangci-lint fmt --diff

.PHONY: vet
vet:
	go vet -tags $(TAGS) ./...
	cd $(DEPLOY_TEST) && go vet ./...

.PHONY: lint
lint: $(TOOLS)/golangci-lint
	$(TOOLS)/golangci-lint run --allow-serial-runners --build-tags $(TAGS) ./...
	cd $(DEPLOY_TEST) && $(TOOLS)/golangci-lint run --allow-serial-runners ./...

$(TOOLS)/golangci-lint:
	@echo "installing golangci-lint $(GOLANGCI_VERSION) into $(TOOLS)"
	@GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: clean
clean: ## remove what was built and the demo's data; the downloads stay
	rm -rf bin data

include $(wildcard deploy/make/*.mk)
