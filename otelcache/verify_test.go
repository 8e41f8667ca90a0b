package otelcache_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/otelcache"
	"github.com/lokroom/strata/store"
)

// verify verifies a cache with three values, one of which is stale.
func verify(t *testing.T, m *telemetry) invalidate.Report[int] {
	t.Helper()
	b, err := strata.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	source := map[int]string{1: "old", 2: "old", 3: "old"}
	c, err := strata.New(b, "verified", func(_ context.Context, id int) (string, error) {
		if id < 0 {
			return "", errors.New("the source fails")
		}
		return source[id], nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id := range source {
		if _, err := c.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Set(t.Context(), -1, "v"); err != nil {
		t.Fatal(err)
	}
	source[2] = "new"
	o := &invalidate.VerifyOptions[int, string]{Settle: time.Millisecond}
	report, err := otelcache.Verify(t.Context(), c, slices.Values([]int{1, 2, 3, 4, -1}), o, &m.opts)
	if err == nil || !strings.Contains(err.Error(), "the source fails") {
		t.Errorf("Verify of an id whose load fails: %v", err)
	}
	return report
}

// TestVerify: the report is that of invalidate.Verify, and what was compared is counted, with
// the age of what is stale.
func TestVerify(t *testing.T) {
	m := newTelemetry(t)
	report := verify(t, m)
	if report.Checked != 3 || report.Missing != 1 || len(report.Stale) != 1 || report.Stale[0].ID != 2 || report.Stale[0].Age <= 0 {
		t.Fatalf("report %+v", report)
	}
	got := m.series(t)
	for name, want := range map[string]float64{
		"cache.verified{strata.cache.name=verified,strata.cache.result=current}": 2,
		"cache.verified{strata.cache.name=verified,strata.cache.result=stale}":   1,
		"cache.verified.age{strata.cache.name=verified}":                         1,
	} {
		if v, ok := got["strata."+name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	if len(got) != 3 {
		t.Errorf("series: %v", got)
	}
}

// TestVerify_unknownAge: a stale value whose age is unknown is counted and has no age.
func TestVerify_unknownAge(t *testing.T) {
	m := newTelemetry(t)
	o := &invalidate.VerifyOptions[int, string]{Settle: time.Millisecond}
	report, err := otelcache.Verify(t.Context(), ageless{}, slices.Values([]int{1}), o, &m.opts)
	if err != nil || len(report.Stale) != 1 || report.Stale[0].Age != 0 {
		t.Fatalf("report %+v, %v", report, err)
	}
	got := m.series(t)
	if got["strata.cache.verified{strata.cache.name=ageless,strata.cache.result=stale}"] != 1 || len(got) != 2 {
		t.Errorf("series: %v", got)
	}
}

// An ageless cache has a stale value of which it does not know when it was loaded.
type ageless struct{}

func (ageless) Name() string                             { return "ageless" }
func (ageless) Text(int) (string, error)                 { return "1", nil }
func (ageless) Get(context.Context, int) (string, error) { return "new", nil }
func (ageless) Peek(context.Context, int) (store.Entry[string], error) {
	return store.Entry[string]{Value: "old"}, nil
}
