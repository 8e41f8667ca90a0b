package redisstore

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

// The record, in big endian:
//
//	 0  1  type: 'V' a value, 'N' none (a lease, a hold or a back-off; or with
//	       flagUnstorable a lease that is everybody's, whose id is its token)
//	 1  1  format: 1
//	 2  1  flags
//	 3  1  codec
//	 4  8  id, different for each value ever written
//	12 40  lease and hold: token, until; until, token, floor. Only scripts write them
//	52  4  keepMs: fresh for the TTL of the key less this, then stale; with
//	       flagProvisional over, the key lasts as long as the hold it bears
//	56  4  end of the key by the clock of the server, in seconds: 0 is not known,
//	       all ones none. What is written without a script does not know it
//	60  8  stamp: a reading of the clock of the tags from before the load
//	68  8  version given by the source, with flagVersioned; else zero
//	76  2  end of the key: the milliseconds
//	78  2  how long the load took, in milliseconds, rounded up; all ones: so long or
//	       longer; zero: not known
//	80  4  CRC-32C of what follows
//	84  2  length of the tags
//	86  2  length of the extension
//	88     tags, each as a length of 2 bytes and its bytes
//	       extension: nothing, or LoadedAt in 8 bytes
//	       payload
const (
	headerSize = 88
	format     = 1

	offID    = 4
	offKeep  = 52
	offEnd   = 56
	offEndMs = 76
	offTook  = 78
	offStamp = 60
	offDB    = 68
	offSum   = 80
	offTags  = 84
	offExt   = 86
	extSize  = 8
)

// The flags of a record.
const (
	flagAbsent      = 1
	flagTagged      = 4
	flagProvisional = 8 // written under a hold, with which it ends at the latest
	flagVersioned   = 16
	flagEndless     = 32 // no hard expiry: that of the key is there for the soft one
	flagUnstorable  = 64 // what was loaded could not be stored; no flag of a value
	flagsKnown      = flagAbsent | flagTagged | flagProvisional | flagVersioned | flagEndless
)

// endNone says in a record that the key has no end; in a record's endMs it is -1.
const endNone = math.MaxUint32

// maxKeep is the longest time in milliseconds that an entry can be stale.
const maxKeep = math.MaxUint32

// errCorrupt says that bytes are not a record. Callers see a miss, an Observer the error.
var errCorrupt = fmt.Errorf("%w: not a record", codec.ErrCorrupt)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A record is one parsed. Tags and payload share memory with what was parsed.
type record struct {
	absent   bool
	endless  bool
	capped   bool // flagProvisional
	codec    byte
	id       uint64
	keepMs   uint32
	stamp    uint64
	version  uint64 // given by the source; 0: none
	endMs    int64  // by the clock of the server; 0: not known
	took     uint16 // see tookOf
	loadedAt store.Time
	tags     []string
	payload  []byte
}

// tookOf returns what a record says of how long a load took.
func tookOf(d time.Duration) uint16 {
	if d <= 0 {
		return 0
	}
	return uint16(min((d-1)/time.Millisecond+1, math.MaxUint16))
}

// appendHead appends a record to dst, all but the payload, which the caller
// appends before [seal]. The payload of r is not looked at.
func appendHead(dst []byte, r *record) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	head := dst[start:]
	head[0], head[1], head[3] = 'V', format, r.codec
	if r.absent {
		head[2] |= flagAbsent
	}
	if r.endless {
		head[2] |= flagEndless
	}
	if len(r.tags) > 0 {
		head[2] |= flagTagged
	}
	binary.BigEndian.PutUint64(head[offID:], r.id)
	binary.BigEndian.PutUint32(head[offKeep:], r.keepMs)
	if r.endMs < 0 {
		binary.BigEndian.PutUint32(head[offEnd:], endNone)
	}
	binary.BigEndian.PutUint16(head[offTook:], r.took)
	binary.BigEndian.PutUint64(head[offStamp:], r.stamp)
	if r.version != 0 {
		head[2] |= flagVersioned
		binary.BigEndian.PutUint64(head[offDB:], r.version)
	}
	for _, tag := range r.tags {
		if len(tag) > math.MaxUint16 {
			return nil, fmt.Errorf("%w: a tag of %d bytes", store.ErrTooLarge, len(tag))
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(tag)))
		dst = append(dst, tag...)
	}
	size := len(dst) - start - headerSize
	if size > math.MaxUint16 {
		return nil, fmt.Errorf("%w: tags of %d bytes", store.ErrTooLarge, size)
	}
	binary.BigEndian.PutUint16(dst[start+offTags:], uint16(size))
	if r.loadedAt != 0 {
		binary.BigEndian.PutUint16(dst[start+offExt:], extSize)
		dst = binary.BigEndian.AppendUint64(dst, uint64(r.loadedAt))
	}
	return dst, nil
}

