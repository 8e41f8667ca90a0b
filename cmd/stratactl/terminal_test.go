package main

import (
	"os"
	"testing"
)

// A job has no terminal: what removes values refuses instead of asking.
func TestTerminal(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isTerminal(f) {
		t.Error(os.DevNull + " is a terminal")
	}
}

func TestCounted(t *testing.T) {
	for n, want := range map[int]string{0: "0 values", 1: "1 value", 2: "2 values"} {
		if got := counted(n, "value", "values"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
