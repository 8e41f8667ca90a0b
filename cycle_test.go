package strata_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/store"
)

type (
	users  = strata.Cache[int, string]
	loader = func(context.Context, int) (string, error)
)

// userCaches makes caches of users whose loads call load, one for each kind of loader.
var userCaches = map[string]func(*strata.Backend, loader) (*users, error){
	"loader": func(b *strata.Backend, load loader) (*users, error) { return strata.New(b, "user", load, nil) },
	"LoadMany": func(b *strata.Backend, load loader) (*users, error) {
		return strata.New(b, "user", nil, &strata.Options[int, string]{LoadMany: each(load)})
	},
	"BatchWindow": func(b *strata.Backend, load loader) (*users, error) {
		return strata.New(b, "user", nil, &strata.Options[int, string]{LoadMany: each(load), BatchWindow: time.Millisecond})
	},
}

// each makes a LoadMany of load.
func each(load loader) func(context.Context, []int) (map[int]string, error) {
	return func(ctx context.Context, ids []int) (map[int]string, error) {
		values := make(map[int]string)
		for _, id := range ids {
			v, err := load(ctx, id)
			if err != nil {
				return values, err
			}
			values[id] = v
		}
		return values, nil
	}
}

// userReads are the reads that load a user.
var userReads = map[string]func(context.Context, *users, int) error{
	"Get":      func(ctx context.Context, c *users, id int) error { _, err := c.Get(ctx, id); return err },
	"GetEntry": func(ctx context.Context, c *users, id int) error { _, err := c.GetEntry(ctx, id); return err },
	"GetFresh": func(ctx context.Context, c *users, id int) error { _, err := c.GetFresh(ctx, id); return err },
	"GetMany":  func(ctx context.Context, c *users, id int) error { _, err := c.GetMany(ctx, []int{id}); return err },
	"GetManyEntries": func(ctx context.Context, c *users, id int) error {
		_, err := c.GetManyEntries(ctx, []int{id})
		return err
	},
	"Refresh": func(ctx context.Context, c *users, id int) error { _, err := c.Refresh(ctx, id); return err },
	"Warm": func(ctx context.Context, c *users, id int) error {
		_, err := c.Warm(ctx, slices.Values([]int{id}), nil)
		return err
	},
	"Get in another goroutine": func(ctx context.Context, c *users, id int) error {
		done := make(chan error)
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
			defer cancel()
			_, err := c.Get(ctx, id)
			done <- err
		}()
		return <-done
	},
}

// A load that reads the value that it loads fails at once, for every loader and read.
func TestLoadCycle_ownKey(t *testing.T) {
	for kind, open := range userCaches {
		for outer, read := range userReads {
			for inner, again := range userReads {
				t.Run(kind+"/"+outer+"/"+inner, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := backend(t, nil)
						defer b.Close()
						var c *users
						c, err := open(b, func(ctx context.Context, id int) (string, error) { return "", again(ctx, c, id) })
						if err != nil {
							t.Fatal(err)
						}
						began := time.Now()
						err = read(t.Context(), c, 42)
						if !errors.Is(err, store.ErrCycle) || !strings.Contains(err.Error(), `strata: load cycle: user "42" -> user "42"`) {
							t.Errorf("got %v", err)
						}
						if d := time.Since(began); d > time.Second { // of the bubble: a window or more
							t.Errorf("after %v", d)
						}
					})
				})
			}
		}
	}
}

// A load that reads a value of another cache made of its own value fails at once, on all
// tiers, and the error names the chain.
func TestLoadCycle_throughAnotherCache(t *testing.T) {
	with(t, func(t *testing.T, cfg *strata.Config) {
		b := backend(t, cfg)
		var user, team *strata.Cache[int, string]
		user, err := strata.New(b, "user", func(ctx context.Context, _ int) (string, error) { return team.Get(ctx, 7) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		team, err = strata.New(b, "team", func(ctx context.Context, _ int) (string, error) {
			vs, err := user.GetMany(ctx, []int{42})
			return vs[42], err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // shorter than LoadTimeout
		defer cancel()
		_, err = user.Get(ctx, 42)
		if !errors.Is(err, store.ErrCycle) || !strings.Contains(err.Error(), `strata: load cycle: user "42" -> team "7" -> user "42"`) {
			t.Errorf("got %v", err)
		}
		if _, err := team.Get(ctx, 7); !errors.Is(err, store.ErrCycle) {
			t.Errorf("the other way round: %v", err)
		}
	})
}

// Two loads of different callers wait for each other: the read that closes the cycle fails,
// and the other one continues.
func TestLoadCycle_twoCallers(t *testing.T) {
	for name, open := range userCaches {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := backend(t, nil)
				defer b.Close()
				var mu sync.Mutex
				var failed []error
				read := func(ctx context.Context, c *users, id int, otherwise string) (string, error) {
					time.Sleep(time.Second) // until both are under way
					v, err := c.Get(ctx, id)
					mu.Lock()
					defer mu.Unlock()
					if errors.Is(err, store.ErrCycle) {
						failed = append(failed, err)
						return otherwise, nil
					}
					return "of " + v, err
				}
				var user, team *users
				user, err := open(b, func(ctx context.Context, _ int) (string, error) { return read(ctx, team, 7, "user") })
				if err != nil {
					t.Fatal(err)
				}
				team, err = strata.New(b, "team", func(ctx context.Context, _ int) (string, error) { return read(ctx, user, 1, "team") }, nil)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var wg sync.WaitGroup
				var u, m string
				var uerr, merr error
				wg.Go(func() { u, uerr = user.Get(t.Context(), 1) })
				wg.Go(func() { m, merr = team.Get(t.Context(), 7) })
				wg.Wait()
				if uerr != nil || merr != nil || !(u == "user" && m == "of user" || u == "of team" && m == "team") {
					t.Errorf("got %q, %v and %q, %v", u, uerr, m, merr)
				}
				if len(failed) != 1 || time.Since(began) > 2*time.Second {
					t.Errorf("after %v: %v", time.Since(began), failed)
				}
			})
		})
	}
}

