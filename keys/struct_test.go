package keys_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lokroom/strata/keys"
)

type region string

type structID struct {
	Region region
	ID     int64
	Page   uint8
	Draft  bool
	Hash   [3]byte
	Range  struct{ From, To string }
}

func structText(t testing.TB, s *keys.StructText, id structID) string {
	t.Helper()
	return string(s.Append(nil, reflect.ValueOf(id)))
}

func TestStructText(t *testing.T) {
	s, err := keys.NewStructText(reflect.TypeFor[structID]())
	if err != nil {
		t.Fatal(err)
	}
	for want, id := range map[string]structID{
		"eu:42:0:true:0aff00:a:b":          {Region: "eu", ID: 42, Draft: true, Hash: [3]byte{10, 255}, Range: struct{ From, To string }{"a", "b"}},
		"~:-1:255:false:000000:~:%3A%25~x": {ID: -1, Page: 255, Range: struct{ From, To string }{"", ":%~x"}},
	} {
		got := structText(t, s, id)
		if want = strings.Replace(want, "%25~x", "%25%7Ex", 1); got != want {
			t.Errorf("%+v is %q, want %q", id, got, want)
		}
		var back structID
		if err := s.Parse(got, reflect.ValueOf(&back).Elem()); err != nil || back != id {
			t.Errorf("%q is read as %+v, %v; want %+v", got, back, err, id)
		}
	}
}

func TestStructText_Parse_mistakes(t *testing.T) {
	s, err := keys.NewStructText(reflect.TypeFor[structID]())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "eu", "eu:42:0:true:0aff00:a", "eu:42:0:true:0aff00:a:b:c", "eu:042:0:true:0aff00:a:b", "eu:42:256:true:0aff00:a:b",
		"eu:42:0:1:0aff00:a:b", "eu:42:0:true:0AFF00:a:b", "eu:42:0:true:0aff:a:b", "eu:42:0:true:0aff00:%61:b", "eu:x:0:true:0aff00:a:b",
	} {
		var id structID
		if err := s.Parse(text, reflect.ValueOf(&id).Elem()); err == nil {
			t.Errorf("%q is read as %+v", text, id)
		}
	}
}

func TestNewStructText_mistakes(t *testing.T) {
	type inner struct{ F float64 }
	for want, typ := range map[string]reflect.Type{
		"has no fields":               reflect.TypeFor[struct{}](),
		"field .hidden is unexported": reflect.TypeFor[struct{ hidden int }](),
		"field .In.F (float64) is not a string, integer, bool": reflect.TypeFor[struct{ In inner }](),
		"field .P (*int) is not":                               reflect.TypeFor[struct{ P *int }](),
		"field .A ([2]int) is not":                             reflect.TypeFor[struct{ A [2]int }](),
	} {
		if _, err := keys.NewStructText(typ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", typ, err, want)
		}
	}
}

// Distinct structs have distinct texts, and each text is read back.
func FuzzStructText(f *testing.F) {
	f.Add("eu", "a", "b", int64(1), byte(0), true)
	f.Add(":", "%", "~", int64(-1), byte(9), false)
	s, err := keys.NewStructText(reflect.TypeFor[structID]())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b, c string, n int64, x byte, draft bool) {
		id := structID{Region: region(a), ID: n, Page: x, Draft: draft, Hash: [3]byte{x, 0, byte(n)}}
		id.Range.From, id.Range.To = b, c
		var back structID
		if err := s.Parse(structText(t, s, id), reflect.ValueOf(&back).Elem()); err != nil || back != id {
			t.Errorf("%+v is read as %+v, %v", id, back, err)
		}
	})
}
