#!/usr/bin/env bash
# Redis 7.0.15 (Debian 12): a command that the user may not call is refused with NOPERM and the name of the command. In a script that the user may call, the
# same command is refused with ERR, the code of a mistake in the script, and without a name. (8.0.6 and Valkey 9.1.2: ERR too, with the name.)
#
# Expected: NOPERM this user has no permissions to run the 'get' command, in both cases.
# Seen on 2026-11-29, the hash of the script left out:
#   GET: NOPERM this user has no permissions to run the 'get' command
#   GET in a script: ERR The user executing the script can't run this command or subcommand
#   a key that the script names itself: ERR The user executing the script can't access at least one of the keys mentioned in the command arguments
# A client that tells missing rights from other errors by the code does not see them where scripts are used.
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
on ACL SETUSER u on '>p' '~a' +eval +set >/dev/null
as() { REDISCLI_AUTH=p on --user u "$@" | sed -n '1s/ script: .*//;1p'; }
{
	echo "GET: $(as GET a)"
	echo "GET in a script: $(as EVAL "return redis.call('GET', KEYS[1])" 1 a)"
	echo "a key that the script names itself: $(as EVAL "return redis.call('SET', 'b', 1)" 0)"
} | tee out
diff out - <<'X'
GET: NOPERM this user has no permissions to run the 'get' command
GET in a script: ERR The user executing the script can't run this command or subcommand
a key that the script names itself: ERR The user executing the script can't access at least one of the keys mentioned in the command arguments
X
