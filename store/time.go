package store

import (
	"math"
	"sync/atomic"
	"time"
)

// A Time is a moment in milliseconds. It is one word without a pointer, so that
// an [Entry] is cheap to copy. The zero Time means "no such moment".
//
// Times count from the Unix epoch as the wall clock had it when the process
// started, and move on with the monotonic clock: setting the wall clock, back or
// forward, changes no Time and no span between two of them. Times of two processes
// compare as well as their wall clocks agreed when they started. [At] and [Time.Time]
// convert from and to wall time, as the wall clock is now.
//
// While a machine is suspended its monotonic clock may stand still, as it does on
// Linux: what is kept in memory lives longer by as much.
type Time int64

// Forever is the remaining life of an entry that does not expire.
const Forever time.Duration = math.MaxInt64

// start is where Times count from: one moment by both clocks.
var (
	start     = time.Now()
	startNano = start.UnixNano()
)

// Now returns the present moment.
func Now() Time { return Time((startNano + int64(time.Since(start))) / int64(time.Millisecond)) }

// At returns t as a Time, rounded down to the millisecond. A t with a monotonic
// clock reading, such as one made from time.Now, is converted by that; any other by
// the wall clock as it is now. The zero time.Time is the zero Time.
func At(t time.Time) Time {
	switch {
	case t.IsZero():
		return 0
	case t != t.Round(0): // it has a monotonic reading
		return Time((startNano + int64(t.Sub(start))) / int64(time.Millisecond))
	}
	return Time(t.UnixMilli()) + lead()
}

// shift is by how much Times are ahead of the wall clock, as lead found it last.
var shift atomic.Int64

// lead returns by how much Times are ahead of the wall clock, which is zero until
// that is set. It is the same from call to call: the two clocks cannot be read in the
// same instant, so a difference below a tenth of a second does not count.
func lead() Time {
	now := time.Now()
	d := Time((now.Sub(start) - time.Duration(now.UnixNano()-startNano)).Round(time.Millisecond).Milliseconds())
	if old := Time(shift.Load()); old-100 < d && d < old+100 {
		return old
	}
	shift.Store(int64(d))
	return d
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

// Time returns t as wall time in the local zone, as the wall clock is now; the zero
// time.Time for zero. [At] is the way back.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t - lead()))
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
