package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// errBlind says that changes under the prefix of a store are not told.
var errBlind = errors.New("changes are not told")

// A broadcast is the prefixes whose every change Redis tells T, whoever has read
// the key. Without any, T is told of changes of the keys that were read on it.
//
// Two things differ from that. NOLOOP does not know a script of T as T's own write
// (Redis 6.2 to 8, trackingRememberKeyToBroadcast), so a fill by script is told to
// whoever made it. And pushes are put on T at the end of a turn of the server's
// event loop, behind the answers of that turn: see [Client.turns].
type broadcast []string

// newBroadcast returns what T subscribes to: each prefix and, for the keys that
// stores keep for themselves, the prefix behind an exclamation mark.
func newBroadcast(prefixes []string) (broadcast, error) {
	var b broadcast
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
func (b broadcast) options() []string {
	if len(b) == 0 {
		return []string{"OPTOUT", "NOLOOP"}
	}
	options := []string{"BCAST", "NOLOOP"}
	for _, p := range b {
		options = append(options, "PREFIX", p)
	}
	return options
}

// sees returns nil if changes of all keys with the prefix, which is that of what, are
// told.
func (b broadcast) sees(what, prefix string) error {
	if len(b) == 0 || slices.ContainsFunc(b, func(p string) bool { return strings.HasPrefix(prefix, p) }) {
		return nil
	}
	return fmt.Errorf("%w: Dialer.Broadcast does not cover %q, the prefix of the %s", errBlind, prefix, what)
}

// turns is how often something is asked on T so that, with the answer, whatever was
// changed by a write that had been answered before has been told. With broadcasts
// the first answer may be of the same turn of the server's event loop as the write,
// whose push then comes behind it.
func (c *Client) turns() int {
	if len(c.broadcast) > 0 {
		return 2
	}
	return 1
}

// turn returns when the pushes of every write that was answered before the call have
// been put on the connections of all who are to be told. Without broadcasts they have.
func (c *Client) turn(ctx context.Context) error {
	if len(c.broadcast) == 0 {
		return nil
	}
	call, cancel := c.deadlines.Begin(ctx)
	defer cancel()
	_, err := c.pulse.ask(call, false)
	return err
}

// CanWatch returns nil unless the client is told of changes by broadcast, and not of
// those of the store or of its tags: see [Dialer.Broadcast]. Such a store cannot read.
func (s *Store[T]) CanWatch() error { return s.blind }

// heard is that of the client for a store that can read.
func (s *Store[T]) heard(ctx context.Context, keys ...string) (*links, error) {
	if s.blind != nil {
		return nil, s.blind
	}
	return s.client.heard(ctx, keys...)
}
