package redisstore

import (
	"context"

	"github.com/lokroom/strata/store"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/script"
)

// Delete removes the entries under keys.
func (s *view) Delete(ctx context.Context, keys ...string) error {
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

func (s *view) delete(ctx context.Context, keys []string) error {
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
	_, failed := s.unlink(ctx, full, s.client.writer.Write)
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

// unlink removes Redis keys and returns how many were there, and what went wrong
// with each. A broken connection is no reason to give up: once more does no harm.
func (s *view) unlink(ctx context.Context, full []string, write script.Sender) (removed int, failed []error) {
	failed = make([]error, len(full))
	for start := 0; start < len(full); start += script.MaxPipeline {
		end := min(start+script.MaxPipeline, len(full))
		removed += s.unlinkChunk(ctx, full[start:end], failed[start:end], write)
	}
	return removed, failed
}

func (s *view) unlinkChunk(ctx context.Context, full []string, failed []error, write script.Sender) (removed int) {
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	l, err := s.client.link.Reach(call, full...)
	if err != nil {
		link.FillErrors(failed, err)
		return 0
	}
	calls := make([]script.Call, len(full))
	for i, key := range full {
		if calls[i] = deleteCall(key); s.plain {
			calls[i].Script = &script.PlainDelete
		}
	}
	for i, o := range write.Again(call, l, calls) {
		n, err := o.Reply.AsInt64()
		failed[i], removed = link.FirstOf(err, o.Short), removed+int(n)
	}
	return removed
}
