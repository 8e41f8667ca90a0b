package script

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// The scripts are tested for themselves here, because several programs of a fleet
// meet in them. A check is a function of a lab and fails by leaving an error in
// it, so that the same checks judge scripts that were broken on purpose.

//go:embed lua/*.lua
var luaFiles embed.FS

// A scriptSet has a script for each file, by its name.
type scriptSet map[string]Script

// theScripts returns those that the package uses.
func theScripts() scriptSet {
	return scriptSet{
		"lease": Lease, "fill": Fill, "confirm": Confirm, "renew": Renew, "release": Release, "expire": Expire,
		"set": Set, "delete": Delete, "stale": Stale, "begin": Begin, "done": Done,
		"endclaim": EndClaim, "replicated": replicated, "unstorable": Unstorable,
		"tick": Tick, "tagmax": TagMax, "tagget": TagGet, "tagdone": TagDone,
	}
}

// tracking are the scripts that run on T.
var tracking = map[string]bool{"lease": true, "fill": true, "confirm": true, "renew": true, "release": true, "unstorable": true, "tagget": true, "tagdone": true}

// A lab runs scripts on a server of its own.
type lab struct {
	set    scriptSet
	server *redistest.Server
	t, w   rueidis.Client // connected as those of a Client
	key    string         // of the check that runs
	keys   int            // how many there were
	err    error          // the first thing that was not as it must be; nothing runs after it

	mu     sync.Mutex
	pushed map[string]int // how often T was notified of a key
}

// newLab returns a lab that is closed with the test.
func newLab(t testing.TB, server *redistest.Server) *lab {
	t.Helper()
	l := &lab{set: theScripts(), server: server, pushed: map[string]int{}}
	opt := rueidis.ClientOption{
		InitAddress: []string{server.Addr()}, ForceSingleClient: true,
		PipelineMultiplex: -1, BlockingPipeline: -1, DisableRetry: true, AlwaysPipelining: true, DisableCache: true,
	}
	tracked := opt
	tracked.DisableCache, tracked.AlwaysPipelining = false, false
	tracked.ClientTrackingOptions = []string{"OPTOUT", "NOLOOP"}
	tracked.OnInvalidations = l.push
	for c, opt := range map[*rueidis.Client]rueidis.ClientOption{&l.t: tracked, &l.w: opt} {
		client, err := rueidis.NewClient(opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		*c = client
	}
	return l
}

func (l *lab) push(keys []rueidis.RedisMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		key, _ := k.ToString()
		l.pushed[key]++
	}
}

// pushes returns how often T has been told of the key since it was last asked.
func (l *lab) pushes() int {
	l.t.Do(context.Background(), l.t.B().Ping().Build()) // answered behind all pushes
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.pushed[l.key]
	delete(l.pushed, l.key)
	return n
}

// next begins a check, or a part of one, with a key of its own. Its bytes are none
// that a protocol or a pattern could mistake for something else only by chance.
func (l *lab) next() {
	l.keys++
	l.key = fmt.Sprintf("\x00\r\n{lab} \xff*%d", l.keys)
}

// A check is what is to hold for a script.
type check struct {
	name string
	f    func(*lab)
}

// does runs a check and returns what was wrong.
func (l *lab) does(c check) error {
	l.err = nil
	l.next()
	c.f(l)
	if l.err != nil {
		return fmt.Errorf("%s: %w", c.name, l.err)
	}
	return nil
}

func (l *lab) failf(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf(format, args...)
	}
}

// is fails the check unless got is want.
func (l *lab) is(what string, got, want any) {
	if l.err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		l.failf("%s: %#v, want %#v", what, got, want)
	}
}

// Times of the checks, in ms. What is said to be about as long may be shorter by
// what a busy machine takes.
const (
	second = 1000
	minute = 60 * second
	hour   = 60 * minute
	slack  = 20 * second
)

// A span is what a number may be.
type span struct{ from, to int64 }

func about(ms int64) span { return span{ms - slack, ms} }

func (s span) has(n int64) bool { return s.from <= n && n <= s.to }

// in fails the check unless n is in s.
func (l *lab) in(what string, n int64, s span) {
	if l.err == nil && !s.has(n) {
		l.failf("%s: %d, want %d to %d", what, n, s.from, s.to)
	}
}

// An answer is what a script, or a command, said: int64s, strings, nils, or an error.
type answer struct {
	l    *lab
	name string
	got  []any
}

// run runs a script for the key.
func (l *lab) run(name string, args ...any) answer {
	if l.err != nil {
		return answer{l: l}
	}
	c := l.w
	if tracking[name] {
		c = l.t
	}
	s, text := l.set[name], words(args)
	return answer{l, name, flat(s.Run(context.Background(), c, l.key, text...))}
}

// cmd sends a command over W; the key comes after its name.
func (l *lab) cmd(name string, args ...any) answer {
	if l.err != nil {
		return answer{l: l}
	}
	return answer{l, name, flat(l.w.Do(context.Background(), l.w.B().Arbitrary(name).Keys(l.key).Args(words(args)...).Build()))}
}

func words(args []any) []string {
	text := make([]string, len(args))
	for i, a := range args {
		text[i] = fmt.Sprint(a)
	}
	return text
}

func flat(r rueidis.RedisResult) []any {
	got, err := r.ToAny()
	if err != nil {
		return []any{err}
	}
	if list, ok := got.([]any); ok {
		return list
	}
	return []any{got}
}

// is fails the check unless the answer is want: ints, strings, spans, and nils for
// what does not matter.
func (a answer) is(what string, want ...any) {
	if a.l.err != nil {
		return
	}
	ok := len(a.got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		switch w := want[i].(type) {
		case nil:
		case span:
			n, isInt := a.got[i].(int64)
			ok = isInt && w.has(n)
		default:
			ok = fmt.Sprint(a.got[i]) == fmt.Sprint(w)
		}
	}
	if !ok {
		a.l.failf("%s: %s answered %s, want %s", what, a.name, show(a.got), show(want))
	}
}

// show prints an answer, in which bytes may be anything.
func show(list []any) string {
	s := make([]string, len(list))
	for i, x := range list {
		if text, ok := x.(string); ok {
			s[i] = strconv.Quote(text)
		} else {
			s[i] = fmt.Sprint(x)
		}
	}
	return strings.Join(s, " ")
}

// failed tells whether the answer is an error.
func (a answer) failed() bool {
	_, is := a.got[0].(error)
	return is
}

// id8 makes 8 bytes of a name: a token, an id.
func id8(name string) string { return (name + "--------")[:8] }

var none, all8 = record.Bytes8(0), record.Bytes8(1<<64 - 1)

// value returns a record as a Store would send it.
func value(r record.Record) string {
	b, err := record.AppendHead(nil, &r)
	if err != nil {
		return err.Error()
	}
	b = append(b, r.Payload...)
	record.Seal(b)
	return string(b)
}

// text returns a record with an id that is made of the payload.
func text(payload string) record.Record {
	return record.Record{ID: record.Uint64([]byte(id8(payload))), Payload: []byte(payload)}
}

func plain(payload string) string { return value(text(payload)) }

// endless is plain for a key without end.
func endless(payload string) string {
	r := text(payload)
	r.EndMs = -1
	return value(r)
}

// versioned is plain with a version.
func versioned(payload string, n uint64) string {
	r := text(payload)
	r.Version = n
	return value(r)
}

// soft is plain with a time to be stale.
func soft(payload string, keepMs uint32) string {
	r := text(payload)
	r.KeepMs = keepMs
	return value(r)
}
