package otelcache

import (
	"context"
	"fmt"
	"iter"

	"go.opentelemetry.io/otel/metric"

	"github.com/lokroom/strata/invalidate"
)

// Names of the metrics of Verify.
const (
	verifiedName    = "cache.verified"
	verifiedAgeName = "cache.verified.age"
)

// Verify calls [invalidate.Verify] and reports the result: how many cached values are current
// and how many are stale, and the age of the stale ones. o and to may be nil.
func Verify[K comparable, V any](ctx context.Context, c invalidate.Verifiable[K, V], ids iter.Seq[K], o *invalidate.VerifyOptions[K, V], to *Options) (invalidate.Report[K], error) {
	options := to.complete()
	in, err := newInstruments(&options, verifiedName, verifiedAgeName)
	if err != nil {
		return invalidate.Report[K]{}, fmt.Errorf("otelcache: %w", err)
	}
	report, err := invalidate.Verify(ctx, c, ids, o)
	count := func(n int, how string) {
		in.counters[verifiedName].Add(ctx, int64(n), metric.WithAttributeSet(in.set(cacheName, c.Name(), result, how)))
	}
	stale := len(report.Stale)
	count(report.Checked-stale, "current")
	count(stale, "stale")
	for _, s := range report.Stale {
		if s.Age > 0 { // it is known
			in.durations[verifiedAgeName].Record(ctx, s.Age.Seconds(), metric.WithAttributeSet(in.set(cacheName, c.Name())))
		}
	}
	return report, err
}
