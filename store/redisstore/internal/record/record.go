// Package record is the wire format of an entry in Redis. It does no I/O.
package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// EndNone says in a record that the key has no end; in a record's endMs it is -1.
const EndNone = math.MaxUint32

// MaxKeep is the longest time in milliseconds that an entry can be stale.
const MaxKeep = math.MaxUint32

// ErrCorrupt says that bytes are not a record. Callers see a miss, an Observer the error.
var ErrCorrupt = fmt.Errorf("%w: not a record", codec.ErrCorrupt)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Record is one parsed. Tags and payload share memory with what was parsed.
type Record struct {
	Absent   bool
	Endless  bool
	Capped   bool // flagProvisional
	Codec    byte
	ID       uint64
	KeepMs   uint32
	Stamp    uint64
	Version  uint64 // given by the source; 0: none
	EndMs    int64  // by the clock of the server; 0: not known
	Took     uint16 // see TookOf
	LoadedAt store.Time
	Tags     []string
	Payload  []byte
}

// TookOf returns what a record says of how long a load took.
func TookOf(d time.Duration) uint16 {
	if d <= 0 {
		return 0
	}
	return uint16(min((d-1)/time.Millisecond+1, math.MaxUint16))
}

// A Meta is an entry without its value.
type Meta = store.Entry[struct{}]

// Of returns the record of e, which lives for l, without its codec, its id and its payload.
func Of(e *Meta, l Life) Record {
	return Record{
		Absent: e.Absent, Endless: l.Endless, KeepMs: l.KeepMs, EndMs: EndMsOf(l), Stamp: e.Stamp, Version: e.Revision,
		Took: TookOf(e.LoadTime), LoadedAt: e.LoadedAt, Tags: e.Tags,
	}
}

// Describe sets what r says of e. Its times are a matter of the clock: see [Life].
func (r *Record) Describe(e *Meta) {
	e.Absent, e.Version, e.Tags, e.LoadedAt, e.Size = r.Absent, r.ID, r.Tags, r.LoadedAt, len(r.Payload)
	e.Stamp, e.Revision, e.LoadTime = r.Stamp, r.Version, time.Duration(r.Took)*time.Millisecond
}

// AppendHead appends a record to dst, all but the payload, which the caller
// appends before [Seal]. The payload of r is not looked at.
func AppendHead(dst []byte, r *Record) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	head := dst[start:]
	head[0], head[1], head[3] = 'V', format, r.Codec
	if r.Absent {
		head[2] |= FlagAbsent
	}
	if r.Endless {
		head[2] |= FlagEndless
	}
	if len(r.Tags) > 0 {
		head[2] |= flagTagged
	}
	binary.BigEndian.PutUint64(head[OffID:], r.ID)
	binary.BigEndian.PutUint32(head[OffKeep:], r.KeepMs)
	if r.EndMs < 0 {
		binary.BigEndian.PutUint32(head[OffEnd:], EndNone)
	}
	binary.BigEndian.PutUint16(head[offTook:], r.Took)
	binary.BigEndian.PutUint64(head[OffStamp:], r.Stamp)
	if r.Version != 0 {
		head[2] |= FlagVersioned
		binary.BigEndian.PutUint64(head[OffDB:], r.Version)
	}
	for _, tag := range r.Tags {
		if len(tag) > math.MaxUint16 {
			return nil, fmt.Errorf("%w: a tag of %d bytes", store.ErrTooLarge, len(tag))
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(tag)))
		dst = append(dst, tag...)
	}
	size := len(dst) - start - HeaderSize
	if size > math.MaxUint16 {
		return nil, fmt.Errorf("%w: tags of %d bytes", store.ErrTooLarge, size)
	}
	binary.BigEndian.PutUint16(dst[start+OffTags:], uint16(size))
	if r.LoadedAt != 0 {
		binary.BigEndian.PutUint16(dst[start+offExt:], ExtSize)
		dst = binary.BigEndian.AppendUint64(dst, uint64(r.LoadedAt))
	}
	return dst, nil
}

// Seal completes a record, which is all of b, once its payload is there.
func Seal(b []byte) {
	binary.BigEndian.PutUint32(b[offSum:], crc32.Checksum(b[OffTags:], castagnoli))
}

// A Kind says what is under a key.
type Kind int

const (
	KindNone    Kind = iota // nothing, or a record without a value
	KindValue               // a value, or an absent entry
	KindCounter             // an integer
	KindCorrupt             // something else
)

// KindOf returns what b is, or the first HeaderSize bytes of it.
func KindOf(b []byte) Kind {
	switch {
	case len(b) == 0:
		return KindNone
	case len(b) >= 2 && b[1] == format && b[0] == 'N':
		return KindNone
	case len(b) >= 2 && b[1] == format && b[0] == 'V':
		return KindValue
	}
	if b[0] == '-' || b[0] >= '0' && b[0] <= '9' {
		if _, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return KindCounter
		}
	}
	return KindCorrupt
}

