package codec_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/lokroom/strata/codec"
	"github.com/vmihailenco/msgpack/v5"
)

type (
	model   struct{ ID uint }
	account struct { // replaces the ID that it inherits
		model
		ID string
	}
	rated struct { // the same, in the order that msgpack keeps
		ID string
		model
	}
	event struct {
		time.Time
		Name string
	}
	onlyTime struct{ time.Time }
	ownText  struct { // has methods in place of those of the time
		time.Time
		Name string
	}
	site struct {
		*url.URL
		Title string
	}
	price struct{ cents int64 } // JSON only
	level int                   // text without a way back
	grade int                   // a way back without text
	half  struct{ S string }    // binary one way, text the other
	plug  struct{ S string }    // text, by pointer only
	hash  struct {
		Name     string
		Password string `json:"-"`
	}
	hostOmit struct {
		Addr netip.Addr `msgpack:"addr,omitempty"`
	}
	chained struct {
		Name string
		Next *chained
		Kids map[string][]chained
	}
	box[T any] struct{ Value T }
	counter    struct{ Hits atomic.Int64 }
	locked     struct {
		mu sync.Mutex //lint:ignore U1000 its kind is what is tested
		N  int
	}
	status string

	selfEmbedded struct {
		*selfEmbedded //lint:ignore U1000 its kind is what is tested
		V             int
	}
	embedsEachOther struct{ *embedsBack }
	embedsBack      struct {
		Note             string
		*embedsEachOther //lint:ignore U1000 its kind is what is tested
	}
	row struct {
		_msgpack struct{} `msgpack:",as_array"` //lint:ignore U1000 package msgpack reads its tag
		A, B     int
	}
)

func (ownText) MarshalText() ([]byte, error)   { return nil, nil }
func (*ownText) UnmarshalText([]byte) error    { return nil }
func (ownText) MarshalBinary() ([]byte, error) { return nil, nil }
func (*ownText) UnmarshalBinary([]byte) error  { return nil }
func (ownText) MarshalJSON() ([]byte, error)   { return nil, nil }
func (*ownText) UnmarshalJSON([]byte) error    { return nil }
func (p price) MarshalJSON() ([]byte, error)   { return fmt.Append(nil, p.cents), nil }
func (p *price) UnmarshalJSON(b []byte) error  { return json.Unmarshal(b, &p.cents) }
func (l level) MarshalText() ([]byte, error)   { return fmt.Appendf(nil, "level %d", int(l)), nil }
func (*grade) UnmarshalText([]byte) error      { return nil }
func (half) MarshalBinary() ([]byte, error)    { return nil, nil }
func (*half) UnmarshalText([]byte) error       { return nil }
func (p *plug) MarshalText() ([]byte, error)   { return []byte(p.S), nil }
func (p *plug) UnmarshalText(b []byte) error   { p.S = string(b); return nil }

// A verdict is what Check has to say of a type: "" for nothing.
type verdict struct {
	name          string
	msgpack, json error
	wantMsgpack   string
	wantJSON      string
}

func of[T any](wantMsgpack, wantJSON string) verdict {
	return verdict{fmt.Sprintf("%T", *new(T)), codec.Check(codec.Msgpack[T]()), codec.Check(codec.JSON[T]()), wantMsgpack, wantJSON}
}

