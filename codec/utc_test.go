package codec_test

import (
	"encoding/json"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

type stamped struct {
	At     time.Time
	Ptr    *time.Time
	List   []time.Time
	Fixed  [2]time.Time
	ByName map[string]time.Time
	ByTime map[time.Time]int
	Any    any
	Next   *stamped
}

// stamps returns a value with t everywhere.
func stamps(t time.Time) stamped {
	return stamped{
		At: t, Ptr: &t, List: []time.Time{t}, Fixed: [2]time.Time{t, t}, ByName: map[string]time.Time{"a": t},
		Any: map[string]any{"list": []any{t}}, Next: &stamped{At: t},
	}
}

// What a process keeps that has loaded a value is what others decode, to the last bit.
func TestCanonical_isWhatDecodeReturns(t *testing.T) {
	east := time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("east", 5*3600))
	for _, at := range []time.Time{east, time.Now(), time.Unix(5, 0), {}} {
		c := codec.Msgpack[stamped]()
		in := stamps(at)
		before := stamps(at)
		want := stamps(at.Round(0).UTC())
		if got := codec.Canonical(c, in); !reflect.DeepEqual(got, want) {
			t.Errorf("Canonical = %+v, want %+v", got, want)
		}
		if !reflect.DeepEqual(in, before) {
			t.Errorf("Canonical changed its argument to %+v", in)
		}
		if got := roundTrip(t, c, in); !reflect.DeepEqual(got, want) {
			t.Errorf("decoded %+v, want %+v", got, want)
		}
	}
	byTime := map[time.Time]int{east: 1}
	if got := codec.Canonical(codec.Msgpack[map[time.Time]int](), byTime); got[east.UTC()] != 1 || len(byTime) != 1 || byTime[east] != 1 {
		t.Errorf("Canonical = %v of %v", got, byTime)
	}
}

// An address and raw JSON have the form in which they are decoded, wherever they are.
func TestCanonical_addressesAndRawJSON(t *testing.T) {
	type host struct {
		IP  net.IP
		Net *net.IPNet
		Raw map[string]json.RawMessage
	}
	v := host{net.IP{192, 0, 2, 1}, &net.IPNet{IP: net.IP{10, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}, map[string]json.RawMessage{"a": json.RawMessage(`{"n": 1}`)}}
	for _, c := range []codec.Codec[host]{codec.Msgpack[host](), codec.JSON[host]()} {
		want := codec.Canonical(c, v)
		if got := roundTrip(t, c, v); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: decoded %+v, want %+v", c, got, want)
		}
		if len(v.IP) != 4 || len(v.Net.IP) != 4 || len(v.Raw["a"]) != 8 {
			t.Errorf("%v: Canonical changed its argument to %+v", c, v)
		}
	}
	if got, err := codec.JSON[json.RawMessage]().Decode([]byte(`[1, 2]`)); string(got) != "[1,2]" || err != nil {
		t.Errorf("decoded %s, %v", got, err)
	}
}

// JSON writes the same text in whatever zone a time is, also for the last second of the year 9999.
func TestJSON_timesAreInUTC(t *testing.T) {
	type event struct{ At time.Time }
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -12*3600)} {
		for _, c := range []codec.Codec[event]{codec.JSON[event](), compress(t, codec.JSON[event](), nil)} {
			v := event{last.In(zone)}
			out, err := codec.AppendFor(c, nil, "k", v)
			if want := `{"At":"9999-12-31T23:59:59Z"}`; err != nil || string(out[len(out)-len(want):]) != want {
				t.Errorf("%v in %v: Append = %q, %v", c, zone, out, err)
			}
			if got := roundTrip(t, c, v); got != (event{last}) || codec.Canonical(c, v) != got {
				t.Errorf("%v in %v: got %v", c, zone, got)
			}
		}
	}
	if got, err := codec.JSON[event]().Decode([]byte(`{"At":"2026-01-02T03:04:05+02:00"}`)); err != nil || got.At != time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Generated methods, and methods of an embedded time, return local times.
func TestMsgpack_timesOfMethodsAreInUTC(t *testing.T) {
	want := generatedListing(sample())
	if got := roundTrip(t, codec.Msgpack[generatedListing](), want); got.CreatedAt != want.CreatedAt.UTC() {
		t.Errorf("got %v, want %v", got.CreatedAt, want.CreatedAt.UTC())
	}
	type clock struct{ time.Time }
	east := time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("east", 5*3600))
	for _, c := range []codec.Codec[clock]{codec.Msgpack[clock](), codec.JSON[clock]()} {
		if got := roundTrip(t, c, clock{east}); got.Time != east.UTC() || codec.Canonical(c, clock{east}) != got {
			t.Errorf("%v: got %v", c, got)
		}
	}
}

func TestCanonical_ofValuesThatReferToThemselves(t *testing.T) {
	now := time.Now()
	a, b := &stamped{At: now}, &stamped{At: now}
	a.Next, b.Next = b, a
	got := codec.Canonical(codec.Msgpack[*stamped](), a)
	if got == a || got.Next.Next != got || got.At != now.Round(0).UTC() || got.Next.At != got.At || a.At != now {
		t.Errorf("got %v", got.At)
	}
}

func TestCanonical_withoutTimesDoesNotAllocate(t *testing.T) {
	type row struct {
		A []string
		B map[string]int
		C *int
	}
	c, v := codec.Codec[row](codec.Msgpack[row]()), row{A: []string{"x"}, C: new(int)}
	times := codec.Codec[listing](codec.Msgpack[listing]())
	l := codec.Canonical(times, sample())
	if n := testing.AllocsPerRun(100, func() { codec.Canonical(c, v) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { codec.Canonical(times, l) }); n > 1 {
		t.Errorf("%v allocations for times in UTC", n)
	}
}
