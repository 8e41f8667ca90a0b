#!/usr/bin/env bash
# github.com/google/uuid v1.6.0 (Go 1.26): the zero NullUUID survives neither its own MarshalText and UnmarshalText nor MarshalBinary and
# UnmarshalBinary. JSON, which has methods of its own there, is fine.
#
# Expected: what these methods write without an error, their counterparts read.
# Seen on 2026-11-29:
#   json: null -> equal
#   MarshalText: "null" -> invalid UUID length: 4
#   MarshalBinary: 0 bytes -> invalid UUID (got 0 bytes)
#   gob: invalid UUID (got 0 bytes)
#   msgpack: equal
# A cache whose codec uses these methods stores rows with such a column without an error and can never read them. (vmihailenco/msgpack v5.4.1
# does not call UnmarshalBinary for an empty byte string, so it gets away with it.)
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
cat >go.mod <<'X'
module finding
go 1.24
require (
	github.com/google/uuid v1.6.0
	github.com/vmihailenco/msgpack/v5 v5.4.1
)
X
cat >main.go <<'X'
package main

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"
)

func verdict(err error, got uuid.NullUUID) string {
	if err != nil {
		return err.Error()
	}
	if got == (uuid.NullUUID{}) {
		return "equal"
	}
	return fmt.Sprintf("%+v", got)
}

func main() {
	var id, got uuid.NullUUID
	b, err := json.Marshal(id)
	if err == nil {
		err = json.Unmarshal(b, &got)
	}
	fmt.Printf("json: %s -> %s\n", b, verdict(err, got))

	got = uuid.NullUUID{}
	if b, err = id.MarshalText(); err == nil {
		err = got.UnmarshalText(b)
	}
	fmt.Printf("MarshalText: %q -> %s\n", b, verdict(err, got))

	got = uuid.NullUUID{}
	if b, err = id.MarshalBinary(); err == nil {
		err = got.UnmarshalBinary(b)
	}
	fmt.Printf("MarshalBinary: %d bytes -> %s\n", len(b), verdict(err, got))

	got = uuid.NullUUID{}
	var buf bytes.Buffer
	if err = gob.NewEncoder(&buf).Encode(id); err == nil {
		err = gob.NewDecoder(&buf).Decode(&got)
	}
	fmt.Printf("gob: %s\n", verdict(err, got))

	got = uuid.NullUUID{}
	if b, err = msgpack.Marshal(id); err == nil {
		err = msgpack.Unmarshal(b, &got)
	}
	fmt.Printf("msgpack: %s\n", verdict(err, got))
}
X
GOWORK=off GOFLAGS=-mod=mod go run . 2>/dev/null | tee out
diff out - <<'X'
json: null -> equal
MarshalText: "null" -> invalid UUID length: 4
MarshalBinary: 0 bytes -> invalid UUID (got 0 bytes)
gob: invalid UUID (got 0 bytes)
msgpack: equal
X
