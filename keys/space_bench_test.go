package keys_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lokroom/strata/keys"
)

func TestSpace_allocations(t *testing.T) {
	if raceEnabled {
		t.Log("allocations are counted without the race detector")
		return
	}
	s := space(t, "listing", &keys.Options{SchemaVersion: 3})
	city, night := "são paulo", "2026-11-22"
	for _, c := range []struct {
		name string
		want float64
		do   func()
	}{
		{"Key", 1, func() { _ = s.Key("42", city, night) }},
		{"KeyInt", 1, func() { _ = s.KeyInt(1 << 40) }},
		{"Tagged", 1, func() { _ = s.Tagged("42", city, night) }},
		{"Match", 0, func() { keys.Match("listing:*:[0-9]*", "listing:v3:42") }},
	} {
		if got := testing.AllocsPerRun(100, c.do); got > c.want {
			t.Errorf("%s allocates %v times, want at most %v", c.name, got, c.want)
		}
	}
}

func BenchmarkSpace(b *testing.B) {
	s := space(b, "listing", &keys.Options{SchemaVersion: 3})
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"Key", func() { _ = s.Key("42", "photos", "1") }},
		{"Key/escaped", func() { _ = s.Key("42", "são:paulo", "100%") }},
		{"Key/shortened", func() { _ = s.Key("42", long) }},
		{"KeyInt", func() { _ = s.KeyInt(123456789) }},
		{"Tagged", func() { _ = s.Tagged("42", "photos", "1") }},
		{"Concatenation", func() { _ = s.Prefix() + strings.Join([]string{"42", "photos", "1"}, ":") }},
		{"Sprintf", func() { _ = fmt.Sprintf("listing:v%d:%s:%s:%d", 3, "42", "photos", 1) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.do()
			}
		})
	}
}
