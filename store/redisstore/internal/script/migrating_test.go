package script

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// everyScript returns the scripts of the package, with those of plain stores.
func everyScript() scriptSet {
	set := theScripts()
	set["plain set"], set["plain delete"], set["plain expire"] = PlainSet, PlainDelete, PlainExpire
	set["counter"], set["hot"] = Counter, Hot
	return set
}

// scriptArgs are the arguments with which each script is tried.
var scriptArgs = map[string][][]any{
	"lease":        {{a8, minute, none}, {a8, minute, id8("old")}},
	"fill":         {{"T", a8, plain("v"), hour}, {"C", id8("old"), plain("v"), hour}, {"T", a8, "", 0}},
	"confirm":      {{id8("old"), id8("new"), hour, none[:4], "0", none, none, none[:4], len(plain("old"))}},
	"renew":        {{a8, minute}, {a8, 2 * hour}},
	"release":      {{a8, 0, ""}, {a8, minute, "why"}},
	"unstorable":   {{a8, hour, none}},
	"expire":       {{-1}, {0}, {minute}, {2 * hour}},
	"set":          {{plain("v"), hour, ""}, {versioned("v", 5), hour, "V"}, {endless("v"), 0, ""}},
	"delete":       {{0, ""}, {minute, ""}, {minute, record.Bytes8(5)}},
	"stale":        {{c8}},
	"begin":        {{w8, minute}},
	"done":         {{w8, 0, "", 0}, {w8, 0, plain("v"), hour}, {x8, minute, "", 0}},
	"endclaim":     {{"9", 0}, {"9", minute}},
	"tick":         {{""}, {"seed"}},
	"tagmax":       {{farReading, 0}, {farReading, hour}, {1, hour}},
	"tagget":       {{"nonce", 0, 0}, {"nonce", hour, 2 * hour}},
	"tagdone":      {{"Pseen", 7, 0}, {"Pseen", 7, hour}},
	"plain set":    {{"v", 0}, {"v", hour}},
	"plain delete": {{}},
	"plain expire": {{-1}, {0}, {minute}},
	"counter":      {{1, 0}, {1, minute}},
	"replicated":   {{}},
	"hot":          {{hour, minute, 1, 2, "k"}, {hour, minute, 1}},
}

// scriptStates are what may be under a key when a script runs, as commands that make it.
func scriptStates(set scriptSet) map[string][][]any {
	run := func(name string, args ...any) []any { return append([]any{"EVAL", set[name].text, 1, "KEY"}, args...) }
	old := run("set", plain("old"), hour, "")
	return map[string][][]any{
		"value":                {old},
		"endless value":        {run("set", endless("old"), 0, "")},
		"value under a lease":  {old, run("lease", a8, minute, id8("old"))},
		"lease":                {run("lease", a8, minute, none)},
		"everybody's lease":    {run("lease", a8, minute, none), run("unstorable", a8, hour, none)},
		"hold":                 {run("begin", w8, minute)},
		"lease under a hold":   {run("begin", w8, minute), run("lease", a8, minute, none)},
		"value under a hold":   {run("begin", w8, minute), run("set", plain("old"), hour, "")},
		"number":               {{"SET", "KEY", 9}},
		"number with an end":   {{"SET", "KEY", 9, "PX", hour}},
		"reading not finished": {{"SET", "KEY", "Pseen", "PX", hour}},
		"list":                 {{"LPUSH", "KEY", "x"}},
		"hot keys":             {{"ZADD", "KEY", 5, "a"}},
	}
}

// A trial is a script with arguments, over something that is under its key.
type trial struct {
	name, key string
	cmd       []any
	full      int // 1: Redis has no room
}

// putTrials puts something under the keys of all trials, and returns these.
func putTrials(t *testing.T, source *redistest.Server, set scriptSet) (trials []trial) {
	t.Helper()
	put := func(key string, cmds [][]any) {
		for _, cmd := range cmds {
			made := slices.Clone(cmd)
			made[slices.Index(cmd, any("KEY"))] = key
			if _, err := source.Do(made...); err != nil {
				t.Fatalf("%v: %v", made[0], err)
			}
		}
	}
	for name, s := range set {
		if len(scriptArgs[name]) == 0 {
			t.Fatalf("no arguments to try %s with", name)
		}
		for i, args := range scriptArgs[name] {
			for state, cmds := range scriptStates(set) {
				for full := range 2 {
					key := fmt.Sprintf("{m}%d", len(trials))
					put(key, cmds)
					trials = append(trials, trial{
						name: fmt.Sprintf("%s, arguments %d, over a %s, full %d", name, i, state, full),
						key:  key, full: full, cmd: append([]any{"EVAL", s.text, 1, key}, args...),
					})
				}
			}
		}
	}
	return trials
}

// TestScripts_migratingSlot runs each script on what may be under its key, while the slot
// of the key is MIGRATING and the key still at the source: no script may need the key
// after it has removed it, whether Redis is full or not. A key that is not at the source
// is at the target, where rueidis sends the script.
func TestScripts_migratingSlot(t *testing.T) {
	cl := redistest.StartCluster(t, 2)
	slot, err := cl.Slot("{m}")
	if err != nil {
		t.Fatal(err)
	}
	source, target := cl.Nodes[0], cl.Nodes[1]
	if owner, _ := cl.Owner("{m}"); owner == target {
		source, target = target, source
	}
	set := everyScript()
	trials := putTrials(t, source, set)
	if err := cl.BeginMove(slot, target, func() {}); err != nil {
		t.Fatal(err)
	}
	for _, full := range []int{0, 1} {
		if _, err := source.Do("CONFIG", "SET", "maxmemory", full); err != nil {
			t.Fatal(err)
		}
		for _, x := range trials {
			if x.full != full {
				continue
			}
			if n, err := source.Do("EXISTS", x.key); n != int64(1) || err != nil {
				t.Fatalf("%s: the key is not at the source: %v, %v", x.name, n, err)
			}
			if _, err := source.Do(x.cmd...); err != nil && strings.Contains(err.Error(), "non local key") {
				t.Errorf("%s: %v", x.name, err)
			}
		}
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: cl.Addrs(), DisableCache: true, DisableRetry: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, s := range set {
		for i, args := range scriptArgs[name] {
			r := s.Run(context.Background(), client, fmt.Sprintf("{m}%s%d", name, i), words(args)...)
			if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
				t.Errorf("%s, arguments %d, over a key that is not at the source: %v", name, i, err)
			}
		}
	}
}
