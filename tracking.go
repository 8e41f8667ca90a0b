package strata

import (
	"errors"
	"fmt"
	"strings"
)

// Tracking selects how L1 is notified of changes that other processes make in Redis.
type Tracking uint8

// Tracking modes.
const (
	// PerKey makes Redis remember which keys this process has read, and push their
	// invalidations. It requires RESP3 and CLIENT TRACKING.
	PerKey Tracking = iota

	// Broadcast makes Redis push every change under Config.Prefix to this process, whether
	// it has read the key or not. For the costs see redisstore.Dialer.Broadcast.
	Broadcast

	// NoTracking works without invalidations, for a proxy or service that does not support
	// HELLO 3 or CLIENT TRACKING. L1 serves a copy for Config.MaxStale and then revalidates
	// it with Redis in one exchange. GetFresh and reads with a Token always ask Redis. A
	// process that waits for a load of another process polls Redis, after 5 ms at first and
	// every 0.2 s at most.
	NoTracking

	// PubSub is NoTracking for a service that supports PUBLISH and SUBSCRIBE. Processes
	// publish the keys that they change, and drop their copies of keys that others publish.
	// L1 serves an old value for a few milliseconds, or for Config.MaxStale if a message is
	// lost. All processes must use the same mode.
	PubSub
)

var trackings = []string{PerKey: "per-key", Broadcast: "broadcast", NoTracking: "off", PubSub: "pubsub"}

// untracked reports whether Redis pushes no invalidations with t.
func (t Tracking) untracked() bool { return t == NoTracking || t == PubSub }

// changesChannel is the channel of PubSub, after Config.Prefix.
const changesChannel = "!changes"

// String returns the value of STRATA_TRACKING that sets t.
func (t Tracking) String() string {
	if int(t) < len(trackings) {
		return trackings[t]
	}
	return fmt.Sprintf("Tracking(%d)", uint8(t))
}

func parseTracking(v string) (Tracking, error) {
	for t, name := range trackings {
		if v == name {
			return Tracking(t), nil
		}
	}
	return 0, errors.New(`want "` + strings.Join(trackings, `", "`) + `"`)
}
