package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/store/redisstore/internal/heartbeat"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
	"github.com/redis/rueidis"
)

// facts are what a server reports of itself. What it does not report is empty.
type facts struct {
	addr string
	info string            // several sections of INFO
	conf map[string]string // of CONFIG GET
}

func (f *facts) stat(name string) int64 { return heartbeat.Stat(f.info, name) }

func (f *facts) text(name string) string {
	for line := range strings.Lines(f.info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return v
		}
	}
	return ""
}

// An optionalRight is one that caches do without, but not without loss.
type optionalRight struct{ name, lost string }

var (
	rightInfo    = optionalRight{"info", "a failover that loses writes is not noticed, and half of these checks see nothing"}
	rightConfig  = optionalRight{"config|get", "the limit of the tracking table is taken to be 1,000,000, and some of these checks see nothing"}
	rightTouch   = optionalRight{"touch", "a full server may evict the keys of tags, so that values are loaded again"}
	rightAsking  = optionalRight{"asking", "while a slot is moved key by key, those of its keys that have moved cannot be read or changed"}
	rightCluster = optionalRight{"cluster|info", "a slot that has left and is back between two heartbeats is not noticed"}
)

// factsOf asks a server for its facts, with one exchange. INFO is asked for one section at a
// time, for Redis 6.
func (g *diagnosis) factsOf(ctx context.Context, c rueidis.Client, n heartbeat.Node) *facts {
	sections := []string{"server", "clients", "memory", "persistence", "stats", "replication", "keyspace"}
	settings := []string{"tracking-table-max-keys", "save"}
	var cmds []rueidis.Completed
	for _, s := range sections {
		cmds = append(cmds, c.B().Arbitrary("INFO", s).Build())
	}
	for _, s := range settings {
		cmds = append(cmds, c.B().Arbitrary("CONFIG", "GET", s).Build())
	}
	cmds = append(cmds, c.B().Arbitrary("TOUCH").Keys(n.Key).Build())
	if g.links.W.Mode() == rueidis.ClientModeCluster {
		cmds = append(cmds, c.B().Asking().Build(), c.B().ClusterInfo().Build()) // ASKING concerns the command behind it
	}
	f := &facts{addr: n.Addr, conf: make(map[string]string)}
	for i, r := range c.DoMulti(ctx, cmds...) {
		switch {
		case i < len(sections):
			text, err := r.ToString()
			f.info += text + "\n"
			g.optional(err, n.Addr, rightInfo)
		case i < len(sections)+len(settings):
			m, err := r.AsStrMap()
			for name, value := range m {
				f.conf[name] = value
			}
			g.optional(err, n.Addr, rightConfig)
		case i == len(sections)+len(settings):
			g.optional(r.Error(), n.Addr, rightTouch)
		case i == len(sections)+len(settings)+1:
			g.optional(r.Error(), n.Addr, rightAsking)
		default:
			g.optional(r.Error(), n.Addr, rightCluster)
		}
	}
	return f
}

// optional notes that a right is missing without which caches work.
func (g *diagnosis) optional(err error, addr string, r optionalRight) {
	switch {
	case link.IsDenied(err):
		g.add("rights", SeverityWarning, addr, "Grant +"+r.name+".", "the user has no right to %s: %s", r.name, r.lost)
	case err != nil && link.Lacks(err):
		g.add("commands", SeverityWarning, addr, "Use a server, or connect without the proxy, that has it.", "there is no %s: %s", r.name, r.lost)
	}
}

// eviction looks at what the server does when its memory is full.
func (g *diagnosis) eviction(f *facts) {
	most, policy := f.stat("maxmemory"), f.text("maxmemory_policy")
	switch {
	case policy == "":
	case strings.HasSuffix(policy, "-lrm"):
		g.add("eviction", SeverityWarning, f.addr, "Set maxmemory-policy to allkeys-lfu or allkeys-lru.",
			"maxmemory-policy %s evicts what was not written for long, however often it is read: the values that a cache keeps longest", policy)
	case most == 0:
		g.add("eviction", SeverityInfo, f.addr, "Set maxmemory below the memory of the machine, and maxmemory-policy to allkeys-lfu.",
			"maxmemory is not set: the server grows until the machine has no memory left")
	case policy == "noeviction":
		g.add("eviction", SeverityWarning, f.addr, "Set maxmemory-policy to allkeys-lfu, or raise maxmemory.",
			"maxmemory is %d with the policy noeviction, and %d are in use: when it is full, writes fail and values that were loaded are not kept", most, f.stat("used_memory"))
	case strings.HasPrefix(policy, "volatile-"):
		if keys, lasting := f.keys(); lasting > keys/10 {
			g.add("eviction", SeverityWarning, f.addr, "Set maxmemory-policy to allkeys-lfu, or give every value a TTL.",
				"maxmemory-policy %s evicts only keys with a TTL, and %d of %d have none: they stay until they are deleted, and when they fill the memory writes fail", policy, lasting, keys)
		}
	}
}

