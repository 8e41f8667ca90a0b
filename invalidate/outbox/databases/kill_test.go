package databases

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lokroom/strata/internal/redistest"
	"github.com/lokroom/strata/invalidate/outbox"
)

// A writer that is killed between the commit and the invalidation leaves a stale value, which
// the relay removes. Killed earlier, it has changed nothing; later, nothing is stale.
func TestKill_points(t *testing.T) {
	redis := redistest.Start(t, nil)
	onEach(t, func(t *testing.T, d database) {
		db := d.fresh(t, 1)
		p := newProcess(t, d, db, redis.URL(), nil)
		must(t, p.backend.ClearCaches(t.Context()))
		for _, point := range points {
			run(t, db, "DELETE FROM strata_outbox", "UPDATE listings SET city = 'old'")
			must(t, p.cache.Delete(t.Context(), 1))
			p.want(t, t.Context(), 1, "old")
			said := ""
			<-startChild(t, d.role(redis, role{Listings: 1, Point: point}), func(line string) { said = line }).done
			if said != "killed "+point {
				t.Fatalf("%s: the writer said %q", point, said)
			}
			committed := point != "begin" && point != "record" && point != "before commit"
			stale := point == "after commit" || point == "before invalidation"
			redistest.WaitFor(t, "the locks of the killed writer", func() bool {
				_, err := db.Exec("UPDATE listings SET version = version + 1")
				return err == nil
			})
			if n := d.count(t, db, "strata_outbox"); n != map[bool]int{true: 1}[committed] {
				t.Errorf("%s: %d rows", point, n)
			}
			if committed && !stale { // the invalidation may still be on its way to this process
				redistest.WaitFor(t, "the invalidation", func() bool { return len(d.stale(t, db, p, 1)) == 0 })
			}
			if got := len(d.stale(t, db, p, 1)) > 0; got != stale {
				t.Errorf("%s: stale before the relay: %v, want %v", point, got, stale)
			}
			if point == "after commit" { // a relay that dies with claimed rows is replaced
				<-startChild(t, d.role(redis, role{Relay: true, Point: "before invalidation"}), func(line string) { said = line }).done
				if n := d.count(t, db, "strata_outbox"); said != "killed before invalidation" || n != 1 {
					t.Errorf("the first relay said %q; %d rows", said, n)
				}
			}
			relay := startChild(t, d.role(redis, role{Relay: true}), func(string) {})
			redistest.WaitFor(t, "the relay", func() bool { return d.count(t, db, "strata_outbox") == 0 })
			redistest.WaitFor(t, "no stale value: "+point, func() bool { return len(d.stale(t, db, p, 1)) == 0 })
			relay.kill()
		}
	})
}

func (d database) role(redis *redistest.Server, r role) role {
	r.Dialect, r.Driver, r.DSN, r.Redis = d.d, d.driver, d.dsn, redis.URL()
	if d.d == outbox.MySQL {
		r.DSN += "?interpolateParams=true" // else Exec prepares, past the points
	}
	return r
}

// stale returns the ids of listings that p serves with another city than the database has.
func (d database) stale(t testing.TB, db *sql.DB, p *process, n int64) (ids []int64) {
	t.Helper()
	for id := int64(1); id <= n; id++ {
		var city string
		must(t, db.QueryRow(d.q("SELECT city FROM listings WHERE id = ?"), id).Scan(&city))
		got, err := p.cache.Get(context.Background(), id)
		if err != nil {
			t.Errorf("listing %d: %v", id, err)
		} else if got != city {
			ids = append(ids, id)
		}
	}
	return ids
}

// Writers and relays are killed at random, and so is Redis, while they write and read. In the
// end no process serves a stale value.
func TestKill(t *testing.T) {
	n := 200
	if whole := os.Getenv("STRATA_OUTBOX_KILL"); whole != "" {
		var err error
		n, err = strconv.Atoi(whole)
		must(t, err)
	}
	onEach(t, func(t *testing.T, d database) { testKill(t, d, n) })
}

const killListings = 40

// redisLives bounds how long Redis lives, in milliseconds.
const redisLives = 1500

func testKill(t *testing.T, d database, n int) {
	redis := redistest.Start(t, &redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	db := d.fresh(t, killListings)
	p := newProcess(t, d, db, redis.URL(), &killOptions)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var committed, redisKills, relayKills atomic.Int64
	var mu sync.Mutex
	kills, failures := make(map[string]int), 0
	said := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case line == "committed":
			if committed.Add(1) >= int64(n) && redisKills.Load() > 0 && relayKills.Load() > 0 {
				cancel()
			}
		case strings.HasPrefix(line, "killed "):
			kills[line[len("killed "):]]++
		default:
			if failures++; failures < 4 {
				t.Log(line)
			}
		}
	}
	var work sync.WaitGroup
	// keep starts a child again when it has ended, until the transactions are done.
	keep := func(r role, killed *atomic.Int64) {
		work.Go(func() {
			for ctx.Err() == nil {
				c := startChild(t, d.role(redis, r), said)
				end := make(<-chan time.Time)
				if killed != nil {
					end = time.After(time.Duration(200+rand.IntN(800)) * time.Millisecond)
				}
				select {
				case <-c.done:
				case <-ctx.Done():
				case <-end:
					killed.Add(1)
				}
				c.kill()
			}
		})
	}
	for range 3 {
		keep(role{Listings: killListings, KillIn: 15}, nil)
	}
	keep(role{Relay: true}, &relayKills)
	keep(role{Relay: true}, &relayKills)
	work.Go(func() {
		for ctx.Err() == nil {
			p.cache.Get(ctx, rand.Int64N(killListings)+1)
		}
	})
	work.Go(func() {
		for sleep(ctx, time.Duration(200+rand.IntN(redisLives))*time.Millisecond) {
			redis.Kill()
			redisKills.Add(1)
			sleep(ctx, 200*time.Millisecond)
			if err := redis.Restart(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	work.Wait()

	startChild(t, d.role(redis, role{Relay: true}), said)
	redistest.WaitFor(t, "no rows", func() bool { return d.count(t, db, "strata_outbox") == 0 })
	redistest.WaitFor(t, "no retries", func() bool {
		h := p.backend.Health()
		return h.Err() == nil && len(h.RetryQueues) == 0
	})
	late := newProcess(t, d, db, redis.URL(), nil)
	// What a process has loaded while Redis was away lives for MaxDisconnected. All else lives
	// for an hour.
	for name, p := range map[string]*process{"a process that was there": p, "a new process": late} {
		redistest.WaitFor(t, "no stale listings in "+name, func() bool { return len(d.stale(t, db, p, killListings)) == 0 })
	}
	if n := d.count(t, db, "strata_outbox_stuck"); n > 0 {
		t.Errorf("%d stuck rows", n)
	}
	if len(kills) == 0 {
		t.Error("no writer was killed")
	}
	t.Logf("%v: %d transactions, %d failed; killed: writers %v, relays %d, Redis %d; 0 stale",
		d.d, committed.Load(), failures, kills, relayKills.Load(), redisKills.Load())
}

// sleep reports whether ctx has not ended after d.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
