package httpcache

import (
	"context"
	"fmt"
	"testing"

	"github.com/lokroom/strata"
)

// TestSoftLog: a response is purged by what was logged after its mark, and by all that is not
// known.
func TestSoftLog(t *testing.T) {
	l := newSoftLog()
	start := l.mark
	for i := range 3000 {
		l = l.with([]string{fmt.Sprint(i)})
		if len(l.purges) > maxSoft {
			t.Fatalf("%d tags", len(l.purges))
		}
	}
	at := func(n uint64) mark { return mark{start.log, n} }
	for _, c := range []struct {
		tag  string
		m    mark
		want bool
	}{
		{"2999", at(2999), true}, {"2999", at(3000), false}, {"2998", at(2999), false}, {"2500", at(2500), true}, {"2500", at(2501), false},
		{"0", start, true}, {"never", start, true}, {"never", at(2500), false}, {"never", mark{}, true}, {"never", mark{start.log + 1, 3000}, true},
	} {
		if got := l.purged([]string{"x", c.tag}, c.m); got != c.want {
			t.Errorf("%s, stored at %d: %v", c.tag, c.m.number, got)
		}
		if l.purged(nil, c.m) {
			t.Errorf("no tags, stored at %d: purged", c.m.number)
		}
	}
	if again, ok := parseSoftLog(l.encode(), nil); !ok || fmt.Sprint(again) != fmt.Sprint(l) {
		t.Errorf("%v became %v", l, again)
	}
}

// TestSoftLog_verified: a change of the log that another process has replaced is noticed.
func TestSoftLog_verified(t *testing.T) {
	ctx := context.Background()
	b, err := strata.Open(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := New(b, "pages", nil)
	if err != nil {
		t.Fatal(err)
	}
	lost := newSoftLog().with([]string{"a"})
	check := func(l *softLog, want bool) {
		t.Helper()
		if done, err := c.loggedSoftly(ctx, l, []string{"a"}); done != want || err != nil {
			t.Errorf("%v, %v, want %v", done, err, want)
		}
	}
	check(lost, false)
	if err := c.logSoftly(ctx, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	check(lost, false)
	mine := c.softLog(ctx).with([]string{"a"})
	check(mine, false)
	if err := c.logSoftly(ctx, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	check(mine, true)
}

// FuzzSoftLog: nothing panics, and what parses is what was encoded.
func FuzzSoftLog(f *testing.F) {
	f.Add(newSoftLog().with([]string{"a", "b"}).encode().meta)
	f.Fuzz(func(t *testing.T, s string) {
		if l, ok := parseSoftLog(page{meta: s}, nil); ok {
			if again, ok := parseSoftLog(l.encode(), nil); !ok || fmt.Sprint(again) != fmt.Sprint(l) {
				t.Errorf("%v became %v", l, again)
			}
		}
	})
}
