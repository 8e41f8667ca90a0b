package fleet_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lokroom/strata"
	"github.com/lokroom/strata/internal/history"
	"github.com/lokroom/strata/layered"
	"github.com/lokroom/strata/store"
)

// A historyOp is an operation of the goroutines of a process, on one of its keys.
type historyOp struct {
	name   string
	weight int            // relative frequency
	on     []historyClass // none: all keys
	do     func(*historyHand, string)
	redoes bool // L1 reads its value again
}

// Of ten thousand, a few hundred are writes.
var historyOps = []historyOp{
	{name: "get", weight: 9010, do: (*historyHand).get},
	{name: "fresh", weight: 400, redoes: true, do: (*historyHand).fresh},
	{name: "token", weight: 100, do: (*historyHand).token},
	{name: "many", weight: 200, do: (*historyHand).many},
	{name: "delete", weight: 100, on: []historyClass{histPlain, histShared}, do: (*historyHand).delete},
	{name: "expire", weight: 30, on: []historyClass{histPlain, histShared}, do: (*historyHand).expire},
	{name: "set", weight: 60, on: []historyClass{histSet}, do: (*historyHand).set},
	{name: "bracket", weight: 100, on: []historyClass{histIntent, histShared}, do: (*historyHand).bracket},
	{name: "hold", weight: 40, on: []historyClass{histLagging, histShared}, do: (*historyHand).hold},
	{name: "tag", weight: 60, on: []historyClass{histTagged}, do: (*historyHand).tag},
	{name: "clear", weight: 3, redoes: true, on: []historyClass{histTagged}, do: (*historyHand).clear},
	{name: "refresh", weight: 100, do: (*historyHand).refresh},
	{name: "own delete", weight: 30, on: []historyClass{histOwnPlain}, do: (*historyHand).delete},
	{name: "own bracket", weight: 30, on: []historyClass{histOwnIntent}, do: (*historyHand).bracket},
}

// A historyHand is a goroutine of a process.
type historyHand struct {
	*historyWorker
	number int
	rand   *rand.Rand
	keys   [][]string // per element of historyOps
	total  int        // of the weights of operations with keys
}

func (w *historyWorker) hand(g int) *historyHand {
	h := &historyHand{historyWorker: w, number: g, rand: rand.New(rand.NewPCG(w.job.Seed, uint64(w.job.Process)<<32|uint64(g+1)))}
	for _, op := range historyOps {
		var keys []string
		switch {
		case op.name == "set" && (!w.job.Sets || g > 0): // another process sets
		case op.name == "clear" && !w.job.Clears, op.name == "refresh" && !w.job.Refreshes:
		case len(op.on) == 1 && (op.on[0] == histOwnPlain || op.on[0] == histOwnIntent):
			keys = []string{op.on[0].key(w.job.Process % w.job.Keys)}
		default:
			keys = historyKeys(w.job.Keys, op.on...)
		}
		if h.keys = append(h.keys, keys); len(keys) > 0 {
			h.total += op.weight
		}
	}
	return h
}

func (h *historyHand) work() {
	for !h.stopped.Load() {
		n := h.rand.IntN(h.total)
		for i, op := range historyOps {
			if len(h.keys[i]) == 0 {
				continue
			}
			if n -= op.weight; n >= 0 {
				continue
			}
			if rarely := op.redoes && h.job.Lasting; !rarely || h.rand.IntN(10) == 0 {
				op.do(h, h.pick(h.keys[i]))
			}
			break
		}
		if h.rand.IntN(4) == 0 {
			time.Sleep(time.Duration(h.rand.IntN(1000)) * time.Microsecond)
		}
	}
}

// pick selects some keys much more often than others.
func (h *historyHand) pick(keys []string) string {
	return keys[min(h.rand.IntN(len(keys)), h.rand.IntN(len(keys)))]
}

func (h *historyHand) begin(kind history.Kind, key string) history.Op {
	return history.Op{Kind: kind, Tier: history.Any, Key: key, Process: h.job.Process, Goroutine: h.number, Call: history.Now()}
}

