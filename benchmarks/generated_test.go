package benchmarks_test

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// A generated is a listing with methods like those that github.com/tinylib/msgp generates,
// without reflection. It shows the remaining cost when decoding is cheap.
type generated listing

func newGenerated(i int) generated { return generated(newListing(i)) }

func idOfGenerated(l generated) int64 { return l.ID }

// MarshalMsg appends l to b.
func (l *generated) MarshalMsg(b []byte) ([]byte, error) {
	b = append(b, 0xde, 0, 20)
	b = putInt(putStr(b, "id"), l.ID)
	b = putInt(putStr(b, "host_id"), l.HostID)
	b = putStr(putStr(b, "title"), l.Title)
	b = putStr(putStr(b, "description"), l.Description)
	b = putStr(putStr(b, "city"), l.City)
	b = putStr(putStr(b, "country"), l.Country)
	b = putStr(putStr(b, "street"), l.Street)
	b = putFloat(putStr(b, "lat"), l.Latitude)
	b = putFloat(putStr(b, "lon"), l.Longitude)
	b = putInt(putStr(b, "price_cents"), l.PriceCents)
	b = putStr(putStr(b, "currency"), l.Currency)
	b = putInt(putStr(b, "bedrooms"), int64(l.Bedrooms))
	b = putInt(putStr(b, "bathrooms"), int64(l.Bathrooms))
	b = putInt(putStr(b, "max_guests"), int64(l.MaxGuests))
	b = putFloat(putStr(b, "rating"), l.Rating)
	b = putInt(putStr(b, "reviews"), int64(l.Reviews))
	b = putBool(putStr(b, "superhost"), l.Superhost)
	b = append(putStr(b, "amenities"), 0xdc, byte(len(l.Amenities)>>8), byte(len(l.Amenities)))
	for _, a := range l.Amenities {
		b = putStr(b, a)
	}
	b = putTime(putStr(b, "created_at"), l.CreatedAt)
	return putTime(putStr(b, "updated_at"), l.UpdatedAt), nil
}

// UnmarshalMsg decodes l from b and returns the remaining bytes.
func (l *generated) UnmarshalMsg(b []byte) ([]byte, error) {
	in := &msgReader{b: b}
	for n := in.length(0xde); n > 0 && !in.bad; n-- {
		l.read(in, in.strBytes())
	}
	if in.bad {
		return b, errors.New("unexpected bytes")
	}
	return in.b, nil
}

func (l *generated) read(in *msgReader, field []byte) {
	switch string(field) {
	case "id":
		l.ID = in.integer()
	case "host_id":
		l.HostID = in.integer()
	case "title":
		l.Title = in.str()
	case "description":
		l.Description = in.str()
	case "city":
		l.City = in.str()
	case "country":
		l.Country = in.str()
	case "street":
		l.Street = in.str()
	case "lat":
		l.Latitude = in.float()
	case "lon":
		l.Longitude = in.float()
	case "price_cents":
		l.PriceCents = in.integer()
	case "currency":
		l.Currency = in.str()
	case "bedrooms":
		l.Bedrooms = int(in.integer())
	case "bathrooms":
		l.Bathrooms = int(in.integer())
	case "max_guests":
		l.MaxGuests = int(in.integer())
	case "rating":
		l.Rating = in.float()
	case "reviews":
		l.Reviews = int(in.integer())
	case "superhost":
		l.Superhost = in.boolean()
	case "amenities":
		l.Amenities = make([]string, in.length(0xdc))
		for i := range l.Amenities {
			l.Amenities[i] = in.str()
		}
	case "created_at":
		l.CreatedAt = in.time()
	case "updated_at":
		l.UpdatedAt = in.time()
	default:
		in.bad = true
	}
}

func putStr(b []byte, s string) []byte {
	if len(s) < 32 {
		return append(append(b, 0xa0|byte(len(s))), s...)
	}
	return append(binary.BigEndian.AppendUint16(append(b, 0xda), uint16(len(s))), s...)
}

func putInt(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

func putFloat(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0xcb), math.Float64bits(f))
}

func putBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}

func putTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint32(append(b, 0xc7, 12, 0xff), uint32(t.Nanosecond()))
	return binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
}

// A msgReader reads the output of the functions above; other input sets bad.
type msgReader struct {
	b   []byte
	bad bool
}

var noBytes [1 << 16]byte

func (r *msgReader) take(n int) []byte {
	if len(r.b) < n || r.bad {
		r.bad = true
		return noBytes[:n]
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *msgReader) expect(code byte) { r.bad = r.bad || r.take(1)[0] != code }

func (r *msgReader) length(code byte) int {
	r.expect(code)
	return int(binary.BigEndian.Uint16(r.take(2)))
}

func (r *msgReader) strBytes() []byte {
	c := r.take(1)[0]
	if c&0xe0 == 0xa0 {
		return r.take(int(c & 0x1f))
	}
	r.bad = r.bad || c != 0xda
	return r.take(int(binary.BigEndian.Uint16(r.take(2))))
}

func (r *msgReader) str() string { return string(r.strBytes()) }

func (r *msgReader) integer() int64 {
	r.expect(0xd3)
	return int64(binary.BigEndian.Uint64(r.take(8)))
}

func (r *msgReader) float() float64 {
	r.expect(0xcb)
	return math.Float64frombits(binary.BigEndian.Uint64(r.take(8)))
}

func (r *msgReader) boolean() bool { return r.take(1)[0] == 0xc3 }

func (r *msgReader) time() time.Time {
	r.expect(0xc7)
	r.take(2)
	ns := binary.BigEndian.Uint32(r.take(4))
	return time.Unix(int64(binary.BigEndian.Uint64(r.take(8))), int64(ns))
}
