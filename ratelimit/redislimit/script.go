package redislimit

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/ratelimit"
)

var (
	//go:embed lua/prelude.lua
	preludeLua string
	//go:embed lua/gcra.lua
	gcraLua string
	//go:embed lua/window.lua
	windowLua string
	//go:embed lua/log.lua
	logLua string
	//go:embed lua/state.lua
	stateLua string
	//go:embed lua/decide.lua
	decideLua string
	//go:embed lua/gcra1.lua
	gcra1Lua string
	//go:embed lua/slots.lua
	slotsLua string
)

// text returns a script that ends with main and contains only the algorithms of rules,
// since unused code takes time too. There are few distinct scripts, whatever the policies.
func text(rules []meter.Rule, main string) string {
	if len(rules) == 1 && rules[0].Kind == meter.GCRA && main == decideLua {
		return gcra1Lua
	}
	var used [meter.Kinds]bool
	for _, r := range rules {
		used[r.Kind] = true
	}
	parts := []string{preludeLua}
	if used[meter.GCRA] {
		parts = append(parts, gcraLua)
	}
	if used[meter.Fixed] || used[meter.Counter] {
		parts = append(parts, windowLua)
	}
	if used[meter.Strict] || used[meter.Slots] {
		parts = append(parts, logLua)
	}
	if used[meter.Strict] {
		parts = append(parts, "kinds[3] = log(16)\n")
	}
	if used[meter.Slots] {
		parts = append(parts, "kinds[4] = log(24)\n")
	}
	return strings.Join(append(parts, stateLua, main), "")
}

// packed returns the rules in the encoding of the scripts, appended to each request.
func packed(rules []meter.Rule) string {
	var horizon int64
	for _, r := range rules {
		horizon = max(horizon, 2*r.Window, r.Full*r.Tick)
	}
	b := number(nil, horizon)
	for _, r := range rules {
		for _, n := range []int64{int64(r.Kind), r.Capacity, r.Window, r.Tick, r.Unit, r.Drain, r.Full, r.Grain} {
			b = number(b, n)
		}
	}
	return string(b)
}

func number(b []byte, n int64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
}

// question returns the single argument of a script: each argument takes server time. The id
// has 8 bytes; code is a mode or 0.
func question(n, code int64, id, packed string) string {
	b := number(number(make([]byte, 0, 24+len(packed)), n), code)
	return string(append(append(b, id...), packed...))
}

// suffix returns the suffix of the keys of a limiter, which defines the meaning of its
// cells.
func suffix(ps []ratelimit.Policy) string {
	var b strings.Builder
	for i, p := range ps {
		b.WriteString([]string{"}:", ","}[min(i, 1)])
		b.WriteString(p.Name + "=" + p.Algorithm.String())
	}
	return b.String()
}

// bounded returns key, or its hash if it is longer than maxKey.
func bounded(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// redisKey returns the key in Redis. The braces form a hash tag, which ends at the first
// closing brace; key contains none after escaping.
func (l *Limiter) redisKey(key string) string {
	if strings.ContainsAny(key, "%}") {
		key = escape.Replace(key)
	}
	return l.before + key + l.after
}

var escape = strings.NewReplacer("%", "%25", "}", "%7D")

// errReply is the cause of an error for a malformed reply.
var errReply = errors.New("unexpected reply")

// answer is the reply of the deciding script.
type answer struct {
	meter.Decision
	now int64 // time of the server
}

// noID is the id of units that are not released.
const noID = "\x00\x00\x00\x00\x00\x00\x00\x00"

// ask runs the deciding script. The id has 8 bytes.
func (l *Limiter) ask(ctx context.Context, c rueidis.Client, key string, n int64, mode meter.Mode, id string) (answer, error) {
	q := l.one
	if n != 1 || mode != meter.All || id != noID {
		q = question(n, int64(mode), id, l.packed)
	}
	reply, err := l.decideScript.Exec(ctx, c, []string{l.redisKey(key)}, []string{q}).ToString()
	if err != nil {
		return answer{}, err
	}
	return parse(reply, len(l.rules))
}

// parse parses the reply of the deciding script for a number of rules.
func parse(reply string, rules int) (a answer, err error) {
	var f [8]int64
	if len(reply) != 8*len(f) {
		return a, errReply
	}
	for i := range f {
		f[i] = int64(math.Float64frombits(binary.LittleEndian.Uint64([]byte(reply[8*i : 8*i+8]))))
	}
	a.Decision = meter.Decision{Allowed: f[0] == 1, Passed: f[1], Rule: int(f[2]) - 1, Left: f[3], Wait: f[4], Reset: f[5], Next: f[6]}
	a.now = f[7]
	if a.Rule < 0 || a.Rule >= rules {
		return a, errReply
	}
	return a, nil
}

// newScripts returns the scripts of a limiter. The server caches them by checksum.
func (l *Limiter) newScripts() {
	l.decideScript = rueidis.NewLuaScript(text(l.rules, decideLua))
	l.slotsScript = rueidis.NewLuaScript(text(l.rules, slotsLua))
	l.packed = packed(l.rules)
	l.one = question(1, int64(meter.All), noID, l.packed)
}
