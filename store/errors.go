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

	// ErrClosed says that the store, or what it rests on, was closed.
	ErrClosed = errors.New("closed")

	// ErrUnavailable says that the backend could not be reached or did not
	// answer in time. Whether a write took effect is then unknown.
	ErrUnavailable = errors.New("unavailable")

	// ErrAuth says that the backend refuses the credentials, or that they do not
	// permit the operation.
	ErrAuth = errors.New("credentials refused")

	// ErrTooLarge says that a key or a value exceeds a limit of the store, or
	// that the backend has no room for it. Nothing was changed by the write,
	// but that an older entry under the key may be gone.
	ErrTooLarge = errors.New("too large")

	// ErrUnstorable says that the store cannot hold this value as it is: its codec
	// cannot encode it, or it would not come back equal. Nothing was changed by
	// the write. A loaded value is answered all the same.
	ErrUnstorable = errors.New("cannot store the value")

	// ErrRefused says that a write was refused because of its arguments, and that
	// nothing has changed anywhere.
	ErrRefused = errors.New("refused")

	// ErrReplicas says that a write was made, but that fewer replicas than wanted
	// have confirmed it in time: a failover may undo it. There is no point in
	// making it again at once.
	ErrReplicas = errors.New("fewer replicas than wanted have confirmed")

	// ErrOverload says that a value was not loaded because too many loads are under
	// way, or too many have begun lately.
	ErrOverload = errors.New("too many loads")

	// ErrCycle says that a loader reads a value of which the load waits for that loader:
	// directly, or through other loads. The text of the error names the chain.
	ErrCycle = errors.New("load cycle")

	// ErrSlow is why a stale value is served while the source is asked: that takes,
	// or would take, longer than is to be waited.
	ErrSlow = errors.New("the source takes too long")

	// ErrInvalidKey says that no key can be made of what was given.
	ErrInvalidKey = errors.New("invalid key")

	// ErrWrongType says that what is under the key is of another kind: Add on
	// an entry, for instance.
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
