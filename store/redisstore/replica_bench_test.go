package redisstore_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
)

// BenchmarkReadReplicas reads values from the primary alone, and with a replica. sent/op is how
// many bytes the primary sends for each.
func BenchmarkReadReplicas(b *testing.B) {
	primary := redistest.Start(b, nil)
	replica := redistest.StartReplica(b, primary)
	for _, size := range []int{100, 1 << 10, 10 << 10, 100 << 10} {
		for _, reads := range []bool{false, true} {
			name := fmt.Sprint(size, "/primary")
			opt := to(primary)
			if reads {
				name, opt = fmt.Sprint(size, "/replica"), byReplica(primary, replica)
			}
			b.Run(name, func(b *testing.B) {
				c := dialWith(b, &redisstore.Dialer{Timeout: patience, ReadReplicas: reads}, opt)
				s := strings(c, "p:")
				alive(b, s)
				if err := s.Set(ctx, "k", store.Entry[string]{Value: string(make([]byte, size))}); err != nil {
					b.Fatal(err)
				}
				read := func() {
					if _, err := s.Get(ctx, "k"); err != nil {
						b.Fatal(err)
					}
				}
				if reads && size >= 1<<10 {
					redistest.WaitFor(b, "the replica to be used", func() bool { read(); return c.Health().ReplicaReads > 0 })
				}
				before := sent(b, primary)
				for b.Loop() {
					read()
				}
				b.ReportMetric(float64(sent(b, primary)-before)/float64(b.N), "sent/op")
			})
		}
	}
}

// sent returns how many bytes a server has sent, its replication included.
func sent(b *testing.B, s *redistest.Server) int {
	info, err := s.Info("stats")
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(info["total_net_output_bytes"])
	if err != nil {
		b.Fatal(err)
	}
	return n
}
