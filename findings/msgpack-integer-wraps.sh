#!/usr/bin/env bash
# github.com/vmihailenco/msgpack/v5 v5.4.1 (Go 1.26): an integer that does not fit its destination is decoded without an error, and wraps.
#
# Expected: an error, as encoding/json gives ("cannot unmarshal number 5000000000 into Go value of type int32").
# Seen on 2026-11-28:
#   int64 5000000000 into int32: 705032704, err <nil>
#   int64 -1 into uint64: 18446744073709551615, err <nil>
#   int64 300 into uint8: 44, err <nil>
#   nil into struct: {0}, err <nil>
# A field that a deploy narrows is read from a shared cache as another number.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
cat >go.mod <<'X'
module finding
go 1.24
require github.com/vmihailenco/msgpack/v5 v5.4.1
X
cat >main.go <<'X'
package main

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

func show[From, To any](what string, v From) {
	b, err := msgpack.Marshal(v)
	if err != nil {
		panic(err)
	}
	var to To
	err = msgpack.Unmarshal(b, &to)
	fmt.Printf("%s: %v, err %v\n", what, to, err)
}

func main() {
	show[int64, int32]("int64 5000000000 into int32", 5_000_000_000)
	show[int64, uint64]("int64 -1 into uint64", -1)
	show[int64, uint8]("int64 300 into uint8", 300)
	show[any, struct{ N int }]("nil into struct", nil)
}
X
GOWORK=off GOFLAGS=-mod=mod go run . | tee out
diff out - <<'X'
int64 5000000000 into int32: 705032704, err <nil>
int64 -1 into uint64: 18446744073709551615, err <nil>
int64 300 into uint8: 44, err <nil>
nil into struct: {0}, err <nil>
X
