package httpcache

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// recordSchema changes with the layout of a record.
const recordSchema = "http2"

// A record is a stored response. Its strings are parts of the one that is stored, so that a hit
// copies nothing.
type record struct {
	flags    flags
	status   int
	received store.Time
	age      time.Duration // at received
	lifetime time.Duration
	swr, sie time.Duration

	// generation is part of the ids of the records that this one leads to: those of requests
	// with other values of names. "": it is received. soft changes when the records are made stale on purpose.
	generation, soft, parentSoft string

	mark   mark   // of a response with tags: see softLog
	names  string // of the request headers in Vary: lower case, sorted, joined by commas
	values string // what the request had of them: see valuesOf
	head   string // see appendField
	body   string
}

type flags uint8

const (
	noCache     flags = 1 << iota // never used without validation
	noStale                       // never used stale
	shareable                     // may answer a request with Authorization
	assignedTTL                   // the lifetime is not from the response: no request with credentials is answered
	marked                        // made stale on purpose
	zipped                        // the body is in gzip: see compress
)

func (f flags) has(g flags) bool { return f&g != 0 }

func flag(on bool, f flags) flags {
	if on {
		return f
	}
	return 0
}

// A page is a record as the tiers keep it. What is beside the body is short, and of its own:
// one string for both would take the next larger size of the allocator.
type page struct{ meta, body string }

// pageOf returns a value of the tiers; absent: no page.
func pageOf(v any) page {
	p, _ := v.(page)
	return p
}

// encode returns rec as it is kept.
func (rec *record) encode() page {
	b := make([]byte, 0, len(rec.names)+len(rec.values)+len(rec.head)+96)
	b = append(b, byte(rec.flags))
	b = binary.AppendUvarint(b, uint64(rec.status))
	b = binary.AppendVarint(b, int64(rec.received))
	for _, d := range []time.Duration{rec.age, rec.lifetime, rec.swr, rec.sie} {
		b = binary.AppendUvarint(b, uint64(max(d.Milliseconds(), 0)))
	}
	for _, s := range []string{rec.generation, rec.soft, rec.parentSoft, rec.names, rec.values} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendUvarint(b, rec.mark.log)
	b = binary.AppendUvarint(b, rec.mark.number)
	return page{string(append(b, rec.head...)), rec.body}
}

// parseRecord parses what encode has returned. ok is false if it is something else.
func parseRecord(s page) (rec record, ok bool) {
	d := decoder{s: s.meta, ok: true}
	rec.flags = flags(d.byte())
	rec.status = int(d.uvarint())
	rec.received = store.Time(d.varint())
	for _, p := range [...]*time.Duration{&rec.age, &rec.lifetime, &rec.swr, &rec.sie} {
		*p = time.Duration(d.uvarint()) * time.Millisecond
	}
	for _, p := range [...]*string{&rec.generation, &rec.soft, &rec.parentSoft, &rec.names, &rec.values} {
		*p = d.str()
	}
	rec.mark = mark{d.uvarint(), d.uvarint()}
	rec.head, rec.body = d.s, s.body
	return rec, d.ok && rec.status >= 200 && rec.status < 1000
}

// A recordCodec is the codec of records in Redis: the length of meta, meta, and the body.
type recordCodec struct{}

func (recordCodec) String() string { return "record" }

func (recordCodec) Append(dst []byte, s page) ([]byte, error) {
	dst = slices.Grow(dst, len(s.meta)+len(s.body)+binary.MaxVarintLen64)
	dst = binary.AppendUvarint(dst, uint64(len(s.meta)))
	return append(append(dst, s.meta...), s.body...), nil
}

func (recordCodec) Decode(src []byte) (page, error) {
	n, size := binary.Uvarint(src)
	if size <= 0 || n > uint64(len(src)-size) {
		return page{}, codec.ErrCorrupt
	}
	src = src[size:]
	return page{string(src[:n]), string(src[n:])}, nil
}

// A decoder reads a string from its start. Once it has failed, ok is false.
type decoder struct {
	s  string
	ok bool
}

func (d *decoder) byte() byte {
	if d.s == "" {
		d.ok = false
		return 0
	}
	b := d.s[0]
	d.s = d.s[1:]
	return b
}

func (d *decoder) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	d.ok = false
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (d *decoder) str() string {
	n := d.uvarint()
	if !d.ok || n > uint64(len(d.s)) {
		d.ok, d.s = false, ""
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

// ageAt returns the age of rec (RFC 9111 section 4.2.3).
func (rec *record) ageAt(now store.Time) time.Duration {
	return rec.age + max(now.Sub(rec.received), 0)
}
