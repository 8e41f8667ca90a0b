package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store/redisstore/internal/link"
	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/lokroom/strata/store/redisstore/internal/tagclock"
	"github.com/redis/rueidis"
)

// A Kind says what is under a key.
type Kind string

// Kinds of records.
const (
	KindMissing Kind = "missing" // nothing
	KindValue   Kind = "value"
	KindAbsent  Kind = "absent"  // the source has no value
	KindLease   Kind = "lease"   // no value; a process loads it, or there is a hold
	KindCounter Kind = "counter" // an integer
	KindForeign Kind = "foreign" // nothing that a store wrote, or damaged: stores treat it as a miss
)

// A Record is what Redis has under the key of an entry. Durations are by the clock of the server;
// zero means that there is none, or that it has passed.
type Record struct {
	Key      string        `json:"key"` // with the prefix of the store
	Kind     Kind          `json:"kind"`
	Codec    string        `json:"codec,omitempty"` // "msgpack", "json", or for a custom codec "codec 128"
	CodecID  byte          `json:"-"`               // see codec.Identifier
	Version  uint64        `json:"version,omitempty"`
	Revision uint64        `json:"revision,omitempty"` // that of the source
	Tags     []string      `json:"tags,omitempty"`
	LoadedAt time.Time     `json:"loaded_at,omitzero"`
	LoadTime time.Duration `json:"load_time,omitempty"`
	TTL      time.Duration `json:"ttl,omitempty"`       // of the key; negative: it does not expire
	FreshFor time.Duration `json:"fresh_for,omitempty"` // negative: for ever
	Lease    time.Duration `json:"lease,omitempty"`     // how long the lease is valid
	Hold     time.Duration `json:"hold,omitempty"`      // how long a write caps TTLs
	Size     int           `json:"size"`                // of the whole record in bytes
	Payload  []byte        `json:"-"`                   // the encoded value

	// Invalidated says why reads do not find the value: "clear", "all tags", or "tag " with
	// the name of one. Empty: they do.
	Invalidated []string `json:"invalidated,omitempty"`

	// Stamp is the reading of the clock of the tags before the load. Readings are the present
	// ones of Tags; 0: Redis has no key for the tag. A reading above the stamp invalidates.
	Stamp    uint64   `json:"stamp,omitempty"`
	Readings []uint64 `json:"readings,omitempty"`
}

// Inspect returns what Redis has under key, whether reads would find it or not. It changes
// nothing, counts no read, and takes three exchanges. It is for tools: T does not matter, and
// values are not decoded.
func (s *view) Inspect(ctx context.Context, key string) (Record, error) {
	full, err := s.redisKey(key)
	if err != nil {
		return Record{}, s.fail(ctx, "inspect", key, err)
	}
	call, cancel := s.deadlines.Begin(ctx)
	defer cancel()
	r, err := s.inspect(call, full)
	if err != nil {
		return Record{}, s.fail(ctx, "inspect", key, err)
	}
	return r, nil
}

func (s *view) inspect(ctx context.Context, full string) (Record, error) {
	r := Record{Key: full, Kind: KindMissing}
	l, err := s.client.link.Reach(ctx, full)
	if err != nil {
		return r, err
	}
	b := l.W.B()
	now, err := serverTime(l.W.Do(ctx, b.Time().Build()))
	if err != nil {
		return r, err
	}
	replies := l.W.DoMulti(ctx, b.Pttl().Key(full).Build(), b.Get().Key(full).Build())
	pttl, err := replies[0].AsInt64()
	if err != nil {
		return r, err
	}
	blob, err := replies[1].AsBytes()
	switch {
	case rueidis.IsRedisNil(err):
		return r, nil
	case err != nil:
		if err = s.foreign(ctx, full, err); err == nil {
			r.Kind = KindForeign
		}
		return r, err
	}
	if r.TTL = time.Duration(pttl) * time.Millisecond; pttl == -1 {
		r.TTL = -1
	}
	parsed := r.fill(blob, now)
	if r.Kind == KindValue || r.Kind == KindAbsent {
		r.Invalidated, r.Readings, err = s.whyNotCurrent(ctx, l, &parsed)
	}
	return r, err
}