// seal completes a record, which is all of b, once its payload is there.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[offSum:], crc32.Checksum(b[offTags:], castagnoli))
}

// A kind says what is under a key.
type kind int

const (
	kindNone    kind = iota // nothing, or a record without a value
	kindValue               // a value, or an absent entry
	kindCounter             // an integer
	kindCorrupt             // something else
)

// kindOf tells what b is, or the first headerSize bytes of it.
func kindOf(b []byte) kind {
	switch {
	case len(b) == 0:
		return kindNone
	case len(b) >= 2 && b[1] == format && b[0] == 'N':
		return kindNone
	case len(b) >= 2 && b[1] == format && b[0] == 'V':
		return kindValue
	}
	if b[0] == '-' || b[0] >= '0' && b[0] <= '9' {
		if _, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return kindCounter
		}
	}
	return kindCorrupt
}

// parseRecord parses a record whose kind is a value. It allocates nothing but
// the list of tags, and returns errCorrupt for whatever is not right.
func parseRecord(b []byte, r *record) error {
	if len(b) < headerSize || b[0] != 'V' || b[1] != format || b[2]&^flagsKnown != 0 {
		return errCorrupt
	}
	rest := b[headerSize:]
	tags := int(binary.BigEndian.Uint16(b[offTags:]))
	ext := int(binary.BigEndian.Uint16(b[offExt:]))
	if tags+ext > len(rest) || binary.BigEndian.Uint32(b[offSum:]) != crc32.Checksum(b[offTags:], castagnoli) {
		return errCorrupt
	}
	*r = record{
		absent:  b[2]&flagAbsent != 0,
		endless: b[2]&flagEndless != 0,
		capped:  b[2]&flagProvisional != 0,
		codec:   b[3],
		id:      binary.BigEndian.Uint64(b[offID:]),
		keepMs:  binary.BigEndian.Uint32(b[offKeep:]),
		took:    binary.BigEndian.Uint16(b[offTook:]),
		stamp:   binary.BigEndian.Uint64(b[offStamp:]),
		payload: rest[tags+ext:],
	}
	if b[2]&flagVersioned != 0 {
		r.version = binary.BigEndian.Uint64(b[offDB:])
	}
	switch end := binary.BigEndian.Uint32(b[offEnd:]); end {
	case 0:
	case endNone:
		r.endMs = -1
	default:
		r.endMs = int64(end)*1000 + int64(binary.BigEndian.Uint16(b[offEndMs:]))
	}
	if (b[2]&flagTagged != 0) != (tags > 0) || r.absent && len(r.payload) > 0 {
		return errCorrupt
	}
	if ext > 0 && ext < extSize {
		return errCorrupt
	}
	if ext >= extSize { // what a later version adds comes after it
		r.loadedAt = store.Time(binary.BigEndian.Uint64(rest[tags:]))
	}
	var err error
	r.tags, err = parseTags(rest[:tags])
	return err
}

func parseTags(b []byte) ([]string, error) {
	if len(b) == 0 {
		return nil, nil
	}
	tags := make([]string, 0, 4)
	for len(b) > 0 {
		if len(b) < 2 {
			return nil, errCorrupt
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; n > len(b) {
			return nil, errCorrupt
		}
		tags = append(tags, string(b[:n]))
		b = b[n:]
	}
	return tags, nil
}

// lastID is the id given last. The upper 40 bits begin at random, so that ids of
// different processes differ.
var lastID atomic.Uint64

func init() { lastID.Store(rand.Uint64() &^ (1<<24 - 1)) }

// newID returns an id that no other record has: neither 0 nor all ones, which
// mean something else in the fields of a record.
func newID() uint64 {
	for {
		if id := lastID.Add(1); id != 0 && id != math.MaxUint64 {
			return id
		}
	}
}
