# Tasks of this repository. "make help" lists them.

PKG       ?= ./...
TESTFLAGS ?=
BENCH     ?= .
BENCHPKG  ?= ./benchmarks/...
COUNT     ?= 6
BENCHTIME ?= 300ms
FUZZTIME  ?= 20
SOAK      ?= 1m

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

# Build the module as its importers do, regardless of a go.work
# in a parent directory.
export GOWORK := off

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help databases prometheus e2e migration recipes marketplace demo outbox-kill outbox-cost conformance survey survey-table survey-times test test-race test-alloc model mutants options check lint format-check vet staticcheck arch tidy-check \
	format bench bench-ratios bench-targets bench-results bench-hits bench-compile fuzz soak cover cover-lease figures cover-html quickstart clean servers site need-go need-redis need-cc need-databases need-mkdocs need-chromium

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PKG, TESTFLAGS, BENCH, BENCHPKG, BENCHTIME, COUNT and FUZZTIME narrow or extend it:"
	@echo "    make test PKG=./layered/ TESTFLAGS='-run Delete -v'"
	@echo "    STRATA_TEST_SERVER=valkey-server make test"

# ---- tests -------------------------------------------------------------------

test: test-race test-alloc survey $(if $(filter ./...,$(PKG)),cover-lease databases marketplace recipes migration prometheus e2e) ## all tests, with the race detector; installs servers where it can

# Tests wait for servers more than they compute: twice as many packages at once as there are CPUs.
test-race: need-go need-cc need-redis
	go test -race -p $$(($$(getconf _NPROCESSORS_ONLN) * 2)) -timeout 30m $(PKG) $(TESTFLAGS)

# The race detector allocates: bounds on allocations hold only without it.
test-alloc: need-go need-redis
	@tests=$$(scripts/list-tests 'Test[A-Za-z0-9_]*[Aa]lloc[A-Za-z0-9_]*' $(PKG)) || exit 1; \
	[ -n "$$tests" ] || exit 0; \
	echo "go test -run [Aa]lloc"; go test -run '[Aa]lloc' $$(echo "$$tests" | cut -f 1 | sort -u)
	go test ./internal/size ./store/otterstore ./store/ristrettostore # have more tests that the race detector disturbs

survey: need-go ## what the codecs do with types of other libraries; compares it with codec/survey/README.md
	cd codec/survey && go test .

survey-table: need-go ## write the tables of codec/survey/README.md but for the times
	cd codec/survey && go test -count=1 . -args -write

survey-times: need-go ## measure other codecs in turns with the default, and write the times into codec/survey/README.md
	cd codec/survey && go test -count=1 -run TestTimes . -args -times

databases: need-go need-redis need-databases ## package outbox on PostgreSQL, SQLite and MariaDB
	cd invalidate/outbox/databases && go test .

marketplace: need-go need-redis need-databases ## examples/marketplace on SQLite, and on PostgreSQL and Redis
	cd examples/marketplace && go test ./...

prometheus: need-go need-redis need-prometheus ## the dashboard and the alert rules of docs/grafana on a real Prometheus
	cd examples/prometheus && go test .

e2e: need-go need-redis need-chromium ## the page of package admin in Chromium, with axe-core: it needs npm
	scripts/e2e $(TESTFLAGS)

migration: need-go need-redis ## examples/migration, with the caches that it migrates from
	cd examples/migration && go test .

recipes: need-go need-redis need-databases ## examples/recipes: database/sql, sqlc, gorm and ent on PostgreSQL and Redis
	cd examples/recipes && go test .

demo: need-go need-redis ## measure examples/marketplace without and with its caches, while Redis is killed, and in a deploy: three minutes
	$(MAKE) --no-print-directory -C examples/marketplace demo

outbox-kill: need-go need-redis need-databases ## kill writers, relays and Redis during 10,000 transactions on each database
	cd invalidate/outbox/databases && STRATA_OUTBOX_KILL=10000 go test -count=1 -timeout 1h -v -run 'TestKill$$' .

outbox-cost: need-go need-redis need-databases ## measure what recording events costs, and the relay
	cd invalidate/outbox/databases && go test -count=1 -timeout 30m -v -run TestCost . -args -measure

conformance: need-go ## run http-cache-tests against examples/cachingproxy: a minute; it needs node and npm
	scripts/conformance

servers: need-go need-redis ## the packages that start a server, on Redis 7, Redis 8 and Valkey 9 (docs/servers.md): two hours; SERVERS=, PKGS=
	SERVERS='$(SERVERS)' scripts/servers $(PKGS)

soak: need-go need-redis ## what several processes see while things fail, SOAK=1m for each fault
	STRATA_SOAK=$(SOAK) go test -count=1 -timeout 10h -v $(TESTFLAGS) -run "TestHistory$$|TestChaos$$" ./internal/integration/fleet

mutants: need-go need-redis ## take each fence away, and write into internal/mutant/README.md which tests notice: half an hour
	STRATA_MUTANTS=$(or $(MUTANTS),all) go test -count=1 -timeout 10h -v $(TESTFLAGS) -run 'TestMutants$$' ./internal/integration

options: need-go need-redis ## remove what passes each option on, and see a test of the root fail: OPTIONS=Options.TTL, or all of them, most of an hour
	STRATA_OPTIONS=$(or $(OPTIONS),all) go test -count=1 -timeout 10h -v -run 'TestHeld_mutants$$' .

