package storetest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// RuleNames returns the names of the rules that apply to h.
func RuleNames(t testing.TB, h Harness) []string {
	var names []string
	s := h.Open(t)
	for _, r := range rules() {
		if r.applies(h, s) {
			names = append(names, r.name)
		}
	}
	return names
}

// Violations runs one rule against h, and returns what it failed with and the
// sentence that it has to show.
func Violations(t testing.TB, h Harness, name string, deadline time.Duration) (failures []string, says string) {
	all := rules()
	i := slices.IndexFunc(all, func(r rule) bool { return r.name == name })
	if i < 0 {
		t.Fatalf("there is no rule %q", name)
	}
	h.deadline = deadline
	rec := &recorder{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { all[i].check(rec, h) }) // Fatalf ends the goroutine
	wg.Wait()
	return rec.failures, all[i].says
}

// A recorder is a test whose failures are only noted.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
