package link

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// Redis closes the connection of a client that sends an argument above proto-max-bulk-len,
// or more at once than client-query-buffer-limit. On T that makes every copy in memory
// suspect, and the next fill of the same value would do it again. So a write that may be
// too large is compared with these settings before it is sent.

const (
	// SafeSize is the size of a key with its record, in bytes, that every server accepts:
	// neither setting can be below 1 MiB. commandSize of it is left to the rest of the
	// command.
	SafeSize    = 1<<20 - commandSize
	commandSize = 64 << 10

	// defaultSizeLimit is proto-max-bulk-len where it is not configured.
	defaultSizeLimit = 512 << 20

	// The servers are asked for their settings once in askSizeEvery at most, or once in
	// askRefusedEvery while a write is above them: they may have been raised.
	askSizeEvery    = time.Minute
	askRefusedEvery = time.Second

	// firstLearned is how long a limit counts that was learned from a failure. It doubles
	// with each failure, up to mostLearned: a connection breaks for other reasons, too.
	firstLearned = time.Minute
	mostLearned  = time.Hour
)

// A sizeLimit is the size of the largest write that the servers accept. Its fields are
// guarded by turn.
type sizeLimit struct {
	turn  chan struct{} // of capacity 1
	limit int
	known bool      // the servers have answered with their settings
	asked time.Time // zero: they must be asked

	// Where they do not permit that, the limit is below the size of the last write that
	// failed, until a time.
	failed   int
	until    time.Time
	learning time.Duration // how long the last limit was to count; zero: none was learned
}

// CheckSize returns an error that is store.ErrTooLarge if the servers do not accept a write
// of size bytes, key included. It asks them for their settings, though not each time, if
// size is above SafeSize.
func (c *Link) CheckSize(ctx context.Context, size int) error {
	if size <= SafeSize {
		return nil
	}
	b := &c.sizes
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if now := time.Now(); b.mustAsk(now, size) {
		limit, known, err := c.askSizes(ctx)
		if err != nil {
			return err
		}
		b.answered(now, limit, known)
	}
	if size > b.limit {
		return tooLargeFor(size, fmt.Sprintf("at most %d", b.limit))
	}
	return nil
}

// mustAsk reports whether the servers must be asked before a write of size bytes.
func (b *sizeLimit) mustAsk(now time.Time, size int) bool {
	age := now.Sub(b.asked)
	return b.asked.IsZero() || age >= askSizeEvery || b.known && size > b.limit && age >= askRefusedEvery
}

// answered notes the limit that the servers have reported. If known is false, they permit
// nobody to ask: they are taken to have the default, or what was learned.
func (b *sizeLimit) answered(now time.Time, limit int, known bool) {
	b.asked = now
	switch {
	case known:
		b.limit, b.known, b.learning = limit, true, 0
	case b.learning == 0 || !now.Before(b.until):
		b.limit, b.known = defaultSizeLimit, false
	default:
		b.known = false
	}
}

// refused notes that a write of size bytes has failed, perhaps for its size.
func (b *sizeLimit) refused(now time.Time, size int) {
	b.asked = time.Time{}
	if b.known {
		return
	}
	b.limit, b.failed = min(b.limit, size-commandSize), size
	if b.learning != 0 && now.Before(b.until) { // it was sent together with one that has failed
		return
	}
	b.learning = min(max(2*b.learning, firstLearned), mostLearned)
	b.until = now.Add(b.learning)
}

// accepted notes that a write of size bytes has not failed.
func (b *sizeLimit) accepted(size int) {
	if size >= b.failed {
		b.learning = 0
	}
}

func tooLargeFor(size int, limit string) error {
	return fmt.Errorf("%w: a write of %d bytes, the server accepts %s: see its settings proto-max-bulk-len and client-query-buffer-limit", store.ErrTooLarge, size, limit)
}

// askSizes returns the lowest limit of all servers. known is false if none permits to ask.
func (c *Link) askSizes(ctx context.Context) (limit int, known bool, err error) {
	call, cancel := c.Deadlines.Begin(ctx)
	defer cancel()
	l, err := c.Connected(call)
	if err != nil {
		return 0, false, err
	}
	limit = math.MaxInt
	for _, node := range l.W.Nodes() {
		n, ok, err := sizeLimitOf(call, node)
		if err != nil && l.W.Mode() != rueidis.ClientModeCluster { // of a cluster, others may answer
			return 0, false, err
		}
		limit, known = min(limit, n), known || ok
	}
	return limit, known, nil
}

// sizeLimitOf returns the limit of one server. ok is false if it does not permit to ask.
func sizeLimitOf(ctx context.Context, node rueidis.Client) (limit int, ok bool, err error) {
	limit = math.MaxInt
	names := []string{"proto-max-bulk-len", "client-query-buffer-limit"}
	cmds := make([]rueidis.Completed, len(names))
	for i, name := range names {
		cmds[i] = node.B().Arbitrary("CONFIG", "GET", name).Build()
	}
	for i, r := range node.DoMulti(ctx, cmds...) {
		if err := r.NonRedisError(); err != nil {
			return math.MaxInt, false, err
		}
		settings, err := r.AsStrMap()
		if err != nil {
			continue
		}
		n, err := strconv.Atoi(settings[names[i]])
		if err != nil {
			continue
		}
		if i == 1 {
			n -= commandSize
		}
		limit, ok = min(limit, n), true
	}
	return limit, ok, nil
}

// SizeError returns what err means, of a write of size bytes, key included, that was sent.
// A server that has refused the write for its size, or may have, is asked for its settings
// before the next large write. If it does not permit that, writes of that size are refused
// for some time.
func (c *Link) SizeError(ctx context.Context, size int, err error) error {
	if size <= SafeSize {
		return err
	}
	b := &c.sizes
	refused := IsProtocolError(err)
	switch {
	case err == nil:
		select {
		case b.turn <- struct{}{}:
			b.accepted(size)
			<-b.turn
		default: // the next one will do
		}
	case refused, !isTimeout(err) && IsBroken(ctx, err):
		b.turn <- struct{}{}
		b.refused(time.Now(), size)
		<-b.turn
	}
	if refused {
		return tooLargeFor(size, "less")
	}
	return err
}

// Pinned returns cmd, of size bytes, so that rueidis does not use its memory again if it is
// large: a server may refuse it while rueidis still writes it.
func Pinned(cmd rueidis.Completed, size int) rueidis.Completed {
	if size > SafeSize {
		return cmd.Pin()
	}
	return cmd
}

// IsProtocolError reports whether err is the reply with which a server refuses the length
// of an argument, before it closes the connection.
func IsProtocolError(err error) bool {
	if err == nil { // no allocation
		return false
	}
	var reply *rueidis.RedisError
	return errors.As(err, &reply) && strings.HasPrefix(reply.Error(), "Protocol error")
}
