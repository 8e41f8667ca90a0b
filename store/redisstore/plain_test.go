package redisstore_test

import (
	"testing"
	"time"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore"
	"github.com/lokroom/strata/store/storetest"
)

type plain struct {
	*redisstore.Plain[value]
	client *redisstore.Client
	prefix string
	line   *line
}

func (p plain) resource() *redisstore.Client { return p.client }
func (p plain) redisPrefix() string          { return p.prefix }
func (p plain) lineOf() *line                { return p.line }

func (p *place) openPlain(t testing.TB, prefix string) store.Store[value] {
	t.Helper()
	d := &redisstore.Dialer{Timeout: patience}
	if p.broadcast {
		d.Broadcast = []string{prefix}
	}
	option := p.option(t)
	l := p.lead(t, &option)
	c := dialWith(t, d, option)
	if err := c.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return plain{redisstore.NewPlain(c, &redisstore.PlainOptions[value]{Prefix: prefix}), c, prefix, l}
}

func TestPlain_conformance(t *testing.T) {
	for name, p := range map[string]*place{
		"server":    {option: onServer, proxied: true},
		"cluster":   {option: onCluster},
		"broadcast": {option: onServer, broadcast: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := p.harness()
			h.Open = func(t testing.TB) store.Store[value] { return p.openPlain(t, prefix()) }
			h.Peer = func(t testing.TB, s store.Store[value]) store.Store[value] {
				return p.openPlain(t, s.(reachable).redisPrefix())
			}
			h.Neighbour = func(t testing.TB, s store.Store[value]) store.Store[value] { return p.openPlain(t, prefix()) }
			h.Plain, h.KeepsLoadedAt = true, false
			h.Want = []storetest.Capability{
				storetest.ManyGetter, storetest.ManySetter, storetest.Expirer, storetest.PatternDeleter,
				storetest.Clearer, storetest.Pinger, storetest.Reporter, storetest.Watcher,
			}
			storetest.Run(t, h)
		})
	}
}

// A plain store keeps nothing that it cannot keep whole.
func TestPlain_notKept(t *testing.T) {
	ctx := t.Context()
	s := redisstore.NewPlain[int](dial(t, to(server(t))), &redisstore.PlainOptions[int]{Prefix: prefix()})
	for name, e := range map[string]store.Entry[int]{
		"absent": {Absent: true},
		"tagged": {Value: 1, Tags: []string{"t"}},
		"stale":  {Value: 1, StaleAt: store.Now().Add(-time.Second), ExpiresAt: store.In(time.Hour)},
	} {
		if err := s.Set(ctx, "k", store.Entry[int]{Value: 9}); err != nil {
			t.Fatal(err)
		}
		if err := s.Set(ctx, "k", e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if e, err := s.Get(ctx, "k"); err != store.ErrNotFound {
			t.Errorf("%s: got %+v, %v", name, e, err)
		}
	}
	if err := s.Set(ctx, "k", store.Entry[int]{Value: 1, StaleAt: store.In(time.Minute), ExpiresAt: store.In(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if left, err := s.TTL(ctx, "k"); err != nil || left > time.Minute {
		t.Errorf("what is stale in a minute ends in %v: %v", left, err)
	}
}
