#!/usr/bin/env bash
# github.com/dgraph-io/ristretto/v2 v2.4.2 (Go 1.26): of two Sets of a new key in a row by one goroutine, the first one's value stays.
#
# Expected: the second Set wins, or reports false. The cache is far from full, and Wait returns after every buffered Set was applied.
# Seen on 2026-11-28: "20000 of 20000 keys have the old value; the second Set had returned true for 20000 of them".
# A Set of a key that is not applied yet is queued as a second new item, which the policy then turns down because the key is there already.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
cat >go.mod <<'X'
module finding
go 1.24
require github.com/dgraph-io/ristretto/v2 v2.4.2
X
cat >main.go <<'X'
package main

import (
	"fmt"
	"os"

	"github.com/dgraph-io/ristretto/v2"
)

func main() {
	c, err := ristretto.NewCache(&ristretto.Config[int, string]{NumCounters: 1e6, MaxCost: 1e8, BufferItems: 64})
	if err != nil {
		panic(err)
	}
	const n = 20_000
	old, accepted := 0, 0
	for k := range n {
		if !c.Set(k, "old", 1) {
			continue
		}
		ok := c.Set(k, "new", 1)
		c.Wait()
		if v, found := c.Get(k); found && v == "old" {
			old++
			if ok {
				accepted++
			}
		}
	}
	fmt.Printf("%d of %d keys have the old value; the second Set had returned true for %d of them\n", old, n, accepted)
	if accepted < n/2 {
		os.Exit(1)
	}
}
X
GOWORK=off GOFLAGS=-mod=mod go run .
