package retry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata/internal/retry"
)

// logged returns what a replay of l has.
func logged(l *retry.Log) string {
	b := l.Replay()
	if b.All {
		return "all"
	}
	slices.Sort(b.Names)
	return strings.Join(b.Names, " ")
}

func TestLog_forgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := retry.NewLog(time.Minute)
		l.Add(l.Moment(), []string{"a"}, false)
		time.Sleep(time.Minute)
		l.Add(l.Moment(), []string{"b"}, false)
		if got := logged(l); got != "a b" {
			t.Errorf("after keep the log has %q", got)
		}
		time.Sleep(16 * time.Second) // a quarter more
		if got := logged(l); got != "b" {
			t.Errorf("later the log has %q", got)
		}
		time.Sleep(time.Hour)
		if got := logged(l); got != "" {
			t.Errorf("an hour later the log has %q", got)
		}
	})
}

// Writes just before an outage are remembered until some time after it.
func TestLog_timeStopsWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := retry.NewLog(time.Minute)
		l.Add(l.Moment(), []string{"a"}, false)
		for range 2 { // the second changes nothing
			l.Connected(false)
		}
		time.Sleep(time.Hour)
		if got := logged(l); got != "a" {
			t.Errorf("during an outage the log has %q", got)
		}
		l.Connected(true)
		time.Sleep(time.Minute)
		if got := logged(l); got != "a" {
			t.Errorf("a minute after the outage the log has %q", got)
		}
		time.Sleep(time.Minute)
		if got := logged(l); got != "" {
			t.Errorf("two minutes after the outage the log has %q", got)
		}
	})
}

// A write that a replay overtakes is not in it, and Add says so.
func TestLog_replayOvertakesAWrite(t *testing.T) {
	l := retry.NewLog(time.Minute)
	m := l.Moment()
	if l.Replay(); l.Add(m, []string{"a"}, false) {
		t.Error("Add reports that the replay had the name")
	}
	if !l.Add(l.Moment(), []string{"b"}, false) {
		t.Error("Add reports a replay, and there was none")
	}
	if got := logged(l); got != "a b" {
		t.Errorf("the log has %q", got)
	}
}

func TestLog_all(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := retry.NewLog(time.Minute)
		l.Add(l.Moment(), nil, true)
		l.Add(l.Moment(), []string{"a"}, false)
		if got := logged(l); got != "all" {
			t.Errorf("the log has %q", got)
		}
		time.Sleep(2 * time.Minute)
		var names []string
		for i := range retry.MaxNames {
			names = append(names, fmt.Sprint(i))
		}
		l.Add(l.Moment(), names, false)
		if b := l.Replay(); b.All || len(b.Names) != retry.MaxNames {
			t.Errorf("the log has all: %v, or %d names", b.All, len(b.Names))
		}
		l.Add(l.Moment(), []string{"one more"}, false)
		if got := logged(l); got != "all" {
			t.Error("with too many names the log does not have all")
		}
	})
}

func TestLog_nil(t *testing.T) {
	var l *retry.Log
	l.Connected(true)
	if !l.Add(l.Moment(), []string{"a"}, false) {
		t.Error("Add reports a replay")
	}
}
