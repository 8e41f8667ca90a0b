// Package replica lets loaders read from a streaming standby of PostgreSQL without caching
// what is older than the change that invalidated the value.
//
// After an invalidation the next read loads. A standby that has not replayed the change yet
// would return the old value, which the cache would keep for its TTL. A [Reader] waits until
// the standby has replayed the position of the write-ahead log that the change has, and
// otherwise returns the primary:
//
//	reader, err := replica.New(primary, standby, &replica.Options{AskPrimary: true})
//	load := func(ctx context.Context, id int64) (Listing, error) {
//		db, err := reader.DB(ctx)
//		...
//	}
package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Position is a position in the write-ahead log of PostgreSQL (an LSN). The zero Position
// is before every change. Positions of a primary mean nothing on a server that was promoted
// before it had them.
type Position uint64

// ParsePosition parses the text of a pg_lsn, such as "16/B374D848". The empty text is the
// zero Position.
func ParsePosition(s string) (Position, error) {
	if s == "" {
		return 0, nil
	}
	high, low, ok := strings.Cut(s, "/")
	h, herr := strconv.ParseUint(high, 16, 32)
	l, lerr := strconv.ParseUint(low, 16, 32)
	if !ok || herr != nil || lerr != nil {
		return 0, fmt.Errorf("replica: %q is not a position of a write-ahead log", s)
	}
	return Position(h<<32 | l), nil
}

// String returns the text of a pg_lsn.
func (p Position) String() string { return fmt.Sprintf("%X/%X", uint64(p)>>32, uint32(p)) }

// MarshalText returns the text of a pg_lsn, for a header, a cookie or a message.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses the result of MarshalText.
func (p *Position) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePosition(string(text))
	return err
}

type positionKey struct{}

// WithPosition returns a context whose reads see all changes up to p. Of several positions the
// latest counts.
func WithPosition(ctx context.Context, p Position) context.Context {
	if have, _ := ctx.Value(positionKey{}).(Position); have >= p {
		return ctx
	}
	return context.WithValue(ctx, positionKey{}, p)
}

// Options configure a [Reader]. Nil and the zero value select the defaults.
type Options struct {
	// Wait bounds how long DB waits for the standby. 0: 100 ms.
	Wait time.Duration

	// AskPrimary makes DB ask the primary for its current position, in one short query, so
	// that loads in all processes see all changes that were committed before them. False:
	// they see the changes that Committed and WithPosition have reported, which are those
	// of this process and of the caller.
	AskPrimary bool

	// Timeout bounds each query of the Reader. 0: 1 second.
	Timeout time.Duration
}

// A Reader selects the server for a load. All methods are safe for concurrent use.
type Reader struct {
	primary, standby *sql.DB
	opts             Options

	mu       sync.Mutex
	latest   Position // of the changes of this process
	unknown  bool     // a change has no known position
	replayed Position // of the standby, as far as is known
}

// New returns a reader of one standby of one primary. o may be nil.
func New(primary, standby *sql.DB, o *Options) (*Reader, error) {
	if primary == nil || standby == nil {
		return nil, errors.New("replica: a reader needs a primary and a standby")
	}
	r := &Reader{primary: primary, standby: standby}
	if o != nil {
		r.opts = *o
	}
	if r.opts.Wait < 0 || r.opts.Timeout < 0 {
		return nil, fmt.Errorf("replica: Options.Wait %v or Timeout %v is negative", r.opts.Wait, r.opts.Timeout)
	}
	if r.opts.Wait == 0 {
		r.opts.Wait = 100 * time.Millisecond
	}
	if r.opts.Timeout == 0 {
		r.opts.Timeout = time.Second
	}
	return r, nil
}

// Committed asks the primary for its position, and remembers it for the loads of this process.
// Call it after a commit and before the invalidation: set outbox.Options.Committed to it. If
// it fails, loads use the primary until it succeeds.
func (r *Reader) Committed(ctx context.Context) error {
	p, err := r.current(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unknown = err != nil
	r.latest = max(r.latest, p)
	return err
}

// Latest returns the position of the latest call of Committed. Send it to readers in other
// processes, which pass it to WithPosition.
func (r *Reader) Latest() Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

// DB returns the standby if it has replayed all changes that the load must see, or does so
// within Options.Wait. Otherwise it returns the primary. The error is that of ctx.
func (r *Reader) DB(ctx context.Context) (*sql.DB, error) {
	want, ok := r.wanted(ctx)
	if ok && r.reached(ctx, want) {
		return r.standby, nil
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	return r.primary, nil
}

// wanted returns the position that a load must see; ok is false if it is unknown.
func (r *Reader) wanted(ctx context.Context) (p Position, ok bool) {
	if r.opts.AskPrimary {
		p, err := r.current(ctx)
		return p, err == nil
	}
	p, _ = ctx.Value(positionKey{}).(Position)
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(p, r.latest), !r.unknown
}

// current returns a position of the primary that is not before any committed change.
func (r *Reader) current(ctx context.Context) (Position, error) {
	p, err := r.position(ctx, r.primary, "SELECT pg_current_wal_insert_lsn()::text")
	if err != nil {
		return 0, fmt.Errorf("replica: position of the primary: %w", err)
	}
	return p, nil
}

// reached reports whether the standby has replayed want, and waits for it.
func (r *Reader) reached(ctx context.Context, want Position) bool {
	r.mu.Lock()
	done := r.replayed >= want
	r.mu.Unlock()
	end := time.Now().Add(r.opts.Wait)
	for wait := time.Millisecond; !done; wait = min(2*wait, 10*time.Millisecond) {
		p, err := r.position(ctx, r.standby, "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END")
		if err != nil {
			return false
		}
		r.mu.Lock()
		r.replayed = max(r.replayed, p)
		r.mu.Unlock()
		if p >= want {
			return true
		}
		if time.Until(end) < wait {
			return false
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (r *Reader) position(ctx context.Context, db *sql.DB, query string) (Position, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	var text sql.NullString
	if err := db.QueryRowContext(ctx, query).Scan(&text); err != nil {
		return 0, err
	}
	return ParsePosition(text.String)
}
