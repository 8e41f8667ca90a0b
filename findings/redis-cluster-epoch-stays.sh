#!/usr/bin/env bash
# Redis 7.0.15 (Debian 12): moving a slot, as redis-cli --cluster reshard does, does not change cluster_current_epoch if the node that gets the slot
# has the highest configuration epoch already. Redis 8.0.6 and Valkey 9.1.2 do the same.
#
# Expected: the epoch is the version of the cluster's configuration, so it grows with every change of who serves what.
# Seen on 2026-11-29:
#   at the beginning: epoch 2
#   slot 0 moved to the node with epoch 2: epoch 2, owner 7702
#   slot 1 moved to the node with epoch 2: epoch 2, owner 7702
#   slot 8192 moved to the node with epoch 1: epoch 3, owner 7701
# A client that compares epochs, to see whether it has to read the slot map again, misses most of a reshard to a new node.
set -euo pipefail
dir=$(mktemp -d); trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT; cd "$dir"
apt-get -q download redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson liblzf1 libhiredis0.14 >/dev/null 2>&1
for f in ./*.deb; do dpkg -x "$f" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu
bin=$dir/root/usr/bin
"$bin/redis-server" --version | grep -q 'v=7\.0\.15' || { echo "want Redis 7.0.15, have $("$bin/redis-server" --version)"; exit 1; }
on() { "$bin/redis-cli" -p "$@"; }
for port in 7701 7702; do
	mkdir "$port"
	(cd "$port" && exec "$bin/redis-server" --port "$port" --bind 127.0.0.1 --cluster-enabled yes --save '' >log 2>&1) &
	for _ in $(seq 100); do on "$port" PING >/dev/null 2>&1 && break; sleep 0.05; done
done
{
	on 7701 CLUSTER SET-CONFIG-EPOCH 1
	on 7702 CLUSTER SET-CONFIG-EPOCH 2
	on 7701 CLUSTER ADDSLOTSRANGE 0 8191
	on 7702 CLUSTER ADDSLOTSRANGE 8192 16383
	on 7701 CLUSTER MEET 127.0.0.1 7702
} >/dev/null
for port in 7701 7702; do
	for _ in $(seq 200); do on "$port" CLUSTER INFO | tr -d '\r' | grep -c 'cluster_state:ok\|known_nodes:2' | grep -q 2 && break; sleep 0.05; done
done

# epochs prints the epoch that both nodes agree on, in the end.
epoch() {
	local a b
	for _ in $(seq 100); do
		a=$(on 7701 CLUSTER INFO | tr -d '\r' | sed -n 's/cluster_current_epoch://p')
		b=$(on 7702 CLUSTER INFO | tr -d '\r' | sed -n 's/cluster_current_epoch://p')
		[ "$a" = "$b" ] && break
		sleep 0.05
	done
	echo "epoch $a"
}

# move SLOT FROM TO says what both nodes know a second later.
move() {
	local from to
	from=$(on "$2" CLUSTER MYID) to=$(on "$3" CLUSTER MYID)
	{
		on "$3" CLUSTER SETSLOT "$1" IMPORTING "$from"
		on "$2" CLUSTER SETSLOT "$1" MIGRATING "$to"
		on "$3" CLUSTER SETSLOT "$1" NODE "$to"
		on "$2" CLUSTER SETSLOT "$1" NODE "$to"
	} >/dev/null
	sleep 1
	echo "$(epoch), owner $(on "$2" GET "$(key "$1")" 2>&1 | sed 's/.*:\([0-9]*\)$/\1/')"
}

# key prints a key in a slot.
key() { case $1 in 0) echo 3560 ;; 1) echo 22179 ;; 8192) echo 8209 ;; esac; }
for s in 0 1 8192; do [ "$(on 7701 CLUSTER KEYSLOT "$(key $s)")" = "$s" ] || { echo "no key for slot $s"; exit 1; }; done

{
	echo "at the beginning: $(epoch)"
	echo "slot 0 moved to the node with epoch 2: $(move 0 7701 7702)"
	echo "slot 1 moved to the node with epoch 2: $(move 1 7701 7702)"
	echo "slot 8192 moved to the node with epoch 1: $(move 8192 7702 7701)"
} | tee out
diff out - <<'X'
at the beginning: epoch 2
slot 0 moved to the node with epoch 2: epoch 2, owner 7702
slot 1 moved to the node with epoch 2: epoch 2, owner 7702
slot 8192 moved to the node with epoch 1: epoch 3, owner 7701
X
