#!/usr/bin/env bash
# Redis 7.0.15 (Debian 12): CLIENT TRACKING ON BCAST NOLOOP keeps a client's own SET from it, but pushes what its own script writes.
#
# Expected: NOLOOP holds for every key that the connection modifies, by a command or by EVAL, in broadcast mode as in the default mode.
# Seen on 2026-11-28:
#   per-key, SET: 0 pushes
#   per-key, EVAL of SET: 0 pushes
#   broadcast, SET: 0 pushes
#   broadcast, EVAL of SET: 1 pushes
# A client that writes by scripts drops its own fresh copies in broadcast mode only.
set -euo pipefail
dir=$(mktemp -d); trap 'kill $server 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
server=
apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1
for f in ./*.deb; do dpkg -x "$f" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu
bin=$dir/root/usr/bin/redis-server
"$bin" --version | grep -q 'v=7\.0\.15' || { echo "want Redis 7.0.15, have $("$bin" --version)"; exit 1; }
"$bin" --unixsocket "$dir/redis.sock" --port 0 --save '' --daemonize no >log 2>&1 & server=$!
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
	"time"
)

// pushes runs the commands on one connection and counts the invalidations that it receives.
func pushes(tracking, write string) int {
	c, err := net.Dial("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	defer c.Close()
	// The last command marks the end: what was pushed before it is read before it.
	fmt.Fprintf(c, "HELLO 3\r\nCLIENT TRACKING ON %s NOLOOP\r\nGET k\r\n%s\r\n", tracking, write)
	time.Sleep(200 * time.Millisecond) // broadcasts are written at the end of a turn of the event loop
	fmt.Fprint(c, "ECHO end-of-test\r\n")
	n := 0
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			panic(err)
		}
		if strings.HasPrefix(line, "-") {
			panic(line)
		}
		if strings.TrimSpace(line) == "invalidate" {
			n++
		}
		if strings.TrimSpace(line) == "end-of-test" {
			return n
		}
	}
}

func main() {
	for _, mode := range [][2]string{{"per-key", ""}, {"broadcast", "BCAST"}} {
		fmt.Printf("%s, SET: %d pushes\n", mode[0], pushes(mode[1], "SET k v"))
		fmt.Printf("%s, EVAL of SET: %d pushes\n", mode[0], pushes(mode[1], `EVAL "return redis.call('SET',KEYS[1],'v')" 1 k`))
	}
}
X
GOWORK=off go run . "$dir/redis.sock" | tee out
diff out - <<'X'
per-key, SET: 0 pushes
per-key, EVAL of SET: 0 pushes
broadcast, SET: 0 pushes
broadcast, EVAL of SET: 1 pushes
X
