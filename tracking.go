package strata

import (
	"errors"
	"fmt"
	"strings"
)

// Tracking says how L1 of a process learns of the changes that other processes make in Redis.
type Tracking uint8

// The modes of tracking.
const (
	// PerKey has Redis remember which keys this process has read, and push their changes.
	// It needs RESP3 and CLIENT TRACKING.
	PerKey Tracking = iota

	// Broadcast has Redis push every change under Config.Prefix to this process, whether
	// it has read the key or not: see redisstore.Dialer.Broadcast, which says what it costs.
	Broadcast

	// NoTracking does without pushes, for a proxy or a service that does not pass on HELLO 3
	// or CLIENT TRACKING. What L1 has read from Redis it serves for Config.MaxStale, and
	// then asks Redis in one exchange whether it is still right. GetFresh and reads with a
	// Token always ask. Processes that wait for another one to load a value ask again and
	// again, after 5 ms at first and 0.2 s at most.
	NoTracking

	// PubSub is NoTracking for a service that has PUBLISH and SUBSCRIBE: processes publish
	// the keys that they change, and drop their copies of those that others publish. L1 then
	// serves an old value for a few milliseconds, or for Config.MaxStale when a message is
	// lost. All processes must have it alike.
	PubSub
)

var trackings = []string{PerKey: "per-key", Broadcast: "broadcast", NoTracking: "off", PubSub: "pubsub"}

// untracked reports whether Redis pushes no invalidations with t.
func (t Tracking) untracked() bool { return t == NoTracking || t == PubSub }

// changesChannel is the channel of PubSub, behind Config.Prefix.
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
