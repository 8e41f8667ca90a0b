package strata

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/internal/redisdial"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// An Engine is the in-memory cache that implements L1.
type Engine uint8

// Engines of L1.
const (
	Otter     Engine = iota // W-TinyLFU; the default
	Ristretto               // sampled LFU with TinyLFU admission
)

// String returns "otter" or "ristretto".
func (e Engine) String() string {
	switch e {
	case Otter:
		return "otter"
	case Ristretto:
		return "ristretto"
	default:
		return fmt.Sprintf("Engine(%d)", uint8(e))
	}
}

// A Config configures a [Backend]. The zero Config is L1 alone.
type Config struct {
	// RedisURL is the address of L2: redis://, or rediss:// for TLS. Sentinels and clusters
	// are supported: see redisstore.Dialer.DialURL. Empty: there is no L2.
	RedisURL string

	// RedisPassword is the password for a RedisURL that has none.
	RedisPassword string

	// Redis is a custom client. RedisURL must then be empty. Close does not close the
	// client.
	Redis *redisstore.Client

	// RedisOptional lets Open succeed while Redis is unreachable. Caches then use L1 and
	// their loaders, and use Redis as soon as it is reachable.
	RedisOptional bool

	// Prefix is the prefix of every key in Redis, so that several programs can share one
	// server. It must not contain "!", which starts the keys of tags after the prefix, and
	// should end with ":". No Prefix should be a prefix of that of another program. Braces
	// make it a hash tag: "{app}:" keeps all keys on one node of a cluster. Empty:
	// "strata:".
	Prefix string

	// Tracking selects how L1 is notified of changes made by other processes. With a custom
	// client (Redis), set the fields of its redisstore.Dialer instead. Zero: PerKey.
	Tracking Tracking

	// MaxStale bounds how long L1 serves a value that another process has changed, with the
	// Tracking modes NoTracking and PubSub. It is the maximum age of a copy before L1
	// checks it with Redis. All processes should use the same value. With other modes it
	// must be zero. 0: 1 second.
	MaxStale time.Duration

	// Memory is the budget of L1 in bytes, shared by all caches. 0: 64 MiB. Negative: there
	// is no L1. Positive values below 1 MiB are an error.
	Memory int64

	// Engine is the in-memory cache that implements L1. Zero: Otter.
	Engine Engine

	// MaxDisconnected is how long L1 keeps serving after contact with Redis is lost. It
	// also bounds how long L1 keeps a value that was loaded while Redis was unreachable.
	// With a custom client (Redis), its redisstore.Dialer sets the bound for copies of
	// values in Redis. 0: 2 seconds. Negative: values loaded while Redis is unreachable are
	// not cached, and the bound for copies is 2 seconds.
	MaxDisconnected time.Duration

	// WaitReplicas is how many replicas of Redis must confirm a change before the call that
	// made it returns. If fewer do, the error is store.ErrReplicas: the change was made,
	// but a failover may undo it. It requires RedisURL; with a custom client (Redis), set
	// redisstore.Dialer.WaitReplicas instead. 0: none.
	WaitReplicas int

	// ReadReplicas lets replicas of Redis send values of more than 1 KiB, which saves bytes
	// that primaries send: see redisstore.Dialer.ReadReplicas. No guarantee is weaker. With one
	// server, RedisURL must name its replicas ("?replica=host:port"). It requires RedisURL and
	// Tracking PerKey or Broadcast; with a custom client (Redis), set the field of its Dialer
	// instead.
	ReadReplicas bool

	// BreakAfter is how many consecutive Redis operations may fail before the circuit
	// breaker opens: see redisstore.Dialer.BreakAfter. It requires RedisURL; with a custom
	// client (Redis), set the field of its Dialer instead. 0: 5. Negative: the breaker
	// never opens.
	BreakAfter int

	// Logger receives a line when the circuit breaker of Redis opens and when it closes, when
	// invalidations stop to arrive and when they arrive again, and when Redis may have lost
	// writes. With a custom client (Redis), set the Logger of its Dialer for these. It also
	// receives, for each cache, the first value that Redis or L1 cannot hold, the first change
	// that Redis refuses permanently, and a retry queue that is long. nil: nothing is logged.
	Logger *slog.Logger

	// CaptureDeps ties a value to the cached values that its loader has read. If the loader
	// reads other caches of the backend with its context, a change of an id that it read
	// invalidates the value. Changes are Set, Delete, Clear and the like, MarkStale and
	// Refresh, in any process. The value expires no later than the values that it was made
	// of.
	//
	// Such a loader reads caches like GetFresh, which takes one Redis exchange per read.
	// Every change takes two more exchanges. A value made of others is never revalidated by
	// Reload but always loaded. Tags that begin with "!" are reserved. All processes must
	// use the same setting.
	CaptureDeps bool

	// NotFound are errors of the source that mean that it has no value, such as
	// sql.ErrNoRows. A loader error that matches one of them by errors.Is counts as
	// store.ErrNotFound, which callers get in its place: the cache remembers that the id is
	// absent. nil: store.ErrNotFound alone.
	NotFound []error

	// IsNotFound reports whether an error of the source means that it has no value, for
	// errors that errors.Is cannot match, such as a status code. It must be quick and safe
	// for concurrent use. nil: NotFound decides.
	IsNotFound func(err error) bool

	// Observer is notified of every Redis operation and every load. nil: no observer.
	Observer store.Observer

	// Hooks are functions that are called when something has happened in a cache, such as a load
	// or a change. Zero: none.
	Hooks Hooks
}

