#!/usr/bin/env bash
# github.com/samber/hot v0.11.0 (Go 1.26): a cache of 1,000 entries with 16 shards keeps 16,000.
#
# Expected: WithSharding splits the capacity; "Split cache into multiple shards to reduce lock contention" is all that its README says.
# Seen on 2026-11-30: "1000 entries without shards, 16000 with 16".
# Each shard is a cache of the whole capacity.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
cat >go.mod <<'X'
module finding
go 1.24
require github.com/samber/hot v0.11.0
X
cat >main.go <<'X'
package main

import (
	"fmt"
	"os"

	"github.com/samber/hot"
)

func main() {
	fill := func(c hot.HotCacheConfig[int, int]) int {
		cache := c.Build()
		for k := range 100_000 {
			cache.Set(k, k)
		}
		return cache.Len()
	}
	whole := fill(hot.NewHotCache[int, int](hot.LRU, 1000))
	sharded := fill(hot.NewHotCache[int, int](hot.LRU, 1000).WithSharding(16, func(k int) uint64 { return uint64(k) }))
	fmt.Printf("%d entries without shards, %d with 16\n", whole, sharded)
	if whole != 1000 || sharded != 16_000 {
		os.Exit(1)
	}
}
X
GOWORK=off GOFLAGS=-mod=mod go run .
