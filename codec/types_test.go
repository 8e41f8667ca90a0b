package codec_test

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A listing is the value that the benchmarks measure: 20 fields.
type listing struct {
	ID          int64     `msgpack:"id" json:"id"`
	HostID      int64     `msgpack:"host_id" json:"host_id"`
	Title       string    `msgpack:"title" json:"title"`
	Description string    `msgpack:"description" json:"description"`
	City        string    `msgpack:"city" json:"city"`
	Country     string    `msgpack:"country" json:"country"`
	Street      string    `msgpack:"street" json:"street"`
	Latitude    float64   `msgpack:"lat" json:"lat"`
	Longitude   float64   `msgpack:"lon" json:"lon"`
	PriceCents  int64     `msgpack:"price_cents" json:"price_cents"`
	Currency    string    `msgpack:"currency" json:"currency"`
	Bedrooms    int       `msgpack:"bedrooms" json:"bedrooms"`
	Bathrooms   int       `msgpack:"bathrooms" json:"bathrooms"`
	MaxGuests   int       `msgpack:"max_guests" json:"max_guests"`
	Rating      float64   `msgpack:"rating" json:"rating"`
	Reviews     int       `msgpack:"reviews" json:"reviews"`
	Superhost   bool      `msgpack:"superhost" json:"superhost"`
	Amenities   []string  `msgpack:"amenities" json:"amenities"`
	CreatedAt   time.Time `msgpack:"created_at" json:"created_at"`
	UpdatedAt   time.Time `msgpack:"updated_at" json:"updated_at"`
}

func sample() listing {
	return listing{
		ID: 4217, HostID: 99120, Title: "Bright loft by the canal", City: "Amsterdam", Country: "NL",
		Description: "Two floors, a quiet street, a kitchen that asks to be used, and a view over the water.",
		Street:      "Prinsengracht 263", Latitude: 52.3752, Longitude: 4.8840, PriceCents: 18900, Currency: "EUR",
		Bedrooms: 2, Bathrooms: 1, MaxGuests: 4, Rating: 4.87, Reviews: 312, Superhost: true,
		Amenities: []string{"wifi", "kitchen", "washer", "heating", "workspace"},
		CreatedAt: time.Unix(1_700_000_000, 123_000_000), UpdatedAt: time.Unix(1_760_000_000, 0),
	}
}

// A generatedListing is a listing with methods such as msgp generates.
type generatedListing listing

func (l *generatedListing) MarshalMsg(b []byte) ([]byte, error) {
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

func (l *generatedListing) UnmarshalMsg(b []byte) ([]byte, error) {
	in := &msgReader{b: b}
	n := in.length(0xde)
	if in.bad {
		return b, errors.New("no map")
	}
	for range n {
		switch string(in.strBytes()) {
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
		if in.bad {
			return b, errors.New("unexpected bytes")
		}
	}
	return in.b, nil
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

// A msgReader reads what the functions above write; anything else makes it bad.
type msgReader struct {
	b   []byte
	bad bool
}

func (r *msgReader) take(n int) []byte {
	if len(r.b) < n || r.bad {
		r.bad = true
		return make([]byte, n)
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
	head := r.take(2)
	r.bad = r.bad || head[0] != 12 || head[1] != 0xff
	nsec := binary.BigEndian.Uint32(r.take(4))
	return time.Unix(int64(binary.BigEndian.Uint64(r.take(8))), int64(nsec))
}

// allocated returns how many bytes fn allocates, the garbage included.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
