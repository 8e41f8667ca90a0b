package redislimit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/ratelimit"
	"github.com/lokroom/strata/ratelimit/redislimit"
)

// A key of any length has its own allowance, and takes no more room in Redis than MaxKey.
func TestLimiter_longKeys(t *testing.T) {
	srv := redistest.Start(t, nil)
	l := open(t, srv, redislimit.Options{MaxDenied: -1}, policy(ratelimit.GCRA, 1, time.Hour))
	long := strings.Repeat("x", 1<<20)
	keys := []string{"short", strings.Repeat("x", redislimit.MaxKey), strings.Repeat("x", redislimit.MaxKey+1), long, long + "y"}
	for _, key := range keys {
		for i := range 2 {
			r, err := l.Allow(t.Context(), key)
			if err != nil || r.Allowed != (i == 0) || r.Source != ratelimit.SourceRedis {
				t.Errorf("a key of %d bytes, call %d: %+v, %v", len(key), i, r, err)
			}
		}
	}
	there, err := srv.Do("KEYS", "*")
	if err != nil || len(there.([]any)) != len(keys) {
		t.Fatalf("%d keys, %v", len(there.([]any)), err)
	}
	for _, key := range there.([]any) {
		if n := len(key.(string)); n > redislimit.MaxKey+100 {
			t.Errorf("there is a key of %d bytes", n)
		}
	}
	if err := l.Reset(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Allow(t.Context(), long); err != nil || !r.Allowed {
		t.Errorf("after Reset: %+v, %v", r, err)
	}
}

// A prefix of the keys of tags is refused.
func TestNew_prefixOfTags(t *testing.T) {
	_, err := redislimit.New(nil, &redislimit.Options{Prefix: "a:!t:"}, policy(ratelimit.GCRA, 1, time.Hour))
	if err == nil || !strings.Contains(err.Error(), `Prefix "a:!t:": must not contain "!"`) {
		t.Error(err)
	}
}