// keys returns how many keys all databases have, which share the memory, and how many of them
// have no TTL.
func (f *facts) keys() (all, lasting int64) {
	for line := range strings.Lines(f.info) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), ":")
		if _, err := strconv.Atoi(strings.TrimPrefix(name, "db")); err != nil || !strings.HasPrefix(name, "db") {
			continue
		}
		db := parts(text) // keys=2,expires=1,avg_ttl=0
		keys, _ := strconv.ParseInt(db["keys"], 10, 64)
		expires, _ := strconv.ParseInt(db["expires"], 10, 64)
		all, lasting = all+keys, lasting+keys-expires
	}
	return all, lasting
}

// trackingTable looks at the table of the keys that clients have read.
func (g *diagnosis) trackingTable(f *facts) {
	keys, items, clients := f.stat("tracking_total_keys"), f.stat("tracking_total_items"), f.stat("tracking_clients")
	most := int64(heartbeat.MostTracked)
	if n, err := strconv.ParseInt(f.conf["tracking-table-max-keys"], 10, 64); err == nil {
		most = n
	}
	switch {
	case most == 0: // no limit
	case most < 2*heartbeat.FewTracked:
		g.add("tracking-table", SeverityWarning, f.addr, "Set tracking-table-max-keys to 1,000,000, or use strata.Broadcast.",
			"tracking-table-max-keys is %d: the server forgets keys that L1 has, and caches ask again at every strict read", most)
	case keys >= most/2:
		g.add("tracking-table", SeverityWarning, f.addr, "Raise tracking-table-max-keys, or use strata.Broadcast, which needs no table.",
			"the server tracks %d keys of at most %d: when it forgets one, L1 loses it, and caches ask again at every strict read", keys, most)
	}
	if items > leakFrom && items > 4*keys*(clients+1) {
		g.add("tracking-table", SeverityWarning, f.addr, "Connect less often, and restart or fail over the server if the number keeps growing.",
			"the tracking table has %d items for %d keys and %d clients: it keeps those of connections that have ended", items, keys, clients)
	}
}

// leakFrom is from how many items on a table is looked at for those that have leaked.
const leakFrom = 1000

// persistence looks at what comes back when the server restarts.
func (g *diagnosis) persistence(f *facts) {
	if status := f.text("rdb_last_bgsave_status"); status != "" && status != "ok" {
		g.add("persistence", SeverityError, f.addr, "Make room on its disk or repair its permissions, or switch snapshots off with save \"\".",
			"the last snapshot has failed: the server refuses writes (MISCONF) unless stop-writes-on-bgsave-error is no")
	}
	if status := f.text("aof_last_write_status"); f.stat("aof_enabled") == 1 && status != "ok" {
		g.add("persistence", SeverityError, f.addr, "Make room on its disk.", "the append-only file cannot be written: the server refuses writes (MISCONF)")
	}
	if apart := longestSave(f.conf["save"]); f.stat("aof_enabled") == 0 && apart > recentWritesFor {
		g.add("persistence", SeverityWarning, f.addr, "Set appendonly yes, or save \"\" if an empty cache after a restart is acceptable.",
			"snapshots may be %v apart (save %q): a restart brings back older values, and processes repeat only their changes of the last %v", apart, f.conf["save"], recentWritesFor)
	}
}

// recentWritesFor is how long a process remembers what it has changed.
const recentWritesFor = tagclock.RecentWritesFor

// longestSave returns how far apart the snapshots of a save setting may be, such as
// "3600 1 300 100"; 0: there are none.
func longestSave(setting string) (longest time.Duration) {
	fields := strings.Fields(setting)
	for pair := range slices.Chunk(fields, 2) {
		seconds, _ := strconv.Atoi(pair[0])
		longest = max(longest, time.Duration(seconds)*time.Second)
	}
	return longest
}

// replication looks at the role of the server, and at its replicas.
func (g *diagnosis) replication(f *facts) {
	if role := f.text("role"); role != "" && role != "master" {
		g.add("replicas", SeverityError, f.addr, "Connect to the primary, or through sentinels.", "the server is a replica: it refuses writes, and caches do not use it")
		return
	}
	online := 0
	for i := range int(f.stat("connected_slaves")) {
		replica := parts(f.text("slave" + strconv.Itoa(i)))
		name := replica["ip"] + ":" + replica["port"]
		offset, _ := strconv.ParseInt(replica["offset"], 10, 64)
		if replica["state"] == "online" {
			online++
		} else {
			g.add("replicas", SeverityWarning, f.addr, "Wait until it is online, or look at its log.", "the replica %s is not online but %q", name, replica["state"])
		}
		if behind := f.stat("master_repl_offset") - offset; behind > farBehind && replica["state"] == "online" {
			g.add("replicas", SeverityWarning, f.addr, "Look at the replica and the network, or set WaitReplicas.",
				"the replica %s is %d bytes behind: a failover to it loses these changes, and caches repeat only those of the last %v", name, behind, recentWritesFor)
		}
	}
	if g.replicas > online && f.text("role") == "master" {
		g.add("replicas", SeverityError, f.addr, "Add replicas, or lower WaitReplicas.", "WaitReplicas is %d and %d replicas are online: every change returns store.ErrReplicas", g.replicas, online)
	}
}

// farBehind is from how many bytes on a replica is worth a finding.
const farBehind = 1 << 20

// parts reads "ip=127.0.0.1,port=6379".
func parts(text string) map[string]string {
	m := make(map[string]string)
	for p := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(p, "="); ok {
			m[name] = value
		}
	}
	return m
}