// An id that the loader of its batch reads waits for that loader.
func TestLoadCycle_batch(t *testing.T) {
	for _, name := range []string{"LoadMany", "BatchWindow"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := backend(t, nil)
				defer b.Close()
				var c *users
				c, err := userCaches[name](b, func(ctx context.Context, id int) (string, error) { return c.Get(ctx, 3-id) })
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				errs := make([]error, 3)
				if name == "LoadMany" {
					_, errs[0] = c.GetMany(t.Context(), []int{1, 2})
					errs[1], errs[2] = errs[0], errs[0]
				} else {
					for id := 1; id <= 2; id++ {
						wg.Go(func() { _, errs[id] = c.Get(t.Context(), id) })
					}
					wg.Wait()
				}
				for id := 1; id <= 2; id++ {
					if err := errs[id]; !errors.Is(err, store.ErrCycle) {
						t.Errorf("%d: %v", id, err)
					}
				}
			})
		})
	}
}

// A load may read other values of its cache, and several of its goroutines the same one.
func TestLoadCycle_otherKeys(t *testing.T) {
	for kind, open := range userCaches {
		for name, read := range userReads {
			t.Run(kind+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := backend(t, nil)
					defer b.Close()
					var c *users
					c, err := open(b, func(ctx context.Context, id int) (string, error) {
						var wg sync.WaitGroup
						errs := make([]error, 4)
						for i := range errs {
							wg.Go(func() {
								if id > 0 {
									errs[i] = read(ctx, c, id-1)
								}
							})
						}
						wg.Wait()
						return strconv.Itoa(id), errors.Join(errs...)
					})
					if err != nil {
						t.Fatal(err)
					}
					if v, err := c.Get(t.Context(), 5); v != "5" || err != nil {
						t.Errorf("got %q, %v", v, err)
					}
				})
			})
		}
	}
}

// A load that deletes its own key first does not start nested loads without end.
func TestLoadCycle_ownKeyDeleted(t *testing.T) {
	for name, read := range userReads {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := backend(t, nil)
				defer b.Close()
				var c *users
				loads := 0
				c, err := strata.New(b, "user", func(ctx context.Context, id int) (string, error) {
					if loads++; loads > 10 {
						return "", nil
					}
					if err := c.Delete(ctx, id); err != nil {
						return "", err
					}
					return "", read(ctx, c, id)
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Get(t.Context(), 42); !errors.Is(err, store.ErrCycle) {
					t.Errorf("got %v after %d loads", err, loads)
				}
			})
		})
	}
}

// A background refresh has no waiters. It may read the value of the load that started it.
func TestLoadCycle_background(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backend(t, nil)
		defer b.Close()
		var user, team *strata.Cache[int, string]
		user, err := strata.New(b, "user", func(ctx context.Context, _ int) (string, error) {
			v, err := team.Get(ctx, 7)
			time.Sleep(time.Second)
			return "of " + v, err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		name := func(context.Context) (string, error) { return "team", nil }
		team, err = strata.New(b, "team", func(ctx context.Context, _ int) (string, error) { return name(ctx) },
			&strata.Options[int, string]{TTL: time.Minute, Jitter: -1, RefreshAhead: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := team.Get(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Second)
		name = func(ctx context.Context) (string, error) { return user.Get(ctx, 1) }
		if v, err := user.Get(t.Context(), 1); v != "of team" || err != nil {
			t.Errorf("got %q, %v", v, err)
		}
		synctest.Wait()
		if v, err := team.Get(t.Context(), 7); v != "of team" || err != nil {
			t.Errorf("it was refreshed to %q, %v", v, err)
		}
	})
}

// Goroutines that a loader leaves running are not part of the load after its end.
func TestLoadCycle_afterTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backend(t, nil)
		defer b.Close()
		read := make(chan error, 1)
		var c *users
		loads := 0
		c, err := strata.New(b, "user", func(ctx context.Context, id int) (string, error) {
			if loads++; loads == 1 {
				time.AfterFunc(time.Second, func() { _, err := c.GetFresh(context.WithoutCancel(ctx), id); read <- err })
			}
			return "", nil
		}, &strata.Options[int, string]{TTL: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), 42); err != nil {
			t.Error(err)
		}
		if err := <-read; err != nil || loads != 2 {
			t.Errorf("got %v after %d loads", err, loads)
		}
	})
}
