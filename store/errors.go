package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The sentinels below are matched with [errors.Is].
var (
	// ErrNotFound says that there is no usable entry under the key. A loader
	// returns it, or an error that wraps it, to say that the source has none.
	ErrNotFound = errors.New("not found")

	// ErrNotModified says that the source still has the value that was loaded from
	// it before. A loader that was given that value returns it, or an error that
	// wraps it, so that the value stays and begins a new life.
	ErrNotModified = errors.New("not modified")

	// ErrClosed says that the store, or the client or budget that it uses, was closed.
	ErrClosed = errors.New("closed")

	// ErrUnavailable says that the backend could not be reached or did not
	// answer in time. Whether a write took effect is then unknown.
	ErrUnavailable = errors.New("unavailable")

	// ErrAuth says that the backend refuses the credentials, or that they do not
	// permit the operation.
	ErrAuth = errors.New("credentials refused")

	// ErrTooLarge says that a key or a value exceeds a limit of the store, or that the
	// backend has no room for it. The write changed nothing, except that it may have removed
	// an older entry under the key.
	ErrTooLarge = errors.New("too large")

	// ErrUnstorable says that the store cannot hold this value as it is: its codec
	// cannot encode it, or decoding would not return an equal value. The write changed
	// nothing. The callers of a load still get the value.
	ErrUnstorable = errors.New("cannot store the value")

	// ErrRefused says that a write was refused because of its arguments, and changed
	// nothing in any tier.
	ErrRefused = errors.New("refused")

	// ErrReplicas says that a write was made, but that fewer replicas than required
	// confirmed it in time, so a failover may undo it. An immediate retry does not help.
	ErrReplicas = errors.New("fewer replicas than wanted have confirmed")

	// ErrOverload says that a value was not loaded because too many loads are running, or
	// too many have started recently.
	ErrOverload = errors.New("too many loads")

	// ErrCycle says that a loader reads a value whose own load waits for that loader,
	// directly or through other loads. The text of the error names the chain.
	ErrCycle = errors.New("load cycle")

	// ErrSlow is the Cause of a stale result that was returned because the load exceeded
	// the soft timeout, or would have.
	ErrSlow = errors.New("the source takes too long")

	// ErrInvalidKey says that an id has no key, or that a key is not allowed.
	ErrInvalidKey = errors.New("invalid key")

	// ErrWrongType says that the key has something of another kind, such as an entry where
	// Add expects a counter.
	ErrWrongType = errors.New("wrong type")
)

// An Error says which operation of which store failed on which key. It never
// holds a value.
type Error struct {
	Store string // "redis"
	Cache string // the name of the cache that the store serves; empty if it has none
	Op    string // "get"
	Key   string // empty where the operation has no single key
	Err   error  // the cause
}

// Error returns `redis: cache "user": get "42": unavailable`. It names the cache once,
// even if the cause also names it.
func (e *Error) Error() string {
	name, key := inText(e.Cache), ""
	if e.Key != "" {
		key = " " + strconv.Quote(shorten(e.Key))
	}
	cause := e.Err.Error()
	if name != "" {
		cause = strings.ReplaceAll(cause, name, "")
	}
	return e.Store + ": " + name + e.Op + key + ": " + cause
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// shorten keeps log lines readable where a key is long.
func shorten(key string) string {
	const most = 200
	if len(key) <= most {
		return key
	}
	return key[:most] + "..."
}

// unsupported is the error of a capability that s does not have.
func unsupported(s any, op string) error {
	return &Error{Store: fmt.Sprintf("%T", s), Op: op, Err: errors.ErrUnsupported}
}
