package redisstore_test

import (
	"testing"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store/storetest"
	"github.com/redis/rueidis"
)

// padding makes values so large that they are read from replicas.
type padding struct{ codec.Codec[value] }

const padBytes = 2 << 10

func (p padding) Append(dst []byte, v value) ([]byte, error) {
	start := len(dst)
	dst, err := p.Codec.Append(append(dst, make([]byte, padBytes)...), v)
	if err != nil {
		dst = dst[:start]
	}
	return dst, err
}

func (p padding) Decode(src []byte) (value, error) {
	if len(src) < padBytes {
		return value{}, codec.ErrCorrupt
	}
	return p.Codec.Decode(src[padBytes:])
}

// A store that reads from replicas is a store as any other.
func TestReadReplicas_conformance(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		primary := redistest.Start(t, nil)
		replica := redistest.StartReplica(t, primary)
		option := func(testing.TB) rueidis.ClientOption { return byReplica(primary, replica) }
		t.Cleanup(func() { checkAsked(t, replica) }) // behind the tests, which are parallel
		storetest.Run(t, (&place{option: option, proxied: true, replicas: true}).harness())
	})
	t.Run("cluster", func(t *testing.T) {
		cl := redistest.StartReplicatedCluster(t, 2)
		option := func(testing.TB) rueidis.ClientOption { return rueidis.ClientOption{InitAddress: cl.Addrs()[:1]} }
		t.Cleanup(func() { checkAsked(t, cl.Replicas...) })
		storetest.Run(t, (&place{option: option, replicas: true}).harness())
	})
}

func checkAsked(t *testing.T, replicas ...*redistest.Server) {
	t.Helper()
	for i, r := range replicas {
		if n := calls(t, r)["get"]; n < 20 {
			t.Errorf("replica %d was asked for %d values", i, n)
		}
	}
}
