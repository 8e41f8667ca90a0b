# Everything that is done with this repository. "make help" lists it.

PKG       ?= ./...
TESTFLAGS ?=
BENCH     ?= .
BENCHPKG  ?= ./benchmarks/...
COUNT     ?= 6
BENCHTIME ?= 300ms
FUZZTIME  ?= 20
SOAK      ?= 1m

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

# The module is built as those who import it build it, whatever go.work may lie
# in a directory above.
export GOWORK := off

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help survey survey-table survey-times test test-race test-alloc model mutants check lint format-check vet staticcheck arch tidy-check \
	format bench bench-ratios bench-results bench-hits bench-compile fuzz soak cover cover-html quickstart clean servers need-go need-redis need-cc

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PKG, TESTFLAGS, BENCH, BENCHPKG, BENCHTIME, COUNT and FUZZTIME narrow or extend it:"
	@echo "    make test PKG=./layered/ TESTFLAGS='-run Delete -v'"
	@echo "    STRATA_TEST_SERVER=valkey-server make test"

# ---- tests -------------------------------------------------------------------

test: test-race test-alloc survey ## all tests, with the race detector; installs redis-server where it can

test-race: need-go need-cc need-redis
	go test -race -timeout 30m $(PKG) $(TESTFLAGS)

# The race detector allocates: bounds on allocations hold only without it.
test-alloc: need-go need-redis
	@tests=$$(scripts/list-tests 'Test[A-Za-z0-9_]*[Aa]lloc[A-Za-z0-9_]*' $(PKG)) || exit 1; \
	[ -n "$$tests" ] || exit 0; \
	echo "go test -run [Aa]lloc"; go test -run '[Aa]lloc' $$(echo "$$tests" | cut -f 1 | sort -u)
	go test ./internal/size ./store/otterstore ./store/ristrettostore # have more tests that the race detector disturbs

survey: need-go ## what the codecs do with types of other libraries; compares it with docs/values.md
	cd codec/survey && go test .

survey-table: need-go ## write the tables of docs/values.md but for the times
	cd codec/survey && go test -count=1 . -args -write

survey-times: need-go ## measure other codecs in turns with the default, and write the times into docs/values.md
	cd codec/survey && go test -count=1 -run TestTimes . -args -times

servers: need-go need-redis ## the packages that start a server, on Redis 7, Redis 8 and Valkey 9 (docs/servers.md): two hours; SERVERS=, PKGS=
	SERVERS='$(SERVERS)' scripts/servers $(PKGS)

soak: need-go need-redis ## what several processes see while things fail, SOAK=1m for each fault
	STRATA_SOAK=$(SOAK) go test -count=1 -timeout 10h -v $(TESTFLAGS) -run 'TestHistory$$|TestChaos$$' ./internal/integration

mutants: need-go need-redis ## take each fence away, and write into docs/consistency.md which tests notice: half an hour
	STRATA_MUTANTS=$(or $(MUTANTS),all) go test -count=1 -timeout 10h -v $(TESTFLAGS) -run 'TestMutants$$' ./internal/integration

model: need-go ## explore the coherence protocol whole (docs/model.md): three minutes, 1.2 GB
	STRATA_MODEL=all go test -count=1 -timeout 60m $(TESTFLAGS) ./internal/model

check: lint test ## what has to pass before a commit: lint and test

lint: tidy-check format-check vet staticcheck arch ## everything but the tests: tidy, gofmt, vet, staticcheck, import rules

tidy-check: need-go
	@go mod tidy -diff || { echo "go.mod or go.sum is not tidy: run \"go mod tidy\"" >&2; exit 1; }

format-check: need-go
	@bad=$$(gofmt -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted (run \"make format\"):" >&2; echo "$$bad" >&2; exit 1; fi

vet: need-go
	go vet $(PKG)

staticcheck: need-go
	go run $(STATICCHECK) $(PKG)

arch: need-go
	go test -run Architecture .

format: need-go ## gofmt every file
	gofmt -l -w .

# ---- measuring ---------------------------------------------------------------

# What the figures belong to.
BENCHHEAD = echo "\# $$(git describe --always --dirty 2>/dev/null), $$(go env GOVERSION), $$(redis-server --version | cut -d ' ' -f 3), $$(uname -sr), $$(date -u +%F)"

bench: need-go need-redis ## run the benchmarks: BENCH=pattern COUNT=6 BENCHTIME=300ms BENCHPKG=./benchmarks/...
	@$(BENCHHEAD)
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) -timeout 2h $(BENCHPKG)
	@echo "to compare:  make bench > old.txt;  make bench > new.txt;  go run golang.org/x/perf/cmd/benchstat@latest old.txt new.txt" >&2

bench-ratios: need-go need-redis ## compare with the bare libraries, in turns; goals and whether they are met
	@go test ./benchmarks -run TestRatios -v -timeout 30m -args -measure $(RATIOFLAGS)

bench-results: need-go need-redis ## write the tables of docs/benchmarks.md to benchmarks/results/<today>-ratios.txt
	@file=benchmarks/results/$$(date -u +%F)-ratios.txt; { $(BENCHHEAD); echo "# make bench-results"; } >$$file && \
	go test ./benchmarks -run TestRatios -v -timeout 1h -args -measure $(RATIOFLAGS) >>$$file && \
	go test ./internal/integration -run 'TestCost|TestStampede_fourProcesses' -v -count=1 >>$$file && \
	sed -i -E '/^(=== |--- |PASS|ok|$$)/d; s/ +$$//' $$file && cat $$file

bench-hits: need-go need-redis ## hit ratios of both engines on four traces
	@go test ./benchmarks -run TestHitRatio -v -timeout 30m -args -measure

bench-compile: need-go need-redis
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	{ go test -run '^$$' -bench . -benchtime 1x ./... >"$$log" 2>&1 || { cat "$$log"; exit 1; }; } && \
	echo "$$(grep -c '^Benchmark' "$$log") benchmarks run once"

fuzz: need-go need-redis ## run every fuzz target for FUZZTIME=20 seconds; FUZZTOTAL= bounds the sum
	@scripts/fuzz $(FUZZTIME) $(FUZZTOTAL)

cover: need-go need-redis ## test coverage by package, counted over all tests (coverage.out)
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	{ go test -coverpkg=./... -coverprofile=coverage.out ./... >"$$log" 2>&1 || { cat "$$log"; exit 1; }; }
	@scripts/cover coverage.out

cover-html: cover ## the same, and each line in a browser
	go tool cover -html=coverage.out

# ---- the rest ----------------------------------------------------------------

quickstart: need-go ## run examples/quickstart
	go run ./examples/quickstart

clean: ## remove what the targets above left behind
	rm -rf bin coverage.out
	find . -name .git -prune -o \( -name '*.test' -o -name '*.prof' \) -type f -exec rm -f {} +

need-go need-redis need-cc:
	@scripts/$@
