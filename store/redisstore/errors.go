package redisstore

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

// ErrAuth is [store.ErrAuth].
var ErrAuth = store.ErrAuth

// errTimeout is the cause of an ErrUnavailable where Redis did not answer in time.
var errTimeout = errors.New("no answer in time")

// errNoTracking says why a server cannot be used.
var errNoTracking = errors.New("client tracking over RESP3 does not work: the server must be Redis 6 or later, and a proxy in front of it must pass on HELLO 3, CLIENT TRACKING and pushes")

// withoutTracking is the remedy for errNoTracking.
const withoutTracking = "to do without, set Config.Tracking to strata.NoTracking (STRATA_TRACKING=off), or Dialer.NoTracking"

// noTracking returns what to report where the server has said why.
func noTracking(why string) error {
	return fmt.Errorf("%w: %s; %s", errNoTracking, why, withoutTracking)
}

// op describes an operation on so many keys to the observer. key is empty if there is no
// single one.
func (s *Store[T]) op(name, key string, keys int) store.Op {
	return store.Op{Store: storeName, Cache: s.name, Name: name, Key: key, Keys: keys}
}

// fail counts a failed operation and wraps its error.
func (s *Store[T]) fail(ctx context.Context, op, key string, err error) error {
	s.stats.errors.Add(1)
	cause := s.client.cause(ctx, err)
	var reply *rueidis.RedisError
	var unheard *unheardError
	switch {
	case errors.As(err, &unheard): // the beat has told
	case errors.As(err, &reply):
		s.answered(key)
	case errors.Is(cause, store.ErrUnavailable) && !isOurs(err) && !(s.impatient && errors.Is(cause, errTimeout)):
		s.client.breakers.failed(s.prefix + key)
	}
	return &store.Error{Store: storeName, Cache: s.name, Op: op, Key: key, Err: cause}
}

// failWrite is fail for a write that invalidates. A reply that is an error does not tell
// whether the old value is still there: whatever it says, the write is open. So each
// error of such a write is a refusal of this package, the error of ctx, or ErrUnavailable.
func (s *Store[T]) failWrite(ctx context.Context, op, key string, err error) error {
	failed := s.fail(ctx, op, key, err).(*store.Error)
	failed.Err = openCause(err, failed.Err)
	return failed
}

// openCause returns cause, which was made of err, so that it tells the outcome of a write.
func openCause(err, cause error) error {
	var reply *rueidis.RedisError
	open := errors.As(err, &reply) || store.OutcomeOf(cause) == store.Open
	if !open || errors.Is(cause, store.ErrUnavailable) || isContext(cause) {
		return cause
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, cause)
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// keyErrors returns the error of an operation on many keys: of one key, it is its own.
func keyErrors(errs map[string]error, keys int) error {
	if keys == 1 {
		for _, err := range errs {
			return err
		}
	}
	return store.NewManyError(errs)
}

// answered says that Redis has answered an operation on key.
func (s *Store[T]) answered(key string) {
	if s.client.breakers.uneasy.Load() { // else there is nobody to tell
		s.client.breakers.succeeded(s.prefix + key)
	}
}

// error is fail for one more key of an operation that has failed: it does not count.
func (s *Store[T]) error(ctx context.Context, op, key string, err error) error {
	return &store.Error{Store: storeName, Cache: s.name, Op: op, Key: key, Err: s.client.cause(ctx, err)}
}

// cause returns what to report for err, an error of rueidis or of this package,
// from an operation that was called with ctx. If a server says that it is no primary, its
// address is dialled again.
//
//	ctx is done                                     its error
//	the client was closed                           ErrClosed
//	an error reply                                  see replyCause
//	anything else: refused, reset, timeout ...      ErrUnavailable
//
// What says that Redis cannot be used is noted for [Client.Health].
func (c *Client) cause(ctx context.Context, err error) error {
	cause := c.causeOf(ctx, err)
	c.errors.note(cause)
	return cause
}

func (c *Client) causeOf(ctx context.Context, err error) error {
	if redisdial.IsReadOnly(err) {
		c.conns.Redial("")
	}
	var unconnected *connectError
	if errors.As(err, &unconnected) {
		cause := c.causeOf(ctx, unconnected.err)
		if c.maxStale == 0 && refusesHello(unconnected.err, cause) {
			cause = noTracking("HELLO 3 is refused: " + cause.Error())
		}
		if isContext(cause) || errors.Is(cause, store.ErrClosed) {
			return cause
		}
		return redisdial.Explain(&c.opt, unconnected.err, cause)
	}
	var reply *rueidis.RedisError
	if errors.As(err, &reply) {
		if isDenied(reply) {
			c.rights.passed.Store(false)
		}
		return replyCause(reply.Error(), err)
	}
	var refused *redisdial.RefusedError
	if errors.As(err, &refused) {
		err = replyCause(refused.Reply, err)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isPast(ctx) && errors.Is(err, context.DeadlineExceeded): // its timer is late
		return context.DeadlineExceeded
	case errors.Is(err, store.ErrClosed), c.isClosed():
		return store.ErrClosed
	case isOurs(err):
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
		return fmt.Errorf("%w: %w", store.ErrUnavailable, errTimeout)
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

// An unsupportedError is the reply of a proxy that does not have a command: errors.ErrUnsupported.
type unsupportedError struct{ error }

func (e *unsupportedError) Unwrap() []error { return []error{errors.ErrUnsupported} }

// A connectError says that err is why the connections could not be made: [Client.cause]
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

// isOurs reports whether err says already what it means.
func isOurs(err error) bool {
	for _, known := range []error{store.ErrUnavailable, store.ErrReplicas, store.ErrTooLarge, store.ErrWrongType, ErrAuth, store.ErrUnstorable, store.ErrInvalidKey, errNegativeTTL, errMost, errNoHold, errBlind, errSentinel, errors.ErrUnsupported} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// replyCause is [rediserr.Reply].
func replyCause(text string, err error) error { return rediserr.Reply(text, err) }

// maxTries is how often something is tried that does no harm twice: once more after
// a connection broke, and once more again if the dial that this one waited for was
// given up by whoever made it.
const maxTries = 3

// isBroken reports whether err says that a connection broke under a command, or
// could not be made, so that the command is worth a second try.
func isBroken(ctx context.Context, err error) bool {
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