func (h *historyHand) end(o history.Op, err error) {
	o.Return = history.Now()
	switch {
	case err != nil:
		o.Err = err.Error()
	case o.Kind == history.Delete && strings.HasPrefix(o.Key, string(histTagged)):
		h.tagged.Add(1)
	case o.Kind == history.Get && o.After > 0 && !o.Stale:
		h.tokens.Add(1)
	case o.Kind == history.Wait:
		h.waits.Add(1)
	}
	h.log.Add(o)
}

// got records a Get. A value of another key is a version that was never made.
func (h *historyHand) got(o history.Op, row Row, err error) {
	o.Version = row.Version
	if err == nil && row.Key != o.Key {
		o.Version = 1 << 60
	}
	h.end(o, err)
}

// reading returns the context of a read, writing that of a write.
func (w *historyWorker) reading() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), w.job.Patience)
}

func writing() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), historyPatience)
}

var historyTiers = map[layered.Tier]history.Tier{layered.L1: history.L1, layered.L2: history.L2, layered.Origin: history.Source}

func (h *historyHand) get(key string) {
	ctx, cancel := h.reading()
	defer cancel()
	o := h.begin(history.Get, key)
	e, err := h.cache.GetEntry(ctx, key)
	if err == nil {
		o.Tier, o.Stale = historyTiers[e.Tier], e.Stale
	}
	h.got(o, e.Value, err)
}

// token is a Get with the last token left for the key.
func (h *historyHand) token(key string) {
	var left TokenLeft
	if err := h.source.Call("Source.TakeToken", key, &left); err != nil || left.Version == 0 {
		h.get(key)
		return
	}
	token, err := strata.ParseToken(left.Token)
	ctx, cancel := h.reading()
	defer cancel()
	o := h.begin(history.Get, key)
	o.After = left.Version
	e, err2 := h.cache.GetEntry(strata.WithToken(ctx, token), key)
	if err = errors.Join(err, err2); err == nil {
		o.Tier, o.Stale = historyTiers[e.Tier], e.Stale
	}
	h.got(o, e.Value, err)
}

// local reads L1 only, without waiting.
func (h *historyHand) local(key string) {
	o := h.begin(history.Get, key)
	if e, ok := h.cache.Tiers().Local(context.Background(), key); ok {
		o.Tier = history.L1
		h.got(o, rowOf(e.Value), nil)
	}
}

// fresh is a Get that does not rely on L1.
func (h *historyHand) fresh(key string) { h.findFresh(key) }

func (h *historyHand) findFresh(key string) error {
	ctx, cancel := h.reading()
	defer cancel()
	o := h.begin(history.Get, key)
	f, err := h.cache.Tiers().FindFresh(ctx, key, layered.Source[any]{Load: h.entry})
	o.Tier, o.Stale = history.Source, f.Stale // it must be as good as the source
	h.got(o, rowOf(f.Value), err)
	return err
}

// refresh is a Get that always loads.
func (h *historyHand) refresh(key string) {
	ctx, cancel := h.reading()
	defer cancel()
	o := h.begin(history.Get, key)
	row, err := h.cache.Refresh(ctx, key)
	o.Tier = history.Source
	h.got(o, row, err)
}

// rowOf returns a value of the tiers; absent: the zero Row.
func rowOf(v any) Row {
	row, _ := v.(Row)
	return row
}

// entry is load for users of the tiers.
func (w *historyWorker) entry(ctx context.Context, key string) (store.Entry[any], error) {
	row, err := w.load(ctx, key)
	e := w.cache.Tiers().NewEntry(row, 0)
	e.Tags = historyTags(key)
	return e, err
}

func (w *historyWorker) entries(ctx context.Context, keys []string) (map[string]store.Entry[any], error) {
	entries := map[string]store.Entry[any]{}
	for _, key := range keys {
		e, err := w.entry(ctx, key)
		if err != nil {
			return entries, err
		}
		entries[key] = e
	}
	return entries, nil
}

