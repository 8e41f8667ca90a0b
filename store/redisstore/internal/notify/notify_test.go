package notify_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/notify"
)

func TestFanout(t *testing.T) {
	var f notify.Fanout
	var got []string
	watch := func(name, prefix string) (stop func()) {
		return f.Watch(prefix, name, func(inv store.Invalidation) {
			got = append(got, fmt.Sprint(name, " ", inv.Keys, " ", inv.All, " ", inv.Cleared, " ", inv.Released))
		})
	}
	watch("a", "a:")
	stop := watch("b", "b:")
	for _, c := range []struct {
		name string
		call func()
		want []string
	}{
		{"changed", func() { f.Changed([]string{"a:1", "b:2", "c:3", "a:4"}, nil) }, []string{"a [1 4] false false false", "b [2] false false false"}},
		{"changed, except its owner", func() { f.Changed([]string{"a:1", "b:2"}, "a") }, []string{"b [2] false false false"}},
		{"changed, of nobody", func() { f.Changed([]string{"c:1"}, nil) }, nil},
		{"released", func() { f.Released([]string{"b:2"}) }, []string{"b [2] false false true"}},
		{"cleared", func() { f.Cleared("a:") }, []string{"a [] true true false"}},
		{"all", f.All, []string{"a [] true false false", "b [] true false false"}},
		{"all, after one has stopped", func() { stop(); f.All() }, []string{"a [] true false false"}},
	} {
		got = nil
		c.call()
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: notified %q, want %q", c.name, got, c.want)
		}
	}
}

func TestListener(t *testing.T) {
	var got []any
	connected := func(connected bool) { got = append(got, connected) }
	rolledBack := func() { got = append(got, "rollback") }
	for _, l := range []*notify.Listener{
		notify.NewListener(connected, nil), notify.NewListener(nil, rolledBack), notify.NewListener(connected, rolledBack),
	} {
		l.Connected(true)
		l.RolledBack()
		l.Stop()
		l.Connected(false)
		l.RolledBack()
	}
	if want := []any{true, "rollback", true, "rollback"}; !slices.Equal(got, want) {
		t.Errorf("notified %v, want %v", got, want)
	}
}
