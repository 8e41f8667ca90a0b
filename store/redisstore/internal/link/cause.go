package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/internal/rediserr"
	"github.com/lokroom/strata/store"
	"github.com/redis/rueidis"
)

// ErrTimeout is the cause of an ErrUnavailable where Redis did not answer in time.
var ErrTimeout = errors.New("no answer in time")

// errNoTracking says why a server cannot be used.
var errNoTracking = errors.New("client tracking over RESP3 does not work: the server must be Redis 6 or later, and a proxy in front of it must pass on HELLO 3, CLIENT TRACKING and pushes")

// withoutTracking is the remedy for errNoTracking.
const withoutTracking = "to do without, set Config.Tracking to strata.NoTracking (STRATA_TRACKING=off), or Dialer.NoTracking"

// noTracking returns what to report where the server has said why.
func noTracking(why string) error {
	return fmt.Errorf("%w: %s; %s", errNoTracking, why, withoutTracking)
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Cause returns what to report for err, an error of rueidis or of this package,
// from an operation that was called with ctx. If a server says that it is no primary, its
// address is dialled again.
//
//	ctx is done                                     its error
//	the client was closed                           ErrClosed
//	an error reply                                  see ReplyCause
//	anything else: refused, reset, timeout ...      ErrUnavailable
//
// What says that Redis cannot be used is noted for LastError.
func (c *Link) Cause(ctx context.Context, err error) error {
	cause := c.causeOf(ctx, err)
	c.Errors.Note(cause)
	return cause
}

func (c *Link) causeOf(ctx context.Context, err error) error {
	if redisdial.IsReadOnly(err) {
		c.Conns.Redial("")
	}
	var unconnected *connectError
	if errors.As(err, &unconnected) {
		cause := c.causeOf(ctx, unconnected.err)
		if c.MaxStale == 0 && refusesHello(unconnected.err, cause) {
			cause = noTracking("HELLO 3 is refused: " + cause.Error())
		}
		if isContext(cause) || errors.Is(cause, store.ErrClosed) {
			return cause
		}
		return redisdial.Explain(&c.Opt, unconnected.err, cause)
	}
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		if IsDenied(reply) {
			c.hooks.Denied()
		}
		return ReplyCause(reply.Error(), err)
	}
	var refused *redisdial.RefusedError
	if errors.As(err, &refused) {
		err = ReplyCause(refused.Reply, err)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isPast(ctx) && errors.Is(err, context.DeadlineExceeded): // its timer is late
		return context.DeadlineExceeded
	case errors.Is(err, store.ErrClosed), c.isClosed():
		return store.ErrClosed
	case IsOurs(err):
		return err
	case errors.Is(err, rueidis.ErrNoCache):
		text, _, _ := strings.Cut(err.Error(), "\n") // the reply, if there was one
		if _, denied := rediserr.Denied(text); denied {
			return rediserr.Reply(text, errors.New(text))
		}
		if text == rueidis.ErrNoCache.Error() {
			text = "HELLO 3 is refused"
		}
		return noTracking(text)
	case isTimeout(err), errors.Is(err, context.Canceled):
		// Not the caller's context, which the chain must not suggest.
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ErrTimeout)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// refusesHello reports whether err, of a connection, is the reply of a server or a proxy that
// does not know HELLO, or not its version 3. cause is what it means.
func refusesHello(err, cause error) bool {
	var reply *rueidis.RedisError
	if !errors.As(err, &reply) || errors.Is(cause, store.ErrAuth) || errors.Is(cause, store.ErrUnavailable) {
		return false
	}
	return strings.HasPrefix(reply.Error(), "NOPROTO") || strings.Contains(strings.ToUpper(reply.Error()), "HELLO")
}

// A connectError says that err is why the connections could not be made: [Link.Cause]
// adds the address and the remedy.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

func isPast(ctx context.Context) bool {
	at, ok := ctx.Deadline()
	return ok && !time.Now().Before(at)
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// IsOurs reports whether err says already what it means.
func IsOurs(err error) bool {
	for _, known := range []error{store.ErrUnavailable, store.ErrReplicas, store.ErrTooLarge, store.ErrWrongType, store.ErrAuth, store.ErrUnstorable, store.ErrInvalidKey, errBlind, errSentinel, errors.ErrUnsupported} {
		if errors.Is(err, known) {
			return true
		}
	}
	var own *ownError
	return errors.As(err, &own)
}

// ReplyCause is [rediserr.Reply].
func ReplyCause(text string, err error) error { return rediserr.Reply(text, err) }

// MaxTries is how often something is tried that does no harm twice: once more after
// a connection broke, and once more again if the dial that this one waited for was
// given up by its caller.
const MaxTries = 3

// IsBroken reports whether err says that a connection broke under a command, or
// could not be made, so that the command is worth a second try.
func IsBroken(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil || errors.Is(err, rueidis.ErrClosing) || errors.Is(err, errOpen) {
		return false
	}
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		return false
	}
	// A refused connection will be refused again. What ended with the context
	// of the call that happened to dial may succeed with ours.
	var e *net.OpError
	if errors.As(err, &e) && e.Op == "dial" {
		return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	return true
}

// IsUnsent reports whether err says that a command was not sent: its slot has no node, or that
// refuses connections.
func IsUnsent(err error) bool {
	if err == nil {
		return false // each write asks: e would be allocated
	}
	var e *net.OpError
	return errors.Is(err, rueidis.ErrNoSlot) || errors.As(err, &e) && e.Op == "dial"
}

// Retried sends what does no harm twice again where a connection broke.
func Retried(ctx context.Context, send func() rueidis.RedisResult) (r rueidis.RedisResult) {
	for range MaxTries {
		if r = send(); !IsBroken(ctx, r.Error()) {
			break
		}
	}
	return r
}

var ErrBadReply = errors.New("a script answered what it never does")

var (
	// ErrDemoted says that T or W leads to a server that follows another.
	ErrDemoted = fmt.Errorf("%w: not a primary any more", store.ErrUnavailable)

	// ErrApart says that T and W lead to different primaries.
	ErrApart = fmt.Errorf("%w: one connection leads to a primary that was replaced", store.ErrUnavailable)

	// ErrReplaced says that what answered is not what had answered before.
	ErrReplaced = errors.New("the connection was replaced meanwhile")
)

// IsDenied reports whether err is an error reply that says that the user lacks a right.
func IsDenied(err error) bool {
	var reply *rueidis.RedisError
	if !errors.As(err, &reply) {
		return false
	}
	_, denied := rediserr.Denied(reply.Error())
	return denied
}

// Lacks reports whether err is the reply of a server, or a proxy, that does not have, or does
// not permit, a command.
func Lacks(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	text := strings.ToLower(reply.Error())
	return IsDenied(err) || strings.Contains(text, "unknown") || strings.Contains(text, "unsupported") || strings.Contains(text, "not supported") ||
		strings.Contains(text, "not allowed") || strings.Contains(text, "disabled")
}

// FirstOf returns the first of two errors that is not nil.
func FirstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// FillErrors sets those of errs that are nil.
func FillErrors(errs []error, err error) {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
}

// An ownError says already what it means.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

// Own marks err as one that says what it means, though it is none of package store.
func Own(err error) error { return &ownError{err} }

// OpenCause returns cause, which was made of err, so that it has the outcome of a write.
func OpenCause(err, cause error) error {
	var reply *rueidis.RedisError
	open := errors.As(err, &reply) || store.OutcomeOf(cause) == store.Open
	if !open || errors.Is(cause, store.ErrUnavailable) || isContext(cause) {
		return cause
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, cause)
}

// StoreName names this store in errors and to observers.
const StoreName = "redis"
