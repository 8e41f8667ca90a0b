package history_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/history"
)

func write(t *testing.T, path string, ops ...history.Op) {
	t.Helper()
	l, err := history.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range ops {
		l.Add(o)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is written is what is read, whatever an error says.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	ops := []history.Op{
		{Kind: history.Get, Tier: history.L1, Key: "k", Process: 1, Goroutine: 2, Call: 3, Return: 4, Version: 5, Stale: true},
		{Kind: history.Set, Tier: history.Any, Key: "", Version: -1, Err: "two\nlines and \"quotes\" \xff"},
		{Kind: history.Commit, Tier: history.Source, Key: "k2", Call: 1 << 60, Held: true},
	}
	write(t, path, ops[:2]...)
	write(t, path, ops[2]) // goes on
	got, err := history.Read(path, false)
	if err != nil || !slices.Equal(got, ops) {
		t.Errorf("read %v, %v, want %v", got, err, ops)
	}
}

func TestLog_concurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := history.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				l.Add(history.Op{Kind: history.Get, Tier: history.L2, Key: "k", Goroutine: g, Version: int64(i)})
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ops, err := history.Read(path, false)
	if err != nil || len(ops) != 4000 {
		t.Fatalf("%d operations, %v", len(ops), err)
	}
	next := map[int]int64{}
	for _, o := range ops {
		if next[o.Goroutine] != o.Version {
			t.Fatalf("%v, want version %d", o, next[o.Goroutine])
		}
		next[o.Goroutine]++
	}
}

// The last line of a process that was killed may be broken off anywhere; nothing
// else may be wrong.
func TestRead_broken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write(t, path, history.Op{Kind: history.Get, Tier: history.L1, Key: "k", Err: "some error"}, history.Op{Kind: history.Get, Tier: history.L1, Key: "k"})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, b := range whole[:n] {
			if b == '\n' {
				lines++
			}
		}
		if ops, err := history.Read(path, true); err != nil || len(ops) != lines {
			t.Errorf("of the first %d bytes of a killed process: %d operations, %v, want %d", n, len(ops), err, lines)
		}
	}
	for _, text := range []string{"\n", "g1. k 1 2 3 4 5\n", "g1. k 1 2 3 four 5 \"\"\n", "g1. k 1 2 3 4 5 unquoted\n", "g1 k 1 2 3 4 5 \"\"\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := history.Read(path, true); err == nil {
			t.Errorf("%q was read without an error", text)
		}
	}
	if _, err := history.Read(path+"none", true); err == nil {
		t.Error("a file that is not there was read without an error")
	}
}

func TestNow(t *testing.T) {
	began, now := time.Now(), history.Now()
	time.Sleep(time.Millisecond)
	if got, most := history.Now()-now, time.Since(began); got < time.Millisecond || got > most {
		t.Errorf("Now went on by %v within %v", got, most)
	}
}