// many reads several keys at once, without their tiers.
func (h *historyHand) many(key string) {
	ctx, cancel := h.reading()
	defer cancel()
	all := historyKeys(h.job.Keys)
	keys := []string{key, all[h.rand.IntN(len(all))], all[h.rand.IntN(len(all))]}
	o := h.begin(history.Get, "")
	entries, err := h.cache.Tiers().GetManyOrLoad(ctx, keys, h.entries)
	for _, key := range keys {
		o.Key, o.Stale = key, false
		if e, ok := entries[key]; ok {
			o.Stale = e.Stale(store.Now())
			h.got(o, rowOf(e.Value), nil)
		} else {
			h.end(o, errors.Join(err, errors.New("no answer")))
		}
	}
}

// commit makes a version at the source, with a write intent begun at the given time, or
// without.
func (h *historyHand) commit(key string, begun time.Duration) (row Row, err error) {
	call := RowCall{Key: key, Process: h.job.Process, Goroutine: h.number}
	if begun > 0 {
		call.Held, call.Until = true, begun+historyHold
	}
	err = h.source.Call("Source.Commit", call, &row)
	return h.padded(row), err
}

// write commits a version and then notifies the cache.
func (h *historyHand) write(kind history.Kind, key string, tell func(context.Context, Row) error) {
	ctx, cancel := writing()
	defer cancel()
	row, err := h.commit(key, 0)
	if err != nil {
		return // the source is being closed
	}
	o := h.begin(kind, key)
	o.Version = row.Version
	err = tell(ctx, row)
	h.end(o, err)
	if err == nil && kind != history.Hold && h.rand.IntN(4) == 0 {
		left := TokenLeft{Key: key, Version: row.Version, Token: h.backend.Token().String()}
		_ = h.source.Call("Source.LeaveToken", left, &struct{}{}) // fails only if the source is closed
	}
}

// waitForAll repeats DeleteAndWait.
func (h *historyHand) waitForAll() {
	for !h.stopped.Load() {
		key := h.pick(historyKeys(h.job.Keys, histPlain, histShared))
		h.write(history.Wait, key, func(ctx context.Context, _ Row) error { return h.cache.DeleteAndWait(ctx, key) })
		time.Sleep(time.Duration(h.rand.IntN(50)) * time.Millisecond)
	}
}

func (h *historyHand) delete(key string) {
	h.write(history.Delete, key, func(ctx context.Context, _ Row) error { return h.cache.Delete(ctx, key) })
}

// tag invalidates one key by its tag, and sometimes all of its kind.
func (h *historyHand) tag(key string) {
	tags := historyTags(key)
	h.write(history.Delete, key, func(ctx context.Context, _ Row) error {
		return h.cache.Tiers().InvalidateTags(ctx, tags[1-min(h.rand.IntN(8), 1)])
	})
}

func (h *historyHand) clear(key string) {
	h.write(history.Delete, key, func(ctx context.Context, _ Row) error { return h.cache.Clear(ctx) })
}

func (h *historyHand) set(key string) {
	h.write(history.Set, key, func(ctx context.Context, row Row) error { return h.cache.Set(ctx, key, row) })
}

func (h *historyHand) expire(key string) {
	h.write(history.Expire, key, func(ctx context.Context, _ Row) error { return h.cache.MarkStale(ctx, key) })
}

func (h *historyHand) hold(key string) {
	h.write(history.Hold, key, func(ctx context.Context, _ Row) error { return h.cache.DeleteHolding(ctx, historyHold, key) })
}

// bracket commits a version with a write intent.
func (h *historyHand) bracket(key string) {
	ctx, cancel := writing()
	defer cancel()
	o := h.begin(history.Begin, key)
	w, err := h.cache.BeginWrite(ctx, historyHold, key)
	if err != nil { // the change is given up
		h.end(o, err)
		return
	}
	o.Return = history.Now()
	if h.rand.IntN(3) == 0 {
		time.Sleep(time.Duration(h.rand.IntN(10)) * time.Millisecond)
	}
	row, err := h.commit(key, o.Call)
	if err != nil {
		_ = w.Commit(ctx)
		return
	}
	o.Version = row.Version
	h.log.Add(o)
	if h.rand.IntN(2) == 0 {
		o = h.begin(history.Done, key)
		err = w.Commit(ctx)
	} else {
		o = h.begin(history.CommitSet, key)
		err = w.CommitSet(ctx, map[string]Row{key: row})
	}
	o.Version = row.Version
	h.end(o, err)
}
