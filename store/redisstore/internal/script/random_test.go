package script

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/redis/rueidis"
)

// random makes steps over some keys, one of each key in one exchange, until one is
// wrong. It returns what happened.
func (l *lab) random(seed uint64, steps int) (tally, error) {
	r := &chooser{Rand: rand.New(rand.NewPCG(seed, seed)), n: tally{}}
	worlds := make([]*world, 8)
	for i := range worlds {
		l.next()
		worlds[i] = &world{key: l.key, sole: all8, floor: none}
	}
	ctx := context.Background()
	for _, s := range append(slices.Collect(maps.Values(l.set)), viewScript, passScript) {
		if err := l.w.Do(ctx, l.w.B().ScriptLoad().Script(s.text).Build()).Error(); err != nil {
			return nil, err
		}
	}
	made := make([]step, len(worlds))
	for n := 0; n < steps; n += len(worlds) {
		cmds := make([]rueidis.Completed, 0, 2*len(worlds))
		for i, w := range worlds {
			made[i] = r.step(w)
			cmds = append(cmds, l.command(w.key, made[i]), viewScript.Command(l.w, w.key, nil))
		}
		replies := l.w.DoMulti(ctx, cmds...)
		for i, w := range worlds {
			if err := r.judge(w, made[i], replies[2*i], replies[2*i+1]); err != nil {
				return r.n, fmt.Errorf("seed %d, step %d: %w; the steps before:\n%s", seed, n+i, err, strings.Join(w.said, "\n"))
			}
		}
	}
	return r.n, nil
}

// command makes a command of a step.
func (l *lab) command(key string, s step) rueidis.Completed {
	switch s.name {
	case "DEL":
		return l.w.B().Del().Key(key).Build()
	case "SET":
		return l.w.B().Set().Key(key).Value("foreign").Build()
	case "pass":
		return passScript.Command(l.w, key, words(s.args))
	}
	x := l.set[s.name]
	return x.Command(l.w, key, words(s.args))
}

func (r *chooser) judge(w *world, s step, reply, look rueidis.RedisResult) error {
	got := flat(reply)
	v, err := seen(look)
	if w.said = append(w.said, fmt.Sprintf("%s %s -> %s: %q for %d at %d", s.name, show(s.args), show(got), v.raw, v.left, v.now)); len(w.said) > 12 {
		w.said = w.said[1:]
	}
	if failed, is := got[0].(error); is {
		return failed
	}
	if err == nil {
		err = s.judge(got, v)
	}
	if err == nil {
		err = w.stands(v)
	}
	if w.before = v; err == nil && v.isValue() && r.IntN(4) == 0 {
		w.claim("C", v.id(), v)
	}
	return err
}

func TestScripts_random(t *testing.T) {
	const seed, steps = 20261125, 40_000
	l := newLab(t, redistest.Start(t, nil))
	n, err := l.random(seed, steps)
	t.Logf("seed %d: %v", seed, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{
		"filled T", "filled C", "confirmed", "whole", "refused T", "refused C", "capped", "granted", "taken", "fresh", "renewed", "released", "done set", "done shared", "done late", "made stale", "refused after the hold", "backed off", "older", "unstorable", "everybody's",
	} {
		if n[what] < steps/1000 {
			t.Errorf("%s: only %d times", what, n[what])
		}
	}
}
