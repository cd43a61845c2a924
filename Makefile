# Daily commands. .ci/run has everything that a change must pass and does not use this file.
.PHONY: build test lint demo check

LINTER := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pdeflow/bin/golangci-lint

build: ## compile everything and install pdeflow into $(go env GOPATH)/bin
	go build ./...
	go install ./cmd/pdeflow

test: ## run the tests of PKG, by default all (make test PKG=./schema RUN=Check)
	go test $(or $(PKG),./...) $(if $(RUN),-run '$(RUN)')

lint: ## check formatting, vet and the linter, which .ci/run installs
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	go vet ./...
	$(LINTER) run ./...

demo: ## start everything in one process, run the sample, keep serving
	go run ./cmd/pdeflow demo

check: ## everything that a change must pass
	bash .ci/run