// Types that no value of which is lost, and those that are refused, with the reason.
func TestCheck(t *testing.T) {
	for _, v := range []verdict{
		of[int]("", ""), of[string]("", ""), of[[]byte]("", ""), of[any]("", ""), of[map[string]any]("", ""), of[time.Time]("", ""),
		of[listing]("", ""), of[*listing]("", ""), of[[]listing]("", ""), of[generatedListing]("", ""), of[chained]("", ""),
		of[box[status]]("", ""), of[box[box[[]time.Duration]]]("", ""), of[[16]byte]("", ""), of[map[status]uint8]("", ""),
		of[url.URL]("", "URL.User (Userinfo) has unexported fields"), of[*big.Int]("", ""), of[netip.Addr]("", ""), of[net.IP]("", ""), of[json.RawMessage]("", ""),
		of[sql.NullString]("", ""), of[sql.Null[time.Time]]("", ""), of[onlyTime]("", ""), of[ownText]("", ""), of[row]("", ""),
		of[struct{ Err error }]("", "is an interface"),
		of[struct{ _ [4]int }]("", ""), of[struct{}]("", ""), of[rated]("", "is written as \"ID\", as ID is"),
		of[map[netip.Addr]int]("", ""), of[map[[2]int]int]("", "is a key that is no string, integer or text"),

		of[price]("price has unexported fields and no MarshalText/MarshalBinary: msgpack would store it empty; add MarshalText and UnmarshalText, use codec.JSON, or set AllowLossy", ""),
		of[struct{ Items []struct{ Price price } }]("Items[].Price (codec_test.price) has unexported fields", ""),
		of[locked]("locked has unexported fields (mu), which msgpack would not store", "locked has unexported fields (mu)"),
		of[counter]("counter.Hits (atomic.Int64) has unexported fields", "counter.Hits (atomic.Int64) has unexported fields"),
		of[selfEmbedded]("selfEmbedded embeds itself: msgpack would never end", "is an embedded pointer to an unexported type"),
		of[map[string][]embedsEachOther]("embeds itself", "is an embedded pointer to an unexported type"),
		of[struct {
			n int
			F selfEmbedded
		}]("F (codec_test.selfEmbedded) embeds itself", "has unexported fields (n)"),
		of[struct {
			*chained `msgpack:",noinline"`
		}]("is embedded and unexported", "is an embedded pointer to an unexported type"),
		of[struct {
			status
			N int
		}]("status (codec_test.status) is embedded and unexported: msgpack could not read it; give it a name", "has unexported fields (status)"),
		of[struct{ error }]("is embedded and unexported", "has unexported fields and no MarshalText"),
		of[*time.Location]("has unexported fields", "has unexported fields"),
		of[fmt.Stringer]("is an interface", "is an interface"), of[struct{ S fmt.Stringer }]("S (fmt.Stringer) is an interface", "S (fmt.Stringer) is an interface"),
		of[chan int]("is a chan", "is a chan"), of[map[string]func()]("is a func", "is a func"), of[[]complex64]("is a complex64", "is a complex64"),
		of[struct{ P *uintptr }]("is a uintptr", ""), of[[1]unsafe.Pointer]("is a unsafe.Pointer", "is a unsafe.Pointer"),
		of[level]("has MarshalText but no UnmarshalText", "has MarshalText but no UnmarshalText"),
		of[grade]("has UnmarshalText but no MarshalText", "has UnmarshalText but no MarshalText"),
		of[half]("has MarshalBinary and UnmarshalText", "has UnmarshalText but no MarshalText"),
		of[map[string]plug]("for pointers only, which msgpack cannot call in a map", "for pointers only"), of[[]plug]("", ""), of[map[string]*plug]("", ""),
		of[map[plug]int]("for pointers only", "is a key that is no string"),
		of[event]("embeds time.Time, and its MarshalBinary would write it without the other fields", "embeds time.Time, and its MarshalJSON"),
		of[site]("embeds *url.URL, and its MarshalBinary would write it without the other fields", "site.URL.User (url.Userinfo) has unexported fields"),
		of[account]("is written as \"ID\", as model.ID is", "is written as \"ID\""),
		of[struct {
			A int `msgpack:"B" json:"B"`
			B int
		}]("is written as \"B\", as A is", "is written as \"B\", as A is"),
		of[struct {
			Note string
			*model
		}]("is an embedded pointer", "is an embedded pointer to an unexported type"),
		of[struct {
			Model *model `msgpack:",noinline"`
		}]("", ""),
		of[hash]("Password (string) is tagged `json:\"-\"`, but msgpack would store it", "is tagged `json:\"-\"`: only the process"),
		of[struct {
			A int `msgpack:"-"`
		}]("is tagged `msgpack:\"-\"`", ""),
		of[struct {
			A string `json:"-" msgpack:"a"`
		}]("", "is tagged `json:\"-\"`"),
		of[hostOmit]("is tagged omitempty: msgpack would drop it whatever it holds", ""),
		of[struct {
			A []int `msgpack:",omitempty" json:",omitempty"`
		}]("would drop one that is empty but not nil", "would drop one that is empty but not nil"),
		of[struct {
			A any        `msgpack:",omitempty"`
			B *time.Time `msgpack:",omitempty"`
			C time.Time  `msgpack:",omitempty"`
		}]("would drop one that holds a zero", ""),
		of[struct {
			A string `msgpack:",intern"`
		}]("intern", ""),
		of[map[*int]int]("is a key with a pointer", "is a key with a pointer"), of[map[*plug]int]("is a key with a pointer", "is a key with a pointer"),
		of[**int]("points to what may be nil", "points to what may be nil"), of[struct{ A *[]int }]("points to what may be nil", "points to what may be nil"),
	} {
		says(t, v.name+" by msgpack", v.msgpack, v.wantMsgpack)
		says(t, v.name+" by json", v.json, v.wantJSON)
	}
}

func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s is refused: %v", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v\nwant: %s", what, err, want)
	case err != nil && !strings.Contains(err.Error(), "AllowLossy"):
		t.Errorf("%s: %v: says no remedy", what, err)
	}
}

func TestCheck_namesEveryField(t *testing.T) {
	type item struct {
		Price  price
		Notify chan int
		Addr   netip.Addr `msgpack:",omitempty"`
	}
	err := codec.Check(codec.Msgpack[map[string][]*item]())
	for _, path := range []string{".Price (price)", ".Notify (chan int)", ".Addr (netip.Addr)"} {
		if err == nil || !strings.Contains(err.Error(), "[][]"+path) {
			t.Errorf("no %s in: %v", path, err)
		}
	}
}

func TestCheck_asksTheInnerCodec(t *testing.T) {
	inner := codec.Msgpack[price]()
	for _, c := range []codec.Codec[price]{compress(t, inner, nil), seal(t, inner, ring(t)), seal(t, compress(t, inner, nil), ring(t))} {
		if codec.Check(c) == nil {
			t.Errorf("%v takes what its inner codec refuses", c)
		}
	}
	if err := codec.Check[int](grumpyCodec{}); err != nil {
		t.Errorf("a codec without CheckType: %v", err)
	}
}

// A generated struct that embeds another has its own methods, or those of the other.
type embedsGenerated struct {
	generatedListing
	Note string
}

func TestCheck_generatedMethodsOfAnEmbeddedType(t *testing.T) {
	if err := codec.Check(codec.Msgpack[embedsGenerated]()); err == nil || !strings.Contains(err.Error(), "embeds codec_test.generatedListing") {
		t.Errorf("got %v", err)
	}
	if err := codec.Check(codec.Msgpack[*generatedListing]()); err != nil {
		t.Error(err)
	}
}

func TestCheck_registeredExtensions(t *testing.T) {
	msgpack.RegisterExt(43, (*amount)(nil))
	defer msgpack.UnregisterExt(43)
	if err := codec.Check(codec.Msgpack[struct{ A *amount }]()); err != nil {
		t.Error(err)
	}
}
