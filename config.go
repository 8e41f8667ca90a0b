package strata

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// An Engine keeps the entries of L1.
type Engine uint8

// The engines.
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

// A Config says what a [Backend] is made of. The zero Config is L1 alone.
type Config struct {
	// RedisURL is where L2 is: redis://, or rediss:// for TLS, as
	// redisstore.DialURL reads it, sentinels and clusters included.
	// Empty: there is no L2.
	RedisURL string

	// RedisPassword is the password for RedisURL, if that has none.
	RedisPassword string

	// Redis is a client to use instead of RedisURL. Close does not close it.
	Redis *redisstore.Client

	// RedisOptional lets Open succeed while Redis cannot be reached: caches
	// then work on L1 and their loaders, and use Redis when it is there.
	RedisOptional bool

	// Prefix begins every key in Redis, so that several programs can share
	// one. It must not contain "!", with which the keys of tags begin after the prefix, and
	// should end with ":". No Prefix should begin with that of another program. Braces make
	// it a hash tag: "{app}:" keeps everything on one node of a cluster. Empty: "strata:".
	Prefix string

	// Tracking says how L1 learns of the changes that other processes make. For a custom
	// client (Redis), its Dialer says it. Zero: PerKey.
	Tracking Tracking

	// MaxStale bounds how long L1 serves what another process has changed with Tracking
	// NoTracking or PubSub: how old what it has read from Redis may be. All processes should have it
	// alike. With other modes it must be zero. 0: 1 second.
	MaxStale time.Duration

	// Memory is the budget of L1 in bytes, shared by all caches.
	// 0: 64 MiB. Negative: there is no L1.
	Memory int64

	// Engine keeps the entries of L1.
	Engine Engine

	// MaxUnheard bounds how long L1 may serve without having heard from Redis:
	// what it copied from there, and what was loaded while Redis could not be
	// reached. With a client of one's own (Redis) the former is said by its
	// Dialer. 0: 2 seconds. Negative: what is loaded while Redis cannot be
	// reached is not kept, and for the rest it is 2 seconds.
	MaxUnheard time.Duration

	// WaitReplicas is how many replicas of Redis must have confirmed a change before
	// Set, Delete and their kin return. If fewer have, the error is
	// store.ErrReplicas: the change was made, but a failover may undo it. Not
	// together with Redis, whose Dialer says it. 0: none.
	WaitReplicas int

	// BreakAfter is how many operations of Redis in a row may fail before it is
	// not asked any more until it answers again: see redisstore.Dialer.BreakAfter,
	// which also says it where there is a client of one's own (Redis). 0: 5.
	// Negative: it is always asked.
	BreakAfter int

	// Logger gets a line when the breaker opens, because Redis does not answer, and when it
	// closes. For a custom client (Redis), set Logger of its Dialer. It also gets the first value of each cache
	// that Redis or L1 cannot hold, and the first change of each cache that Redis refuses
	// for good. nil: nothing is logged.
	Logger *slog.Logger

	// CaptureDeps has loaders that read other caches of the backend tied to what
	// they read: a value is invalidated when an id, of any of those caches, that
	// its loader has read with its context is changed: by Set, Delete, Clear and
	// their kin, by Expire and by Refresh, in any process. It lives no longer than
	// what it was made of. Such a loader reads caches as with GetFresh, which
	// takes an exchange with Redis each, and every change takes two more. What was
	// made of other values is always loaded anew, not asked for by Reload. Tags
	// that begin with "!" are its own. All processes must have it alike.
	CaptureDeps bool

	// Observer is told of every exchange with Redis and every load.
	// nil: nobody.
	Observer store.Observer
}

const (
	defaultPrefix = "strata:"
	defaultMemory = 64 << 20

	defaultUnheard = 2 * time.Second
)

// FromEnv returns the Config that the environment describes:
//
//	REDIS_URL              RedisURL
//	REDIS_PASSWORD         RedisPassword, if REDIS_URL is set
//	STRATA_REDIS_CA_FILE   ca_file of RedisURL: see redisstore.Dialer.DialURL
//	STRATA_REDIS_CERT_FILE cert_file of RedisURL
//	STRATA_REDIS_KEY_FILE  key_file of RedisURL
//	STRATA_REDIS_OPTIONAL  RedisOptional: "true" or "false"
//	STRATA_PREFIX          Prefix
//	STRATA_TRACKING        Tracking: "per-key", "broadcast", "off" (NoTracking) or "pubsub"
//	STRATA_MAX_STALE       MaxStale: a duration as in "1s"
//	STRATA_MEMORY          Memory: bytes, or with a unit as in "64MiB", "1GB"; "off" for no L1
//	STRATA_ENGINE          Engine: "otter" or "ristretto"
//	STRATA_MAX_UNHEARD     MaxUnheard: a duration as in "2s"; "off" for nothing
//	STRATA_WAIT_REPLICAS   WaitReplicas: a number
//
// What is not set, or empty, is left zero. The error names every variable that
// cannot be understood.
func FromEnv() (*Config, error) {
	c := &Config{
		RedisURL: os.Getenv("REDIS_URL"),
		Prefix:   os.Getenv("STRATA_PREFIX"),
	}
	var errs []error
	if err := checkPrefix(c.Prefix); err != nil {
		errs = append(errs, fmt.Errorf("STRATA_PREFIX=%q: %w", c.Prefix, err))
	}
	if c.RedisURL != "" { // a password alone is somebody else's
		c.RedisPassword = os.Getenv("REDIS_PASSWORD")
	}
	read := func(name string, parse func(string) error) {
		if v := os.Getenv(name); v != "" {
			if err := parse(v); err != nil {
				errs = append(errs, fmt.Errorf("%s=%q: %w", name, v, err))
			}
		}
	}
	inURL := func(parameter string) func(string) error {
		return func(v string) error {
			if c.RedisURL == "" {
				return errors.New("REDIS_URL is not set")
			}
			sep := "?"
			if strings.Contains(c.RedisURL, "?") {
				sep = "&"
			}
			c.RedisURL += sep + parameter + "=" + url.QueryEscape(v)
			return nil
		}
	}
	read("STRATA_REDIS_CA_FILE", inURL("ca_file"))
	read("STRATA_REDIS_CERT_FILE", inURL("cert_file"))
	read("STRATA_REDIS_KEY_FILE", inURL("key_file"))
	read("STRATA_REDIS_OPTIONAL", func(v string) (err error) {
		if c.RedisOptional, err = strconv.ParseBool(v); err != nil {
			err = errors.New(`want "true" or "false"`)
		}
		return err
	})
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
	read("STRATA_MAX_UNHEARD", func(v string) (err error) {
		if v == "off" {
			c.MaxUnheard = -1
			return nil
		}
		if c.MaxUnheard, err = time.ParseDuration(v); err != nil || c.MaxUnheard <= 0 {
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

// checkPrefix returns what is wrong with a prefix: the keys of the tags of another program
// could begin with it.
func checkPrefix(prefix string) error {
	if strings.Contains(prefix, "!") {
		return errors.New(`want one without "!", with which the keys of tags begin after the prefix`)
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