model: need-go ## explore the coherence protocol whole (internal/model/README.md): three minutes, 1.2 GB
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

# The environment of the measurements.
BENCHHEAD = echo "\# $$(git describe --always --dirty 2>/dev/null), $$(go env GOVERSION), $$(redis-server --version | cut -d ' ' -f 3), $$(uname -sr), $$(date -u +%F)"

bench: need-go need-redis ## run the benchmarks: BENCH=pattern COUNT=6 BENCHTIME=300ms BENCHPKG=./benchmarks/...
	@$(BENCHHEAD)
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) -timeout 2h $(BENCHPKG)
	@echo "to compare:  make bench > old.txt;  make bench > new.txt;  go run golang.org/x/perf/cmd/benchstat@latest old.txt new.txt" >&2

bench-ratios: need-go need-redis ## compare with the bare libraries, in turns; goals and whether they are met
	@go test ./benchmarks -run TestRatios -v -timeout 30m -args -measure $(RATIOFLAGS)

bench-targets: need-go need-redis ## compare with the peer of each target, in turns, and whether it is met
	@go test ./benchmarks -run TestTargets -v -timeout 30m -args -measure $(RATIOFLAGS)

bench-results: need-go need-redis ## write the tables of benchmarks/README.md to benchmarks/results/<today>-ratios.txt
	@file=benchmarks/results/$$(date -u +%F)-ratios.txt; { $(BENCHHEAD); echo "# make bench-results"; } >$$file && \
	go test ./benchmarks -run TestRatios -v -timeout 1h -args -measure $(RATIOFLAGS) >>$$file && \
	go test ./internal/integration -run 'TestCost|TestStampede_fourProcesses' -v -count=1 >>$$file && \
	sed -i -E '/^(=== |--- |PASS|ok|$$)/d; s/ +$$//' $$file && cat $$file

bench-hits: need-go need-redis ## hit ratios of both engines on four traces
	@go test ./benchmarks -run TestHitRatio -v -timeout 30m -args -measure

.PHONY: bench-peers bench-coherence bench-pages bench-http need-http-servers
bench-peers: need-go need-redis ## compare with other caches and clients, in turns (benchmarks/peers): below ten minutes; SET=full, SET=growth, PEERFLAGS=
	cd benchmarks/peers && go run ./run -set $(or $(SET),quick) $(PEERFLAGS)

bench-coherence: need-go need-redis ## how often caches of several processes are wrong, without and with faults: five minutes; COHERENCEFLAGS='-rounds 5'
	cd benchmarks/peers && go run ./coherence $(COHERENCEFLAGS)

bench-http: need-go need-http-servers ## hits of httpcache beside those of nginx and Varnish, into benchmarks/results: three minutes
	cd benchmarks/peers && go run ./httpcaches -out ../results/$$(date -u +%F)-http.txt

bench-pages: need-go ## write the pages and charts of both again, from the JSON in benchmarks/results
	cd benchmarks/peers && go run ./run -set none && go run ./coherence -write

bench-compile: need-go need-redis
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	{ go test -run '^$$' -bench . -benchtime 1x ./... >"$$log" 2>&1 || { cat "$$log"; exit 1; }; } && \
	echo "$$(grep -c '^Benchmark' "$$log") benchmarks run once"
	cd benchmarks/peers && go test ./... # its adapters do what they are to measure

fuzz: need-go need-redis ## run every fuzz target for FUZZTIME=20 seconds; FUZZTOTAL= bounds the sum, FUZZPKG= names packages
	@scripts/fuzz $(FUZZTIME) '$(FUZZTOTAL)' $(FUZZPKG)

cover: need-go need-redis ## test coverage by package, counted over all tests (coverage.out)
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	{ go test -coverpkg=./... -coverprofile=coverage.out ./... >"$$log" 2>&1 || { cat "$$log"; exit 1; }; }
	@scripts/cover coverage.out

cover-lease: need-go ## how much of a miss the tests of layered cover: at least 95 % of the statements
	@profile=$$(mktemp) && trap 'rm -f "$$profile"' EXIT && \
	go test -count=1 -coverprofile="$$profile" ./layered >/dev/null && scripts/cover-lease "$$profile"

figures: need-go cover-lease ## the figures of docs/architecture.md, measured
	@go test -count=1 -v -run 'TestFiles_references|TestArchitecture_(interfaces|exported)$$' . | sed -n 's/^ .*_test.go:[0-9]*: //p'
	@go test -count=1 -v -run 'TestLook_once' ./layered | grep -E '^(--- |ok|FAIL)'

cover-html: cover ## the same, and each line in a browser
	go tool cover -html=coverage.out

# ---- the rest ----------------------------------------------------------------

site: need-mkdocs ## write docs/ as a site with search into bin/site; fails at a dead link
	mkdocs build --quiet --strict
	@echo "to look at it, with search: python3 -m http.server -d bin/site"

quickstart: need-go ## run examples/quickstart
	go run ./examples/quickstart

clean: ## remove what the targets above left behind
	rm -rf bin coverage.out
	find . -name .git -prune -o \( -name '*.test' -o -name '*.prof' \) -type f -exec rm -f {} +

need-go need-redis need-cc need-databases need-mkdocs need-prometheus need-chromium need-http-servers:
	@scripts/$@
