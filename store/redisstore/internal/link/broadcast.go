package link

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// errBlind says that Redis does not push changes under the prefix of a store.
var errBlind = errors.New("changes are not notified")

// A Broadcast is the prefixes of keys of which Redis pushes every change to T, whether or not it has
// read the key. Without any, it pushes changes of the keys that were read on T.
//
// Two things differ from that. NOLOOP does not know a script of T as T's own write
// (Redis 6.2 to 8, trackingRememberKeyToBroadcast), so a fill by script is pushed to
// its own client. And pushes are put on T at the end of a turn of the server's
// event loop, behind the answers of that turn: see [Link.Turns].
type Broadcast []string

// NewBroadcast returns what T subscribes to: each prefix and, for the keys that
// stores keep for themselves, the prefix behind an exclamation mark.
func NewBroadcast(prefixes []string) (Broadcast, error) {
	var b Broadcast
	for _, p := range prefixes {
		b = append(b, p)
		if own := "!" + p; !strings.HasPrefix(own, p) {
			b = append(b, own)
		}
	}
	for i, p := range b {
		for _, q := range b[:i] {
			if strings.HasPrefix(p, q) || strings.HasPrefix(q, p) {
				return nil, fmt.Errorf("Dialer.Broadcast: the prefixes %q and %q overlap, which Redis refuses", q, p)
			}
		}
	}
	return b, nil
}

// options are those of CLIENT TRACKING ON.
func (b Broadcast) options() []string {
	if len(b) == 0 {
		return []string{"OPTOUT", "NOLOOP"}
	}
	options := []string{"BCAST", "NOLOOP"}
	for _, p := range b {
		options = append(options, "PREFIX", p)
	}
	return options
}

// Covers returns nil if changes of all keys with the prefix, which is that of what, are
// pushed.
func (b Broadcast) Covers(what, prefix string) error {
	if len(b) == 0 || slices.ContainsFunc(b, func(p string) bool { return strings.HasPrefix(prefix, p) }) {
		return nil
	}
	return fmt.Errorf("%w: Dialer.Broadcast does not cover %q, the prefix of the %s", errBlind, prefix, what)
}
