#!/usr/bin/env bash
# github.com/redis/rueidis v1.0.79 with a cluster of Redis 7.0.15 (Debian 12): given one address and a user who may do everything but CLUSTER SLOTS
# and CLUSTER SHARDS, NewClient returns a client for a single server, without an error. With two addresses it returns the server's NOPERM.
#
# Expected: NOPERM in both cases, since the client has no way to know that this is no cluster.
# Seen on 2026-11-29:
#   all rights, one address: cluster, 100 of 100 keys written
#   without CLUSTER SLOTS, two addresses: NOPERM this user has no permissions to run the 'cluster|slots' command
#   without CLUSTER SLOTS, one address: standalone, 52 of 100 keys written, then MOVED
# Everything seems to work until a key of another node is used.
set -euo pipefail
dir=$(mktemp -d); trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1
for f in ./*.deb; do dpkg -x "$f" root; done
lib=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu bin=$dir/root/usr/bin
LD_LIBRARY_PATH=$lib "$bin/redis-server" --version | grep -q 'v=7\.0\.15' || { echo "want Redis 7.0.15"; exit 1; }
on() { LD_LIBRARY_PATH=$lib "$bin/redis-cli" -p "$@"; }
for port in 7801 7802; do
	mkdir "$port"
	(cd "$port" && LD_LIBRARY_PATH=$lib exec "$bin/redis-server" --port "$port" --bind 127.0.0.1 --cluster-enabled yes --save '' >log 2>&1) &
	for _ in $(seq 100); do on "$port" PING >/dev/null 2>&1 && break; sleep 0.05; done
	on "$port" ACL SETUSER all on '>p' '~*' '&*' +@all >/dev/null
	on "$port" ACL SETUSER most on '>p' '~*' '&*' +@all '-cluster|slots' '-cluster|shards' >/dev/null
done
{
	on 7801 CLUSTER SET-CONFIG-EPOCH 1
	on 7802 CLUSTER SET-CONFIG-EPOCH 2
	on 7801 CLUSTER ADDSLOTSRANGE 0 8191
	on 7802 CLUSTER ADDSLOTSRANGE 8192 16383
	on 7801 CLUSTER MEET 127.0.0.1 7802
} >/dev/null
for port in 7801 7802; do
	for _ in $(seq 200); do on "$port" CLUSTER INFO | grep -q cluster_state:ok && break; sleep 0.05; done
done
cat >go.mod <<'X'
module finding
go 1.24
require github.com/redis/rueidis v1.0.79
X
cat >main.go <<'X'
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

func try(name, user string, addrs ...string) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addrs, Username: user, Password: "p", DisableCache: true})
	if err != nil {
		fmt.Printf("%s: %v\n", name, err)
		return
	}
	defer c.Close()
	const keys = 100
	written, then := 0, ""
	for i := range keys {
		if err := c.Do(context.Background(), c.B().Set().Key(fmt.Sprint("key:", i)).Value("v").Build()).Error(); err == nil {
			written++
		} else {
			then = ", then " + strings.Fields(err.Error())[0]
		}
	}
	fmt.Printf("%s: %s, %d of %d keys written%s\n", name, c.Mode(), written, keys, then)
}

func main() {
	try("all rights, one address", "all", "127.0.0.1:7801")
	try("without CLUSTER SLOTS, two addresses", "most", "127.0.0.1:7801", "127.0.0.1:7802")
	try("without CLUSTER SLOTS, one address", "most", "127.0.0.1:7801")
}
X
GOWORK=off GOFLAGS=-mod=mod go run . 2>/dev/null | tee out
diff out - <<'X'
all rights, one address: cluster, 100 of 100 keys written
without CLUSTER SLOTS, two addresses: NOPERM this user has no permissions to run the 'cluster|slots' command
without CLUSTER SLOTS, one address: standalone, 52 of 100 keys written, then MOVED
X
