package redislimit

import (
	"context"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/meter"
	"github.com/lokroom/strata/internal/redistest"
)

// withoutClock makes a script take the time from a key that a test sets, and its keys
// stay when that time passes.
func withoutClock(t *testing.T, text string) string {
	t.Helper()
	for pattern, to := range map[string]string{
		`local t = redis\.call\('TIME'\)`: "local us = tonumber(redis.call('GET', 'clock')) local t = {math.floor(us / 1000000), us % 1000000}",
		`, 'PX', .*`:                      ")",
	} {
		re := regexp.MustCompile(pattern)
		if len(re.FindAllString(text, -1)) != 1 {
			t.Fatalf("the script does not have one %q", pattern)
		}
		text = re.ReplaceAllLiteralString(text, to)
	}
	return text
}

// The script answers what internal/meter answers, in every number, whatever the rules
// and the schedule. So what is shown for internal/meter holds for the script.
func TestScript_isMeter(t *testing.T) {
	server := redistest.Start(t, nil)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	rnd := rand.New(rand.NewPCG(5, 5))
	var seen [meter.Kinds][2]int // allowed and denied, by the kind that decided
	for run := range 160 {
		var rules []meter.Rule
		for len(rules) < 1+run%5/3*2 { // one, or three
			if r, err := randomRule(rnd, meter.Kind((run+len(rules))%meter.Kinds)); err == nil {
				rules = append(rules, r)
			}
		}
		s := schedule{rules: rules, key: fmt.Sprint("k", run), now: 1_700_000_000_000_000 + rnd.Int64N(1e12)}
		s.text = withoutClock(t, text(rules, decideLua))
		s.run(t, client, rnd, &seen)
	}
	for kind, n := range seen {
		if n[0] < 200 || n[1] < 200 {
			t.Errorf("kind %d: %d allowed, %d denied: too few to mean something", kind, n[0], n[1])
		}
	}
}

// A schedule is a series of calls on one key.
type schedule struct {
	rules []meter.Rule
	key   string
	now   int64
	text  string
}

func (s *schedule) run(t *testing.T, client rueidis.Client, rnd *rand.Rand, seen *[meter.Kinds][2]int) {
	t.Helper()
	const steps = 200
	cells, last := make([]meter.Cell, len(s.rules)), s.now
	var want [steps]meter.Decision
	var what [steps]string
	sum := fmt.Sprintf("%x", sha1.Sum([]byte(s.text)))
	cmds := rueidis.Commands{client.B().ScriptLoad().Script(s.text).Build()}
	for i := range steps {
		s.now += randomGap(rnd, &s.rules[0])
		if i > 0 && want[i-1].Passed > 0 && rnd.IntN(10) == 0 { // a clock that is set back, or of another server
			s.now = last - rnd.Int64N(s.rules[0].Window)
		}
		r := &s.rules[rnd.IntN(len(s.rules))]
		n := 1 + rnd.Int64N([]int64{1, r.Capacity/3 + 1, r.Capacity + 1}[rnd.IntN(3)])
		mode := meter.Mode(rnd.IntN(3))
		now := max(s.now, last)
		want[i].Decide(s.rules, cells, last, now, n, mode, 0)
		last = now
		what[i] = fmt.Sprintf("%d by mode %d at %d", n, mode, s.now)
		cmds = append(cmds, client.B().Set().Key("clock").Value(strconv.FormatInt(s.now, 10)).Build(),
			client.B().Evalsha().Sha1(sum).Numkeys(1).Key(s.key).
				Arg(question(n, int64(mode), "00000000", packed(s.rules))).Build())
		o := &seen[s.rules[want[i].Rule].Kind][0]
		if !want[i].Allowed {
			o = &seen[s.rules[want[i].Rule].Kind][1]
		}
		*o++
	}
	for i, reply := range client.DoMulti(context.Background(), cmds...) {
		if i == 0 || i%2 == 1 {
			if err := reply.Error(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text, err := reply.ToString()
		if err != nil {
			t.Fatal(err)
		}
		a, err := parse(text, len(s.rules))
		d := want[i/2-1]
		d.Idle = 0
		if err != nil || a.Decision != d {
			t.Fatalf("%+v: call %d, %s: got %+v, %v; want %+v", s.rules, i/2-1, what[i/2-1], a.Decision, err, d)
		}
	}
}

func randomRule(rnd *rand.Rand, kind meter.Kind) (meter.Rule, error) {
	const second = 1_000_000
	limits := []int64{1, 2, 3, 10, 60, 97, 1000, 1 + rnd.Int64N(1_000_000)}
	windows := []int64{1000, second, second + 1, 60 * second, 24 * 3600 * second, 1000 + rnd.Int64N(100*second)}
	limit, burst := limits[rnd.IntN(len(limits))], limits[rnd.IntN(len(limits))]
	return meter.New(kind, limit, windows[rnd.IntN(len(windows))], burst, []int64{1, 7, 60}[rnd.IntN(3)])
}

func randomGap(rnd *rand.Rand, r *meter.Rule) int64 {
	switch rnd.IntN(5) {
	case 0:
		return 0
	case 1:
		return rnd.Int64N(3 * r.Window)
	default:
		return rnd.Int64N(2*r.Window/min(r.Capacity, r.Window/2)) + 1
	}
}
