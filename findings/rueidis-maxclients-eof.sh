#!/usr/bin/env bash
# github.com/redis/rueidis v1.0.79 with Redis 7.0.15 (Debian 12) that has as many clients as it may: NewClient fails with "EOF". The server had answered
# "ERR max number of clients reached" before it closed the connection.
#
# Expected: the words of the server, since it sends them before anything else.
# Seen on 2026-11-29:
#   what the server sends: -ERR max number of clients reached
#   what rueidis says: EOF
# An operator reads of a network fault and looks for it in the wrong place.
set -euo pipefail
dir=$(mktemp -d); trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1
for f in ./*.deb; do dpkg -x "$f" root; done
lib=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu bin=$dir/root/usr/bin
LD_LIBRARY_PATH=$lib "$bin/redis-server" --version | grep -q 'v=7\.0\.15' || { echo "want Redis 7.0.15"; exit 1; }
LD_LIBRARY_PATH=$lib "$bin/redis-server" --port 7831 --bind 127.0.0.1 --save '' --maxclients 1 >log 2>&1 &
cat >go.mod <<'X'
module finding
go 1.24
require github.com/redis/rueidis v1.0.79
X
cat >main.go <<'X'
package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const addr = "127.0.0.1:7831"

// dial returns a connection and the first line that comes after a PING.
func dial() (net.Conn, string) {
	for {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		fmt.Fprint(c, "PING\r\n")
		line, _ := bufio.NewReader(c).ReadString('\n')
		return c, strings.TrimSpace(line)
	}
}

func main() {
	first, line := dial()
	defer first.Close()
	if line != "+PONG" {
		panic(line)
	}
	second, line := dial()
	second.Close()
	fmt.Println("what the server sends:", line)
	_, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}})
	fmt.Println("what rueidis says:", err)
}
X
export GOWORK=off GOFLAGS=-mod=mod
go mod tidy >/dev/null 2>&1
go run . | tee out
diff out - <<'X'
what the server sends: -ERR max number of clients reached
what rueidis says: EOF
X
