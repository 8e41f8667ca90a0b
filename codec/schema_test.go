package codec_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/lokroom/strata/codec"
)

// The schema of these types is part of keys in use: it must not change.
func TestSchemaOf_golden(t *testing.T) {
	for want, got := range map[string]string{
		"rwh5bvl3": codec.SchemaOf(codec.Msgpack[listing]()),
		"q5v6z7su": codec.SchemaOf(codec.JSON[listing]()),
		"gz3tfajk": codec.SchemaOf(codec.Msgpack[chained]()),
		"ohdz77zb": codec.SchemaOf(codec.Msgpack[int64]()),
	} {
		if got != want {
			t.Errorf("schema %s, want %s: caches in use would lose their entries", got, want)
		}
	}
}

func schemaOf[T any]() string { return codec.SchemaOf(codec.Msgpack[T]()) }

// What is read in another way has another schema; what is read alike has the same.
func TestSchemaOf(t *testing.T) {
	type v1 struct {
		A int
		B string
	}
	type renamed struct {
		A int
		B string
	}
	if schemaOf[v1]() != schemaOf[renamed]() {
		t.Error("the name of the type matters")
	}
	all := map[string]string{}
	for name, s := range map[string]string{
		"v1": schemaOf[v1](),
		"another name": schemaOf[struct {
			A int
			C string
		}](),
		"another order": schemaOf[struct {
			B string
			A int
		}](),
		"another type": schemaOf[struct {
			A int64
			B string
		}](),
		"another tag": schemaOf[struct {
			A int `msgpack:"a"`
			B string
		}](),
		"another field": schemaOf[struct {
			A int
			B string
			C bool
		}](),
		"one field less":   schemaOf[struct{ A int }](),
		"nested":           schemaOf[struct{ A v1 }](),
		"nested pointer":   schemaOf[struct{ A *v1 }](),
		"slice":            schemaOf[[]v1](),
		"array":            schemaOf[[2]v1](),
		"longer array":     schemaOf[[3]v1](),
		"map":              schemaOf[map[string]v1](),
		"other keys":       schemaOf[map[int]v1](),
		"text type":        schemaOf[netip.Addr](),
		"another of these": schemaOf[netip.Prefix](),
		"time":             schemaOf[time.Time](),
		"integer":          schemaOf[int](),
		"unsigned":         schemaOf[uint](),
		"any":              schemaOf[any](),
		"recursive":        schemaOf[chained](),
		"JSON":             codec.SchemaOf(codec.JSON[v1]()),
		"compressed":       codec.SchemaOf(compress(t, codec.Msgpack[v1](), nil)),
		"sealed":           codec.SchemaOf(seal(t, codec.Msgpack[v1](), ring(t))),
	} {
		if other, ok := all[s]; ok || len(s) != 8 {
			t.Errorf("%s and %s have the schema %s", name, other, s)
		}
		all[s] = name
	}
	verified, _ := verify(t, codec.Codec[v1](codec.Msgpack[v1]()), 1)
	if codec.SchemaOf(verified) != schemaOf[v1]() {
		t.Error("Verify makes another schema")
	}
	zstd := &codec.CompressOptions{Algorithm: codec.Zstd}
	if codec.SchemaOf(compress(t, codec.Msgpack[v1](), zstd)) != codec.SchemaOf(compress(t, codec.Msgpack[v1](), nil)) {
		t.Error("each algorithm has a schema of its own, though both are read")
	}
}
