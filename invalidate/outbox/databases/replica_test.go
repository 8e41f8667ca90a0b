package databases

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/dbtest"
	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/invalidate/outbox"
	"github.com/lokroom/strata/invalidate/replica"
)

// A loader that reads from a delayed standby caches old values. With a replica.Reader it
// caches none: in the writer's process with Committed, in others with AskPrimary, and for a
// caller with the position of the writer.
func TestReplica(t *testing.T) {
	const moves = 8
	redis := redistest.Start(t, nil)
	server := postgreSQL()
	d := database{outbox.PostgreSQL, "pgx", server.DSN}
	primary := d.fresh(t, 20)
	behind := database{outbox.PostgreSQL, "pgx", dbtest.StartStandby(t, server, 100*time.Millisecond).DSN}
	standby := behind.open(t)
	redistest.WaitFor(t, "the standby", func() bool {
		var n int
		return standby.QueryRow("SELECT count(*) FROM listings").Scan(&n) == nil && n == 20
	})
	reader := func(o replica.Options) *replica.Reader {
		r, err := replica.New(primary, standby, &o)
		must(t, err)
		return r
	}
	none := func(context.Context) (*sql.DB, error) { return standby, nil }
	same := reader(replica.Options{Wait: 20 * time.Millisecond})
	waiting := reader(replica.Options{Wait: 5 * time.Second})
	asking := reader(replica.Options{Wait: 5 * time.Second, AskPrimary: true})
	token := reader(replica.Options{Wait: 5 * time.Second})
	for _, c := range []struct {
		name      string
		db        func(context.Context) (*sql.DB, error)
		committed func(context.Context) error
		ctx       func(context.Context) context.Context
		stale     bool
	}{
		{"standby alone", none, nil, nil, true},
		{"another process without a position", reader(replica.Options{}).DB, nil, nil, true},
		{"Committed, then the primary", same.DB, same.Committed, nil, false},
		{"Committed, and the standby", waiting.DB, waiting.Committed, nil, false},
		{"AskPrimary", asking.DB, nil, nil, false},
		{"position", token.DB, same.Committed, func(ctx context.Context) context.Context {
			return replica.WithPosition(ctx, same.Latest())
		}, false},
	} {
		b, err := strata.Open(t.Context(), &strata.Config{RedisURL: redis.URL(), Prefix: c.name + ":"})
		must(t, err)
		fromStandby := 0
		cache, err := strata.NewDefined(b, listing, func(ctx context.Context, id int64) (city string, err error) {
			db, err := c.db(ctx)
			if err != nil {
				return "", err
			}
			if db == standby {
				fromStandby++
			}
			return city, db.QueryRowContext(ctx, "SELECT city FROM listings WHERE id = $1", id).Scan(&city)
		}, nil)
		must(t, err)
		_, err = strata.NewDefined(b, other, cache.Get, nil)
		must(t, err)
		bus, err := invalidate.NewBus(newRules(), b, nil)
		must(t, err)
		box, err := outbox.New(primary, d.d, bus, &outbox.Options{Committed: c.committed})
		must(t, err)
		p := &process{db: primary, d: d, backend: b, cache: cache, box: box}
		stale := 0
		for i := range moves {
			id, city := rand.Int64N(20)+1, fmt.Sprint(c.name, i)
			must(t, p.move(t.Context(), id, city))
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			if got, err := cache.Get(ctx, id); err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if got != city {
				stale++
			}
		}
		t.Logf("%s: %d of %d values are stale; %d loads from the standby", c.name, stale, moves, fromStandby)
		if (stale > 0) != c.stale {
			t.Errorf("%s: %d stale values", c.name, stale)
		}
		if c.name != "Committed, then the primary" && fromStandby == 0 {
			t.Errorf("%s: no load from the standby", c.name)
		}
		b.Close()
	}
}
