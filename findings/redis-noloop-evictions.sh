#!/usr/bin/env bash
# Redis 7.0.15 (Debian 12): CLIENT TRACKING ON NOLOOP. A tracked key that Redis evicts to make room for this client's own write is not
# pushed to it. The same eviction for another client's write is.
#
# Expected: NOLOOP is about the keys that the connection writes. What the server evicts is another key, and is pushed whoever needed the room.
# Seen on 2026-11-28:
#   room for another client: some of 1000 tracked keys evicted, all of them pushed
#   room for the same client: some of 1000 tracked keys evicted, none of them pushed
# A client-side cache goes on serving what the server has dropped, and is not told of the next change of it either.
set -euo pipefail
dir=$(mktemp -d); server=; trap 'kill $server 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1
for f in ./*.deb; do dpkg -x "$f" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu
bin=$dir/root/usr/bin/redis-server
"$bin" --version | grep -q 'v=7\.0\.15' || { echo "want Redis 7.0.15, have $("$bin" --version)"; exit 1; }
"$bin" --unixsocket "$dir/redis.sock" --port 0 --save '' --maxmemory 8mb --maxmemory-policy allkeys-lru >log 2>&1 & server=$!
for _ in $(seq 100); do [ -S redis.sock ] && break; sleep 0.05; done
cat >go.mod <<'X'
module finding
go 1.24
X
cat >main.go <<'X'
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
)

// A conn sends commands and reads all up to the reply to a last ECHO.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func dial() *conn {
	c, err := net.Dial("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	return &conn{c, bufio.NewReader(c)}
}

func (c *conn) do(commands ...string) (lines []string) {
	for _, command := range commands {
		fmt.Fprint(c, command, "\r\n")
	}
	fmt.Fprint(c, "ECHO end-of-test\r\n")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			panic(err)
		}
		if line = strings.TrimSpace(line); line == "end-of-test" {
			return lines
		}
		lines = append(lines, line)
	}
}

const keys = 1000

func try(name string, same bool) {
	reader, other := dial(), dial()
	defer reader.Close()
	defer other.Close()
	other.do("FLUSHALL")
	var set, get, room, exist []string
	for k := range keys {
		set = append(set, fmt.Sprintf("SET key:%d %s", k, strings.Repeat("v", 1000)))
		get = append(get, fmt.Sprintf("GET key:%d", k))
		exist = append(exist, fmt.Sprintf("EXISTS key:%d", k))
	}
	for k := range 8000 {
		room = append(room, fmt.Sprintf("SET room:%d %s", k, strings.Repeat("r", 1000)))
	}
	other.do(set...)
	reader.do("HELLO 3", "CLIENT TRACKING ON NOLOOP")
	reader.do(get...)
	writer := other
	if same {
		writer = reader
	}
	pushed := 0
	count := func(lines []string) {
		for _, line := range lines {
			if line == "invalidate" {
				pushed++
			}
		}
	}
	for i := 0; i < len(room); i += 100 {
		lines := writer.do(room[i : i+100]...)
		if same {
			count(lines)
		}
		count(reader.do("PING"))
	}
	evicted := 0
	for _, line := range other.do(exist...) {
		if line == ":0" {
			evicted++
		}
	}
	fmt.Fprintf(os.Stderr, "%s: %d evicted, %d pushed\n", name, evicted, pushed)
	word := func(n int) string {
		switch n {
		case 0:
			return "none"
		case evicted:
			return "all"
		}
		return "some"
	}
	some := "none"
	if evicted > 0 {
		some = "some"
	}
	fmt.Printf("%s: %s of %d tracked keys evicted, %s of them pushed\n", name, some, keys, word(pushed))
}

func main() {
	try("room for another client", false)
	try("room for the same client", true)
}
X
GOWORK=off go run . "$dir/redis.sock" | tee out
diff out - <<'X'
room for another client: some of 1000 tracked keys evicted, all of them pushed
room for the same client: some of 1000 tracked keys evicted, none of them pushed
X
