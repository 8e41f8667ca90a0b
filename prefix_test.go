package strata_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/redistest"
)

// A Prefix with an exclamation mark could give values the keys of another program's tags:
// it is an error, from any source.
func TestConfig_prefixOfTags(t *testing.T) {
	url := redistest.Start(t, nil).URL()
	for _, prefix := range []string{"!", "a:!", "a:!t:", "a!b:"} {
		_, err := strata.Open(t.Context(), &strata.Config{RedisURL: url, Prefix: prefix})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("Prefix %q: must not contain", prefix)) {
			t.Errorf("Open with %q: %v", prefix, err)
		}
		t.Setenv("STRATA_PREFIX", prefix)
		if _, err := strata.FromEnv(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("STRATA_PREFIX=%q: must not contain", prefix)) {
			t.Errorf("FromEnv with %q: %v", prefix, err)
		}
	}
}

// A Prefix with a hash tag puts all keys on one node of a cluster.
func TestConfig_prefixWithHashTag(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	b := backend(t, &strata.Config{RedisURL: "redis://" + cluster.Addrs()[0], Prefix: "{app}:"})
	if err := exercise(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	owner, _ := cluster.Owner("{app}:")
	for _, node := range cluster.Nodes {
		all, err := node.Do("KEYS", "{app}:*")
		if n := len(all.([]any)); err != nil || (n > 0) != (node == owner) {
			t.Errorf("%s has %d keys, %v; the owner is %s", node.Addr(), n, err, owner.Addr())
		}
	}
}
