#!/usr/bin/env bash
# github.com/redis/rueidis v1.0.79 with AlwaysRESP2 and DisableRetry, Redis 7.0.15 (Debian 12): after the connection of a subscription was lost, every further
# Receive of the client fails at once, for as long as the connection for commands, which is another one, lives.
#
# Expected: Receive returns the error of the lost connection once, and the next Receive subscribes over a new one, as it does over RESP3.
# Seen on 2026-11-29:
#   RESP3: commands work: true, of 10 new subscriptions 10 got a message
#   RESP2: commands work: true, of 10 new subscriptions 0 got a message
# Who subscribes over RESP2 has to make a new client for each subscription.
set -euo pipefail
dir=$(mktemp -d); trap 'kill $server 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
server=
apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1
for f in ./*.deb; do dpkg -x "$f" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu
bin=$dir/root/usr/bin/redis-server
"$bin" --version | grep -q 'v=7\.0\.15' || { echo "want Redis 7.0.15"; exit 1; }
"$bin" --port 7811 --bind 127.0.0.1 --save '' >log 2>&1 & server=$!
for _ in $(seq 100); do "$dir/root/usr/bin/redis-cli" -p 7811 PING >/dev/null 2>&1 && break; sleep 0.05; done
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
	"time"

	"github.com/redis/rueidis"
)

// heard subscribes, publishes until a message arrives, and reports whether one did.
func heard(c, other rueidis.Client) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	got, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		c.Receive(ctx, c.B().Subscribe().Channel("ch").Build(), func(rueidis.PubSubMessage) {
			select {
			case got <- struct{}{}:
			default:
			}
		})
	}()
	for {
		other.Do(ctx, other.B().Publish().Channel("ch").Message("m").Build())
		select {
		case <-got:
			cancel()
			<-ended
			return true
		case <-ended:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func try(name string, resp2 bool) {
	at := rueidis.ClientOption{InitAddress: []string{"127.0.0.1:7811"}, DisableCache: true, DisableRetry: true}
	other, err := rueidis.NewClient(at)
	if err != nil {
		panic(err)
	}
	defer other.Close()
	at.AlwaysRESP2 = resp2
	c, err := rueidis.NewClient(at)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	ctx := context.Background()
	go func() {
		time.Sleep(100 * time.Millisecond)
		other.Do(ctx, other.B().ClientKill().TypePubsub().Build())
	}()
	lost := c.Receive(ctx, c.B().Subscribe().Channel("ch").Build(), func(rueidis.PubSubMessage) {})
	if lost == nil {
		panic("the subscription was not lost")
	}
	n := 0
	for range 10 {
		if heard(c, other) {
			n++
		}
		time.Sleep(20 * time.Millisecond)
	}
	works := c.Do(ctx, c.B().Ping().Build()).Error() == nil
	fmt.Printf("%s: commands work: %v, of 10 new subscriptions %d got a message\n", name, works, n)
}

func main() {
	try("RESP3", false)
	try("RESP2", true)
}
X
export GOWORK=off GOFLAGS=-mod=mod
unset LD_LIBRARY_PATH
go run . 2>go.log | tee seen || { cat go.log; exit 1; }
diff seen - <<'X'
RESP3: commands work: true, of 10 new subscriptions 10 got a message
RESP2: commands work: true, of 10 new subscriptions 0 got a message
X