// Parse parses a record that is a value. It allocates nothing but
// the list of tags, and returns ErrCorrupt for whatever is not right.
func Parse(b []byte, r *Record) error {
	if len(b) < HeaderSize || b[0] != 'V' || b[1] != format || b[2]&^flagsKnown != 0 {
		return ErrCorrupt
	}
	rest := b[HeaderSize:]
	tags := int(binary.BigEndian.Uint16(b[OffTags:]))
	ext := int(binary.BigEndian.Uint16(b[offExt:]))
	if tags+ext > len(rest) || binary.BigEndian.Uint32(b[offSum:]) != crc32.Checksum(b[OffTags:], castagnoli) {
		return ErrCorrupt
	}
	*r = Record{
		Absent:  b[2]&FlagAbsent != 0,
		Endless: b[2]&FlagEndless != 0,
		Capped:  b[2]&FlagProvisional != 0,
		Codec:   b[3],
		ID:      binary.BigEndian.Uint64(b[OffID:]),
		KeepMs:  binary.BigEndian.Uint32(b[OffKeep:]),
		Took:    binary.BigEndian.Uint16(b[offTook:]),
		Stamp:   binary.BigEndian.Uint64(b[OffStamp:]),
		Payload: rest[tags+ext:],
	}
	if b[2]&FlagVersioned != 0 {
		r.Version = binary.BigEndian.Uint64(b[OffDB:])
	}
	switch end := binary.BigEndian.Uint32(b[OffEnd:]); end {
	case 0:
	case EndNone:
		r.EndMs = -1
	default:
		r.EndMs = int64(end)*1000 + int64(binary.BigEndian.Uint16(b[OffEndMs:]))
	}
	if (b[2]&flagTagged != 0) != (tags > 0) || r.Absent && len(r.Payload) > 0 {
		return ErrCorrupt
	}
	if ext > 0 && ext < ExtSize {
		return ErrCorrupt
	}
	if ext >= ExtSize { // what a later version adds comes after it
		r.LoadedAt = store.Time(binary.BigEndian.Uint64(rest[tags:]))
	}
	var err error
	r.Tags, err = ParseTags(rest[:tags])
	return err
}

func ParseTags(b []byte) ([]string, error) {
	if len(b) == 0 {
		return nil, nil
	}
	tags := make([]string, 0, 4)
	for len(b) > 0 {
		if len(b) < 2 {
			return nil, ErrCorrupt
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; n > len(b) {
			return nil, ErrCorrupt
		}
		tags = append(tags, string(b[:n]))
		b = b[n:]
	}
	return tags, nil
}

// LeaseAndHold returns until when the lease and the hold last that the header b has, in
// milliseconds by the clock of the server; 0: there is none. A back-off counts as a lease.
func LeaseAndHold(b []byte) (lease, hold int64) {
	return int64(Uint64(b[header["leaseUntil"].offset:])), int64(Uint64(b[header["holdUntil"].offset:]))
}

// lastID is the id given last. The upper 40 bits begin at random, so that ids of
// different processes differ.
var lastID atomic.Uint64

func init() { lastID.Store(rand.Uint64() &^ (1<<24 - 1)) }

// NewID returns an id that no other record has: neither 0 nor all ones, which
// mean something else in the fields of a record.
func NewID() uint64 {
	for {
		if id := lastID.Add(1); id != 0 && id != math.MaxUint64 {
			return id
		}
	}
}

// IsUnstorable reports whether b, the first HeaderSize bytes of what is under a key, says
// that its value could not be stored.
func IsUnstorable(b []byte) bool {
	return KindOf(b) == KindNone && len(b) >= HeaderSize && b[2]&flagUnstorable != 0
}

var Zeros [4096]byte

// SumChange returns by what the sum of a record changes when its LoadedAt does, which
// size bytes follow. A CRC is linear: that of the difference, behind as many zeros as
// one likes, is the difference of those of the records.
func SumChange(from, to uint64, size int) string {
	const raw = 1<<32 - 1 // the package inverts what goes in and what comes out
	sum := crc32.Update(raw, castagnoli, []byte(Bytes8(from^to)))
	for ; size > 0; size -= len(Zeros) {
		sum = crc32.Update(sum, castagnoli, Zeros[:min(size, len(Zeros))])
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], sum^raw)
	return string(b[:])
}

func Uint64(b []byte) uint64       { return binary.BigEndian.Uint64(b) }
func Uint32(b []byte) uint32       { return binary.BigEndian.Uint32(b) }
func Uint16(b []byte) uint16       { return binary.BigEndian.Uint16(b) }
func PutUint64(b []byte, n uint64) { binary.BigEndian.PutUint64(b, n) }

// Bytes8 is how a script is given 64 bits.
func Bytes8(n uint64) string {
	var b [8]byte
	PutUint64(b[:], n)
	return string(b[:])
}
