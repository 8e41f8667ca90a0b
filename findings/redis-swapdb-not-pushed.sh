#!/usr/bin/env bash
# Redis 7.0.15 (Debian 12): SWAPDB gives a client with CLIENT TRACKING other values for every key that it has read, and pushes nothing to it. SET of
# the same key in a database that the client does not use is pushed, and FLUSHDB of such a database invalidates everything.
# Redis 8.0.6 and Valkey 9.1.2 do the same.
#
# Expected: the invalidation of everything, as FLUSHDB gives it; nothing for changes in another database.
# Seen on 2026-11-29, by a client that has read k in database 0:
#   SWAPDB 0 1: nothing; then GET k: other
#   SET k in database 1: invalidate k
#   FLUSHDB of database 1: invalidate (nil)
# A client-side cache serves what is not there any more until its TTL, if it has one.
set -euo pipefail
dir=$(mktemp -d); trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1
for f in ./*.deb; do dpkg -x "$f" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu
bin=$dir/root/usr/bin
"$bin/redis-server" --version | grep -q 'v=7\.0\.15' || { echo "want Redis 7.0.15, have $("$bin/redis-server" --version)"; exit 1; }
"$bin/redis-server" --unixsocket "$dir/redis.sock" --port 0 --save '' >log 2>&1 &
on() { "$bin/redis-cli" -s "$dir/redis.sock" "$@"; }
for _ in $(seq 100); do on PING >/dev/null 2>&1 && break; sleep 0.05; done

# try reads k over a tracking connection, has another client send a command, and prints
# what the first one was pushed, and reads.
try() { # name, database, command
	on FLUSHALL >/dev/null; on SET k value >/dev/null; on -n 1 SET k other >/dev/null
	mkfifo in
	on -3 --show-pushes yes <in >seen &
	local client=$!
	exec 3>in
	printf 'CLIENT TRACKING ON\nGET k\nECHO ready\n' >&3
	for _ in $(seq 100); do grep -q ready seen && break; sleep 0.05; done
	on -n "$2" "${@:3}" >/dev/null
	printf 'ECHO done\n' >&3 # all pushes come before it
	if [ "$1" = SWAPDB ]; then printf 'ECHO GET-k:\nGET k\n' >&3; fi
	exec 3>&-
	wait "$client"; rm in
	sed '1,/ready/d' seen | tr '\n' ' ' | sed 's/done //; s/ *$//'
}
{
	echo "SWAPDB 0 1: $(try SWAPDB 0 SWAPDB 0 1)"
	echo "SET k in database 1: $(try SET 1 SET k new)"
	echo "FLUSHDB of database 1: $(try FLUSHDB 1 FLUSHDB)"
} | tee out
diff out - <<'X'
SWAPDB 0 1: GET-k: other
SET k in database 1: invalidate k
FLUSHDB of database 1: invalidate
X
