package redisstore

import (
	"context"
	"slices"

	"github.com/lokroom/strata/internal/bypass"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// With [Dialer.ReadReplicas] the primary is asked, on T, for the beginning of a record, which
// is all of a small one. The command is a read, so that Redis remembers it and pushes changes.
// Of a large value a replica is asked for the rest, and its answer counts only if it is the
// record that the primary has begun. What holds for a value that the primary sends whole
// therefore holds for this one: its bytes are those that the primary had at that moment.

// asksReplicas reports whether a read with ctx may use replicas.
func (s *view) asksReplicas(ctx context.Context) bool {
	return s.client.link.Replicas != nil && !s.plain && !bypass.IsStrict(ctx)
}

// valueCommand asks for the value under full, or for the beginning of its record.
func valueCommand(l *link.Pair, full string, beginning bool) rueidis.Completed {
	if beginning {
		return l.T.B().Getrange().Key(full).Start(0).End(record.Beginning - 1).Build()
	}
	return l.T.B().Get().Key(full).Build()
}

// completed returns the record that begins with head, or nil if no replica has it.
func (s *view) completed(ctx context.Context, full string, head []byte) []byte {
	parts := [1]link.Part{{Key: full, Head: head}}
	s.client.link.Replicas.Complete(ctx, parts[:])
	return parts[0].Whole
}

// completeMany replaces the beginnings among blobs by the records, and returns the places of
// those that no replica has.
func (s *view) completeMany(ctx context.Context, key func(i int) string, blobs [][]byte) (left []int) {
	var parts []link.Part
	var at []int
	for i, blob := range blobs {
		if record.IsBeginning(blob) {
			parts, at = append(parts, link.Part{Key: key(i), Head: blob}), append(at, i)
		}
	}
	if len(parts) > 0 {
		s.client.link.Replicas.Complete(ctx, parts)
	}
	for j, i := range at {
		if blobs[i] = parts[j].Whole; blobs[i] == nil {
			left = append(left, i)
		}
	}
	return left
}

// valuesOf calls each with what is under each key: with MGET, which takes the server a
// third less than as many GETs, but for a cluster, where it would be of one slot.
func valuesOf(ctx context.Context, c rueidis.Client, full []string, each func(i int, blob []byte, err error)) {
	if c.Mode() != rueidis.ClientModeCluster {
		values, err := c.Do(ctx, c.B().Mget().Key(full...).Build()).ToArray()
		if err == nil && len(values) != len(full) {
			err = link.ErrBadReply
		}
		for i := range full {
			var blob []byte
			err := err
			if err == nil {
				blob, err = values[i].AsBytes()
			}
			each(i, blob, err)
		}
		return
	}
	cmds := make([]rueidis.Completed, len(full))
	for i, key := range full {
		cmds[i] = c.B().Get().Key(key).Build()
	}
	for i, r := range c.DoMulti(ctx, cmds...) {
		blob, err := r.AsBytes()
		each(i, blob, err)
	}
}

// valuesOf is the function valuesOf that uses replicas. c is T.
func (s *view) valuesOf(ctx context.Context, c rueidis.Client, full []string, each func(i int, blob []byte, err error)) {
	cmds := make([]rueidis.Completed, len(full))
	for i, key := range full {
		cmds[i] = c.B().Getrange().Key(key).Start(0).End(record.Beginning - 1).Build()
	}
	blobs, errs := blobsOf(c.DoMulti(ctx, cmds...), func(i int) int { return i }, len(full))
	left := s.completeMany(ctx, func(i int) string { return full[i] }, blobs)
	for i := range full {
		if !isAmong(left, i) {
			each(i, blobs[i], errs[i])
		}
	}
	if len(left) == 0 {
		return
	}
	keys := make([]string, len(left))
	for j, i := range left {
		keys[j] = full[i]
	}
	valuesOf(ctx, c, keys, func(j int, blob []byte, err error) { each(left[j], blob, err) })
}

// blobsOf returns the n values among replies, each at the place that at returns.
func blobsOf(replies []rueidis.RedisResult, at func(i int) int, n int) (blobs [][]byte, errs []error) {
	blobs, errs = make([][]byte, n), make([]error, n)
	for i := range blobs {
		blobs[i], errs[i] = replies[at(i)].AsBytes()
	}
	return blobs, errs
}

// isAmong reports whether i is among places, which are sorted.
func isAmong(places []int, i int) bool {
	_, found := slices.BinarySearch(places, i)
	return found
}