const (
	defaultPrefix = "strata:"
	defaultMemory = 64 << 20
	minMemory     = 1 << 20

	defaultMaxDisconnected = 2 * time.Second
)

// FromEnv returns the Config described by environment variables:
//
//	REDIS_URL               RedisURL
//	REDIS_PASSWORD          RedisPassword, if REDIS_URL is set
//	STRATA_REDIS_CA_FILE    ca_file of RedisURL: see redisstore.Dialer.DialURL
//	STRATA_REDIS_CERT_FILE  cert_file of RedisURL
//	STRATA_REDIS_KEY_FILE   key_file of RedisURL
//	STRATA_REDIS_OPTIONAL   RedisOptional: "true" or "false"
//	STRATA_PREFIX           Prefix
//	STRATA_TRACKING         Tracking: "per-key", "broadcast", "off" (NoTracking) or "pubsub"
//	STRATA_MAX_STALE        MaxStale: a duration such as "1s"
//	STRATA_MEMORY           Memory: bytes, or with a unit such as "64MiB", "1GB"; "off" for no L1
//	STRATA_ENGINE           Engine: "otter" or "ristretto"
//	STRATA_MAX_DISCONNECTED MaxDisconnected: a duration such as "2s"; "off" for a negative one
//	STRATA_WAIT_REPLICAS    WaitReplicas: a number
//	STRATA_READ_REPLICAS    ReadReplicas: "true" or "false"
//
// Unset and empty variables leave their fields zero. The error names every variable with an
// invalid value.
func FromEnv() (*Config, error) {
	c := &Config{Prefix: os.Getenv("STRATA_PREFIX")}
	var errs []error
	c.RedisURL, c.RedisPassword, errs = redisdial.Env()
	if err := checkPrefix(c.Prefix); err != nil {
		errs = append(errs, fmt.Errorf("STRATA_PREFIX=%q: %w", c.Prefix, err))
	}
	read := func(name string, parse func(string) error) {
		if v := os.Getenv(name); v != "" {
			if err := parse(v); err != nil {
				errs = append(errs, fmt.Errorf("%s=%q: %w", name, v, err))
			}
		}
	}
	read("STRATA_REDIS_OPTIONAL", boolean(&c.RedisOptional))
	read("STRATA_READ_REPLICAS", boolean(&c.ReadReplicas))
	read("STRATA_TRACKING", func(v string) (err error) {
		c.Tracking, err = parseTracking(v)
		return err
	})
	read("STRATA_MAX_STALE", func(v string) (err error) {
		if c.MaxStale, err = time.ParseDuration(v); err != nil || c.MaxStale <= 0 {
			err = errors.New(`want a duration like "1s"`)
		}
		return err
	})
	read("STRATA_MEMORY", func(v string) (err error) {
		c.Memory, err = parseBytes(v)
		return err
	})
	read("STRATA_ENGINE", func(v string) (err error) {
		c.Engine, err = parseEngine(v)
		return err
	})
	read("STRATA_MAX_DISCONNECTED", func(v string) (err error) {
		if v == "off" {
			c.MaxDisconnected = -1
			return nil
		}
		if c.MaxDisconnected, err = time.ParseDuration(v); err != nil || c.MaxDisconnected <= 0 {
			err = errors.New(`want a duration like "2s", or "off"`)
		}
		return err
	})
	read("STRATA_WAIT_REPLICAS", func(v string) (err error) {
		if c.WaitReplicas, err = strconv.Atoi(v); err != nil || c.WaitReplicas < 0 {
			err = errors.New(`want a number like "1"`)
		}
		return err
	})
	if len(errs) > 0 {
		return nil, fmt.Errorf("strata: %w", oneline.Join(errs...))
	}
	return c, nil
}

// boolean returns a function that sets field.
func boolean(field *bool) func(string) error {
	return func(v string) (err error) {
		if *field, err = strconv.ParseBool(v); err != nil {
			err = errors.New(`want "true" or "false"`)
		}
		return err
	}
}

// checkPrefix returns an error if the keys of tags of another program could begin with
// prefix.
func checkPrefix(prefix string) error {
	if strings.Contains(prefix, "!") {
		return errors.New(`must not contain "!", which starts the keys of tags after the prefix`)
	}
	if strings.ContainsFunc(prefix, unicode.IsControl) {
		return errors.New("must not contain control characters")
	}
	return nil
}

func parseEngine(v string) (Engine, error) {
	for _, e := range []Engine{Otter, Ristretto} {
		if strings.EqualFold(v, e.String()) {
			return e, nil
		}
	}
	return 0, errors.New(`want "otter" or "ristretto"`)
}

var byteUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

func parseBytes(v string) (int64, error) {
	if v == "off" {
		return -1, nil
	}
	number, unit := v, int64(1)
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(v, u.suffix); ok {
			number, unit = n, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return 0, errors.New(`want bytes like "67108864", "64MiB" or "1GB", or "off"`)
	}
	return n * unit, nil
}
