#!/usr/bin/env bash
# Redis 8.0.6 and Valkey 9.1.2 (Debian forky): on a connection that has changed nothing, WAIT answers at once with the number of replicas, though the newest
# write of another connection is on none of them. Redis 7.0.15 (Debian 12) waits for that write.
#
# Expected: a DEL of a key that somebody else has just deleted, then WAIT: it returns when the replica has the deletion, on every version.
# Seen on 2026-11-29, with a replica that is stopped, after another connection had set a key:
#   Redis 7.0.15, DEL of a missing key, WAIT 1 700: 0
#   Redis 8.0.6, DEL of a missing key, WAIT 1 700: 1
#   Valkey 9.1.2, DEL of a missing key, WAIT 1 700: 1
#   all three, SET, WAIT 1 700: 0
# "WAIT says that 1 replica has it" is true only of what this connection has changed, and the reply to a DEL must be looked at to know whether it has.
set -euo pipefail
dir=$(mktemp -d); trap 'kill -KILL $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
mkdir old new debs
(cd debs && apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1)
for f in debs/*.deb; do dpkg -x "$f" old; done
# The newer servers come from the testing suite of the mirror that apt is set up with.
mkdir -p apt/etc apt/lists/partial apt/cache/archives/partial debs2
uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *//p' | head -1)
[ -n "$uri" ] || uri=$(awk '/^deb /{print $2; exit}' /etc/apt/sources.list)
printf 'Types: deb\nURIs: %s\nSuites: forky\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$uri" >apt/etc/a.sources
opts=(-q -oDir::Etc::SourceList=/dev/null -oDir::Etc::SourceParts="$dir/apt/etc" -oDir::State::Lists="$dir/apt/lists" -oDir::Cache="$dir/apt/cache")
apt-get "${opts[@]}" update >/dev/null 2>&1
(cd debs2 && apt-get "${opts[@]}" download redis-tools redis-server valkey-tools valkey-server libc6 libssl3t64 libsystemd0 libjemalloc2 libzstd1 libcap2 libatomic1 libgcc-s1 libstdc++6 liblzf1 >/dev/null 2>&1)
for f in debs2/*.deb; do dpkg -x "$f" new; done
lib=usr/lib/x86_64-linux-gnu
old() { LD_LIBRARY_PATH=$dir/old/$lib:$dir/old/lib/x86_64-linux-gnu exec "$dir/old/usr/bin/$1" "${@:2}"; }
new() { exec "$dir/new/$lib/ld-linux-x86-64.so.2" --library-path "$dir/new/$lib" "$dir/new/usr/bin/$1" "${@:2}"; }
on() { (old redis-cli -p 7821 "$@"); }

try() { # name, pattern of the version, old or new, program
	local port primary replica
	("$3" "$4" --version) | grep -q "$2" || { echo "want $1, have $("$3" "$4" --version)"; exit 1; }
	for port in 7821 7822; do
		mkdir -p "$4-$3-$port"
		(cd "$4-$3-$port" && "$3" "$4" --port "$port" --bind 127.0.0.1 --save '' --repl-diskless-sync-delay 0 >log 2>&1) &
		if [ "$port" = 7821 ]; then primary=$!; else replica=$!; fi
		for _ in $(seq 100); do (old redis-cli -p "$port" PING) >/dev/null 2>&1 && break; sleep 0.05; done
	done
	(old redis-cli -p 7822 REPLICAOF 127.0.0.1 7821) >/dev/null
	on SET k 1 >/dev/null
	for _ in $(seq 100); do [ "$(on WAIT 1 200)" = 1 ] && break; sleep 0.05; done
	on SET k 2 >/dev/null
	[ "$(printf 'SET k 3\nWAIT 1 5000\n' | on | tail -1)" = 1 ] || { echo "the replica does not follow"; exit 1; }
	kill -STOP "$replica"
	on SET k 4 >/dev/null
	echo "$1, DEL of a missing key, WAIT 1 700: $(printf 'DEL missing\nWAIT 1 700\n' | on | tail -1)"
	echo "$1, SET, WAIT 1 700: $(printf 'SET k 5\nWAIT 1 700\n' | on | tail -1)"
	kill -KILL "$replica" "$primary"
	wait "$replica" "$primary" 2>/dev/null || true
}
{
	try "Redis 7.0.15" 'v=7\.0\.15' old redis-server
	try "Redis 8.0.6" 'v=8\.0\.6' new redis-server
	try "Valkey 9.1.2" 'v=9\.1\.2' new valkey-server
} | tee out
diff out - <<'X'
Redis 7.0.15, DEL of a missing key, WAIT 1 700: 0
Redis 7.0.15, SET, WAIT 1 700: 0
Redis 8.0.6, DEL of a missing key, WAIT 1 700: 1
Redis 8.0.6, SET, WAIT 1 700: 0
Valkey 9.1.2, DEL of a missing key, WAIT 1 700: 1
Valkey 9.1.2, SET, WAIT 1 700: 0
X
