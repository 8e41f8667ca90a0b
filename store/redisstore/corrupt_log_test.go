package redisstore_test

import (
	"log/slog"
	stdstrings "strings"
	"testing"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/redisstore"
)

// Bytes that are no record are one line in the log, with the name of the cache and the key but not
// the bytes.
func TestStore_Get_foreignLogged(t *testing.T) {
	srv := redistest.Start(t, nil)
	var log lines
	c := dialWith(t, &redisstore.Dialer{Logger: slog.New(&log)}, to(srv))
	s := redisstore.New(c, &redisstore.Options[string]{Codec: codec.String(), Name: "listing"})
	for _, key := range []string{"one", "two"} {
		if _, err := srv.Do("SET", key, "planted bytes"); err != nil {
			t.Fatal(err)
		}
		get(t, s, key, "")
	}
	attrs := log.of(t, slog.LevelWarn)
	text := attrs["error"].String()
	if attrs["cache"].String() != "listing" || !stdstrings.Contains(text, `"one"`) || stdstrings.Contains(text, "planted") {
		t.Errorf("attributes %v", attrs)
	}
}
