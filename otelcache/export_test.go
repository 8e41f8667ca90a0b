package otelcache

type Kind = kind

const (
	Counter       = counter
	UpDownCounter = upDownCounter
	Gauge         = gauge
	Histogram     = histogram
)

// Metrics returns the table of docs/metrics.md.
func Metrics() []instrument { return metrics }