// serverTime reads the reply to TIME, in milliseconds.
func serverTime(r rueidis.RedisResult) (int64, error) {
	t, err := r.AsIntSlice()
	if err == nil && len(t) != 2 {
		err = link.ErrBadReply
	}
	if err != nil {
		return 0, err
	}
	return t[0]*1000 + t[1]/1000, nil
}

// fill sets what blob says, which the server had at now.
func (r *Record) fill(blob []byte, now int64) (parsed record.Record) {
	r.Size = len(blob)
	kind := record.KindOf(blob)
	if len(blob) >= record.HeaderSize && kind != record.KindCorrupt {
		lease, hold := record.LeaseAndHold(blob)
		r.Lease, r.Hold = left(lease, now), left(hold, now)
	}
	switch kind {
	case record.KindNone:
		r.Kind = KindLease
	case record.KindCounter:
		r.Kind, r.Payload = KindCounter, blob
	case record.KindValue:
		if record.Parse(blob, &parsed) != nil {
			r.Kind = KindForeign
			return parsed
		}
		r.value(&parsed)
	default:
		r.Kind = KindForeign
	}
	return parsed
}

func left(until, now int64) time.Duration { return time.Duration(max(0, until-now)) * time.Millisecond }

func (r *Record) value(p *record.Record) {
	if r.Kind = KindValue; p.Absent {
		r.Kind = KindAbsent
	}
	r.CodecID, r.Codec = p.Codec, codecName(p.Codec)
	r.Version, r.Revision, r.Payload = p.ID, p.Version, p.Payload
	r.Stamp = p.Stamp
	r.Tags, r.LoadTime = slices.Clone(p.Tags), time.Duration(p.Took)*time.Millisecond
	if p.LoadedAt != 0 {
		r.LoadedAt = p.LoadedAt.Time()
	}
	keep := time.Duration(p.KeepMs) * time.Millisecond
	switch {
	case r.TTL < 0:
		r.FreshFor = -1
	case r.TTL > keep:
		r.FreshFor = r.TTL - keep
	}
}

func codecName(id byte) string {
	names := map[byte]string{
		codec.IDUnknown: "unknown", codec.IDMsgpack: "msgpack", codec.IDJSON: "json", codec.IDBytes: "bytes",
		codec.IDString: "string", codec.IDCompress: "compress", codec.IDSeal: "seal",
	}
	if name := names[id]; name != "" {
		return name
	}
	return fmt.Sprintf("codec %d", id)
}

// whyNotCurrent returns what has invalidated p, and the readings of its tags. Unlike a read it
// makes no key that is missing.
func (s *view) whyNotCurrent(ctx context.Context, l *link.Pair, p *record.Record) (why []string, readings []uint64, err error) {
	if s.plain {
		return nil, nil, nil
	}
	names, full := []string{"clear"}, []string{s.clearedKey}
	if len(p.Tags) > 0 {
		names, full = append(names, "all tags"), append(full, s.tags.EveryKey())
	}
	for _, tag := range p.Tags {
		names, full = append(names, "tag "+tag), append(full, s.tags.TagKey(tag))
	}
	cmds := make([]rueidis.Completed, len(full))
	for i, key := range full {
		cmds[i] = l.W.B().Get().Key(key).Build()
	}
	for i, reply := range l.W.DoMulti(ctx, cmds...) {
		reading, ok, err := tagclock.ReadingOf(reply)
		if err != nil {
			return nil, nil, err
		}
		if i >= len(full)-len(p.Tags) {
			readings = append(readings, reading)
		}
		// What is missing is made again above all stamps.
		if !ok || reading > p.Stamp {
			why = append(why, names[i])
		}
	}
	return why, readings, nil
}

// RawCodec returns a codec for the values of r that leaves their bytes as they are, so that a
// tool can read, through a Store, what reads find, without the type.
func (r *Record) RawCodec() codec.Codec[[]byte] { return rawCodec{r.CodecID} }

type rawCodec struct{ id byte }

func (c rawCodec) CodecID() byte                             { return c.id }
func (rawCodec) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (rawCodec) Decode(src []byte) ([]byte, error)           { return bytes.Clone(src), nil }
