package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lokroom/strata/store/redisstore"
	"github.com/urfave/cli/v3"
)

// An observed cache has what advise has seen of it.
type observed struct {
	Cache   string        `json:"cache"`
	Keys    int           `json:"keys"`
	Changes int           `json:"changes"` // writes and invalidations
	Loads   int           `json:"loads"`
	TTL     time.Duration `json:"ttl"` // the median of what was loaded
	Advice  string        `json:"advice"`

	ttls   []time.Duration
	leased map[string]bool // loads under way
}

func (t *tool) adviseCommand() *cli.Command {
	return &cli.Command{
		Name: "advise", Usage: "observe changes and loads for a while, and advise on TTLs",
		Description: "A value whose every change is invalidated needs a TTL only for what is missed. A short TTL then costs loads that find\n" +
			"nothing new. advise counts, for each cache, changes and loads, and advises a TTL of the mean time between changes of a key.",
		Flags: []cli.Flag{&cli.DurationFlag{Name: "for", Usage: "how long to observe", Value: time.Minute}},
		Action: t.connected(0, 0, func(ctx context.Context, cmd *cli.Command) error {
			d := cmd.Duration("for")
			if d <= 0 {
				return usagef("advise: --for must be positive")
			}
			caches, err := t.observe(ctx, d)
			if err != nil {
				return err
			}
			return t.advice(ctx, caches, d)
		}),
	}
}

// observe watches for d. What is under the key after a change shows whether it was a
// load, which leaves a lease, and then a value.
func (t *tool) observe(ctx context.Context, d time.Duration) (map[string]*observed, error) {
	watching, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	caches, progress, end := make(map[string]*observed), t.progress(), time.Now().Add(d)
	view := t.view(t.prefix, nil)
	err := t.events(watching, func(e event) error {
		progress("observing for %s more", short(time.Until(end)))
		if e.What != "changed" {
			return nil
		}
		r, err := view.Inspect(ctx, e.Key[len(t.prefix):])
		if err != nil {
			return err
		}
		if caches[e.Cache] == nil {
			caches[e.Cache] = &observed{Cache: e.Cache, leased: make(map[string]bool)}
		}
		caches[e.Cache].saw(e.Key, &r)
		return nil
	})
	progress("")
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return caches, err
}

// saw notes that a key has changed to r.
func (o *observed) saw(key string, r *redisstore.Record) {
	switch r.Kind {
	case redisstore.KindLease:
		if r.Lease > 0 {
			o.leased[key] = true
			return
		}
		o.Changes++ // a hold
	case redisstore.KindValue, redisstore.KindAbsent:
		if !o.leased[key] {
			o.Changes++
			return
		}
		delete(o.leased, key)
		o.Loads++
		if r.TTL > 0 {
			o.ttls = append(o.ttls, r.TTL)
		}
	case redisstore.KindMissing:
		o.Changes++
	}
}

// advice prints what follows from what was seen.
func (t *tool) advice(ctx context.Context, caches map[string]*observed, d time.Duration) error {
	counted, err := t.countKeys(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{{"CACHE", "KEYS", "CHANGES/S", "LOADS/S", "TTL", "ADVICE"}}
	for _, c := range counted {
		o := caches[c.Cache]
		if o == nil {
			o = &observed{Cache: c.Cache}
		}
		o.Keys = c.Keys
		if len(o.ttls) > 0 {
			slices.Sort(o.ttls)
			o.TTL = o.ttls[len(o.ttls)/2]
		}
		o.Advice = o.advise(d)
		if t.asJSON {
			if err := t.json(o); err != nil {
				return err
			}
		}
		per := func(n int) string { return fmt.Sprintf("%.2f", float64(n)/d.Seconds()) }
		rows = append(rows, []string{o.Cache, fmt.Sprint(o.Keys), per(o.Changes), per(o.Loads), o.ttl(), o.Advice})
	}
	if t.asJSON {
		return nil
	}
	return t.table(rows)
}

// ttl returns the TTL for people; empty: none was seen.
func (o *observed) ttl() string {
	if o.TTL == 0 {
		return ""
	}
	return short(o.TTL)
}

// advise compares the TTL with the mean time between two changes of a key.
func (o *observed) advise(d time.Duration) string {
	switch {
	case o.Loads == 0 && o.Changes == 0:
		return "nothing happened: observe for longer"
	case o.Loads == 0:
		return "no loads: the TTL costs nothing"
	case o.TTL == 0:
		return "values do not expire: nothing to save"
	case o.Changes == 0:
		return fmt.Sprintf("no changes in %s: all loads find what was there. A longer TTL saves them", short(d))
	}
	between := time.Duration(float64(d) * float64(o.Keys) / float64(o.Changes))
	switch {
	case between > 4*o.TTL:
		return fmt.Sprintf("a key changes every %s: a TTL of that length saves most loads", short(min(between, 30*24*time.Hour)))
	case 4*between < o.TTL:
		return fmt.Sprintf("a key changes every %s, before it expires: the TTL hardly matters", short(between))
	}
	return "the TTL suits the changes"
}
