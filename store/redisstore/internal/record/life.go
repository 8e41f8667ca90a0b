package record

import (
	"time"

	"github.com/lokroom/strata/store"
)

// MaxLife is the longest life in milliseconds that Redis is asked for.
const MaxLife = 1 << 52

// A Life is that of an entry as it is sent to Redis.
type Life struct {
	MS      int64  // from now on; 0: without end, negative: over
	KeepMs  uint32 // how much of it, at the end, is stale
	Endless bool   // has an end only because something must bear keepMs
}

// EndMsOf is what the record of an entry with this life says of its end. Where there
// is one, the script that writes it fills it in, by the clock of the server.
func EndMsOf(l Life) int64 {
	if l.MS == 0 {
		return -1
	}
	return 0
}

// LifeOf returns the life of an entry with these expiry times. A record counts
// its soft expiry back from the end of its key in 32 bits: where that does not
// reach, the end comes earlier.
func LifeOf(expires, stale, now store.Time) Life {
	if expires != 0 && expires <= now {
		return Life{MS: -1}
	}
	if stale == 0 || expires != 0 && stale >= expires {
		if expires == 0 {
			return Life{}
		}
		return Life{MS: min(int64(expires-now), MaxLife)}
	}
	l := Life{Endless: expires == 0}
	if last := max(stale, now) + MaxKeep; expires == 0 || expires > last {
		expires = last
	}
	l.MS, l.KeepMs = min(int64(expires-now), MaxLife), uint32(min(expires-stale, MaxKeep))
	return l
}

// Times returns the expiry times of an entry with a key that has l.MS left at now.
func (l *Life) Times(now store.Time) (expires, stale store.Time) {
	if l.MS == 0 {
		return 0, 0
	}
	expires = now + store.Time(l.MS)
	if l.KeepMs > 0 {
		stale = expires - store.Time(l.KeepMs)
	}
	if l.Endless {
		expires = 0
	}
	return expires, stale
}

// LifeCapped is the life of a value that ends with a hold, or before; for one that
// was stale already, the shortest there is.
func LifeCapped(ms int64) Life { return Life{MS: max(1, ms)} }

// LeaseMs returns a length in milliseconds that a script may be given.
func LeaseMs(d time.Duration) int64 { return min(max(1, d.Milliseconds()), MaxLife) }

// Millis returns ttl in milliseconds for a script: 0 for none, -1 for one that
// is over, at least 1 otherwise.
func Millis(ttl time.Duration) int64 {
	switch {
	case ttl == store.Forever:
		return 0
	case ttl <= 0:
		return -1
	}
	return min(max(1, ttl.Milliseconds()), MaxLife)
}
