package redistest_test

import (
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

func TestMonitor(t *testing.T) {
	s := redistest.Start(t, nil)
	do := func(args ...any) {
		t.Helper()
		if _, err := s.Do(args...); err != nil {
			t.Fatal(err)
		}
	}
	do("SET", "k", "before")
	m := redistest.StartMonitor(t, s)
	for range 2 {
		do("SET", "k", "a value \"in quotes\"\n")
		do("SET", "another", "v")
		do("EVAL", `return redis.call('set', KEYS[1], 'v')`, 1, "k")
	}
	do("PING")
	do("SET", "a key\n", "v")
	for key, want := range map[string]int{"k": 4, "another": 2, "a key\n": 1, "a*": 3, "nothing": 0} {
		for range 2 {
			if n := m.Count(t, "set", key); n != want {
				t.Errorf("SET of %q was executed %d times, want %d", key, n, want)
			}
		}
	}
}
