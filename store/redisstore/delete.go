package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
)

// Delete removes the entries under keys.
func (s *Store[T]) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	op := s.op("delete", "", len(keys))
	if len(keys) == 1 {
		op.Key = keys[0]
	}
	ctx, end := store.Observe(ctx, s.observer, op)
	err := s.delete(ctx, keys)
	end(0, err)
	return err
}

func (s *Store[T]) delete(ctx context.Context, keys []string) error {
	errs := make(map[string]error)
	full := make([]string, 0, len(keys))
	kept := make([]string, 0, len(keys))
	for _, key := range keys {
		f, err := s.redisKey(key)
		if err != nil { // there cannot be an entry
			errs[key] = s.failWrite(ctx, "delete", key, err)
			continue
		}
		full, kept = append(full, f), append(kept, key)
	}
	_, failed := s.unlink(ctx, full, s.client.write)
	for i, err := range failed {
		if err != nil {
			errs[kept[i]] = s.failWrite(ctx, "delete", kept[i], err)
		} else {
			s.answered(kept[i])
			s.stats.deletes.Add(1)
		}
	}
	return keyErrors(errs, len(keys))
}

// A writer is [Client.write] or [Client.writeOnly].
type writer func(context.Context, *links, []scriptCall) []outcome

// again makes calls that do no harm twice, and makes those again under which a connection
// broke, unless they are so large that they may be the cause.
func (w writer) again(ctx context.Context, l *links, calls []scriptCall) []outcome {
	outcomes := w(ctx, l, calls)
	for range maxTries - 1 {
		var which []int
		var broken []scriptCall
		for i, o := range outcomes {
			if isBroken(ctx, o.reply.Error()) && sizeOf(calls[i].key, calls[i].args) <= safeSize {
				which, broken = append(which, i), append(broken, calls[i])
			}
		}
		if len(broken) == 0 {
			break
		}
		for j, o := range w(ctx, l, broken) {
			outcomes[which[j]] = o
		}
	}
	return outcomes
}

// unlink removes Redis keys and returns how many were there, and what went wrong
// with each. A broken connection is no reason to give up: once more does no harm.
func (s *Store[T]) unlink(ctx context.Context, full []string, write writer) (removed int, failed []error) {
	failed = make([]error, len(full))
	for start := 0; start < len(full); start += maxPipeline {
		end := min(start+maxPipeline, len(full))
		removed += s.unlinkChunk(ctx, full[start:end], failed[start:end], write)
	}
	return removed, failed
}

func (s *Store[T]) unlinkChunk(ctx context.Context, full []string, failed []error, write writer) (removed int) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.reach(call, full...)
	if err != nil {
		fillErrors(failed, err)
		return 0
	}
	calls := make([]scriptCall, len(full))
	for i, key := range full {
		if calls[i] = deleteCall(key); s.plain {
			calls[i].script = &plainDeleteScript
		}
	}
	for i, o := range write.again(call, l, calls) {
		n, err := o.reply.AsInt64()
		failed[i], removed = firstOf(err, o.short), removed+int(n)
	}
	if err := s.settle(call, l, full...); err != nil {
		fillErrors(failed, err)
	}
	return removed
}

// firstOf returns the first of two errors that is not nil.
func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// fillErrors sets those of errs that are nil.
func fillErrors(errs []error, err error) {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
}
