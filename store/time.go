package store

import (
	"math"
	"time"
)

// A Time is a moment in Unix milliseconds. It is one word without a pointer, so
// that an [Entry] is cheap to copy. The zero Time means "no such moment".
type Time int64

// Forever is the remaining life of an entry that does not expire.
const Forever time.Duration = math.MaxInt64

// Now returns the present moment.
func Now() Time { return At(time.Now()) }

// At returns t as a Time, rounded down to the millisecond. The zero time.Time
// is the zero Time.
func At(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMilli())
}

// In returns the moment d from now. [Forever] gives the zero Time, which as an
// expiry means "never". A positive d below a millisecond counts as one.
func In(d time.Duration) Time {
	if d == Forever {
		return 0
	}
	return Now().Add(d)
}

// Add returns the moment d after t, or before it if d is negative. A positive d
// below a millisecond counts as one. The zero Time and Forever give zero.
func (t Time) Add(d time.Duration) Time {
	if t == 0 || d == Forever {
		return 0
	}
	ms := d.Milliseconds()
	if ms == 0 && d > 0 {
		ms = 1
	}
	return t + Time(ms)
}

// Time returns t as a time.Time in the local zone; the zero time.Time for zero.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t))
}

// Until returns how long it is from now to t, negative if t has passed. As the
// expiry of an entry the zero Time lies infinitely far away: it gives Forever.
func (t Time) Until() time.Duration {
	if t == 0 {
		return Forever
	}
	return t.Sub(Now())
}

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Millisecond }

// String returns t in RFC 3339 with milliseconds, or "never" for zero.
func (t Time) String() string {
	if t == 0 {
		return "never"
	}
	return t.Time().Format("2006-01-02T15:04:05.000Z07:00")
}
