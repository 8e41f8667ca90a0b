package survey

import (
	"bytes"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

var times = flag.Bool("times", false, "measure the times of codec/survey/README.md and write them there")

// A listing is the struct of 20 fields that the benchmarks of codec measure, too.
type listing struct {
	ID, HostID                                int64
	Title, Description, City, Country, Street string
	Latitude, Longitude                       float64
	PriceCents                                int64
	Currency                                  string
	Bedrooms, Bathrooms, MaxGuests            int
	Rating                                    float64
	Reviews                                   int
	Superhost                                 bool
	Amenities                                 []string
	CreatedAt, UpdatedAt                      time.Time
}

var canal = listing{
	ID: 4217, HostID: 99120, Title: "Bright loft by the canal", City: "Amsterdam", Country: "NL",
	Description: "Two floors, a quiet street, a kitchen that asks to be used, and a view over the water.",
	Street:      "Prinsengracht 263", Latitude: 52.3752, Longitude: 4.8840, PriceCents: 18900, Currency: "EUR",
	Bedrooms: 2, Bathrooms: 1, MaxGuests: 4, Rating: 4.87, Reviews: 312, Superhost: true,
	Amenities: []string{"wifi", "kitchen", "washer", "heating", "workspace"},
	CreatedAt: time.Unix(1_700_000_000, 123_000_000).UTC(), UpdatedAt: time.Unix(1_760_000_000, 0).UTC(),
}

// A subject encodes and decodes a listing by one codec.
type subject struct {
	name   string
	encode func() ([]byte, error)
	decode func(b []byte) (listing, error)
}

func subjects() []subject {
	var all []subject
	for name, c := range map[string]codec.Codec[listing]{"`codec.Msgpack`": codec.Msgpack[listing](), "`codec.JSON`": codec.JSON[listing]()} {
		buf := make([]byte, 0, 1024) // reused, as the stores do; the others return a slice of their own, and so does this
		encode := func() ([]byte, error) {
			b, err := c.Append(buf, canal)
			return bytes.Clone(b), err
		}
		all = append(all, subject{name, encode, c.Decode})
	}
	slices.SortFunc(all, func(a, b subject) int { return -strings.Compare(a.name, b.name) })
	for _, a := range alternatives {
		all = append(all, subject{a.name, func() ([]byte, error) { return a.encode(&canal) },
			func(b []byte) (v listing, err error) { return v, a.decode(b, &v) }})
	}
	return all
}

// The times of the page are measured in turns, so that what else the machine does
// concerns all alike. "make survey-times" writes them; else each subject runs once.
func TestTimes(t *testing.T) {
	all := subjects()
	rounds, batch := 1, 1
	if *times {
		rounds, batch = 200, 500
	}
	encode, decode, sizes := make([][]float64, len(all)), make([][]float64, len(all)), make([]int, len(all))
	for range rounds {
		for i, s := range all {
			b, err := s.encode()
			if err != nil {
				t.Fatal(s.name, err)
			}
			if back, err := s.decode(b); err != nil || fmt.Sprint(back) != fmt.Sprint(canal) {
				t.Fatalf("%s: %v came back as %v: %v", s.name, canal, back, err)
			}
			sizes[i] = len(b)
			encode[i] = append(encode[i], nanoseconds(batch, func() { _, _ = s.encode() }))
			decode[i] = append(decode[i], nanoseconds(batch, func() { _, _ = s.decode(b) }))
		}
	}
	if !*times {
		return
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Measured with %s on %d cores of %s/%s: the medians of %d turns of %d.\n\n", runtime.Version(), runtime.GOMAXPROCS(0),
		runtime.GOOS, runtime.GOARCH, rounds, batch)
	text.WriteString("| codec | bytes | encode, times | decode, times |\n|---|---:|---:|---:|\n")
	for i, s := range all {
		fmt.Fprintf(&text, "| %s | %d | %s | %s |\n", s.name, sizes[i], ratio(encode[i], encode[0]), ratio(decode[i], decode[0]))
	}
	onPage(t, "times", text.String(), true)
}

func nanoseconds(n int, f func()) float64 {
	start := time.Now()
	for range n {
		f()
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

// ratio returns the median of the ratios of times to first.
func ratio(times, first []float64) string {
	ratios := make([]float64, len(times))
	for i := range times {
		ratios[i] = times[i] / first[i]
	}
	slices.Sort(ratios)
	return fmt.Sprintf("%.1f", ratios[len(ratios)/2])
}
