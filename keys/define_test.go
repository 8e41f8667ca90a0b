package keys_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

type (
	name  string
	uuid  [16]byte
	level uint8
)

// adversarial returns parts that contain what separates, escapes and shortens parts.
func adversarial(r *rand.Rand) string {
	bits := []string{"", ":", "::", "%", "%3A", "{", "}", "~", "a", "b", "\x00", "\xff", "é", "42", "-1", "true", "!", strings.Repeat("x", 199), strings.Repeat("y", 64)}
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString(bits[r.IntN(len(bits))])
	}
	return b.String()
}

// Distinct ids have distinct texts, short texts are parsed back, and no text has a hash tag
// unless the definition is colocated.
func TestDefinition_injective(t *testing.T) {
	for _, colocate := range []bool{false, true} {
		var reg keys.Registry
		one := keys.Define1[name](&reg, "one", keys.Class{}, nil)
		two := keys.Define2[string, name](&reg, "two", keys.Class{}, nil)
		three := keys.Define3[string, level, string](&reg, "three", keys.Class{}, nil)
		if colocate {
			one, two, three = one.Colocate(), two.Colocate(), three.Colocate()
		}
		r := rand.New(rand.NewPCG(1, 2))
		seen1, seen2, seen3 := map[string]name{}, map[string]keys.ID2[string, name]{}, map[string]keys.ID3[string, level, string]{}
		for range 50_000 {
			check(t, one, seen1, name(adversarial(r)), colocate)
			check(t, two, seen2, keys.ID2[string, name]{A: adversarial(r), B: name(adversarial(r))}, colocate)
			check(t, three, seen3, keys.ID3[string, level, string]{A: adversarial(r), B: level(r.UintN(3)), C: adversarial(r)}, colocate)
		}
	}
}

func check[K comparable](t *testing.T, d *keys.Definition[K], seen map[string]K, id K, colocate bool) {
	t.Helper()
	text, err := d.Text(id)
	if err != nil || len(text) > 200 || text == "" {
		t.Fatalf("%s: text of %v: %q, %v", d.Name(), id, text, err)
	}
	if other, ok := seen[text]; ok && other != id {
		t.Fatalf("%s: %v and %v have the text %q", d.Name(), id, other, text)
	}
	seen[text] = id
	if colocate != strings.HasPrefix(text, "{") || strings.Contains(text, "{") != colocate {
		t.Fatalf("%s: text of %v: %q has a hash tag: want %v", d.Name(), id, text, colocate)
	}
	back, err := d.Parse(text)
	shortened := strings.Contains(text, "~") && err != nil
	if !shortened && (err != nil || back != id) {
		t.Fatalf("%s: parse of %q: %v, %v, want %v", d.Name(), text, back, err, id)
	}
}

// Parse accepts only what Text returns.
func TestDefinition_Parse_refuses(t *testing.T) {
	var r keys.Registry
	d := keys.Define2[int64, bool](&r, "d", keys.Class{}, nil)
	u := keys.Define1[uuid](&r, "u", keys.Class{}, nil)
	c := keys.Define2[int64, bool](&r, "c", keys.Class{}, nil).Colocate()
	for _, text := range []string{"", "1", "1:true:2", "01:true", "+1:true", "1:t", "1:TRUE", "x:true", "{1}:true", "99999999999999999999:true"} {
		if id, err := d.Parse(text); !errors.Is(err, store.ErrInvalidKey) || id != (keys.ID2[int64, bool]{}) {
			t.Errorf("Parse(%q): %v, %v", text, id, err)
		}
	}
	for _, text := range []string{"", "00", strings.Repeat("0", 33), strings.Repeat("A", 32)} {
		if _, err := u.Parse(text); !errors.Is(err, store.ErrInvalidKey) {
			t.Errorf("Parse(%q): %v", text, err)
		}
	}
	for _, text := range []string{"1:true", "{1:true", "1}:true", "{1}:{true}"} {
		if _, err := c.Parse(text); !errors.Is(err, store.ErrInvalidKey) {
			t.Errorf("Parse(%q): %v", text, err)
		}
	}
	if id, err := u.Parse(strings.Repeat("0a", 16)); err != nil || id[15] != 10 {
		t.Errorf("Parse of a uuid: %v, %v", id, err)
	}
}

// A long id keeps its hash tag, and differs from ids with the same beginning.
func TestDefinition_long(t *testing.T) {
	var r keys.Registry
	d := keys.Define2[string, string](&r, "d", keys.Class{}, nil).Colocate()
	long := strings.Repeat("z", 1000)
	a, _ := d.Text(keys.ID2[string, string]{A: "acme", B: long + "a"})
	b, _ := d.Text(keys.ID2[string, string]{A: "acme", B: long + "b"})
	if a == b || len(a) != 200 || !strings.HasPrefix(a, "{acme}:") || !strings.HasPrefix(b, "{acme}:") {
		t.Errorf("texts %q, %q", a, b)
	}
	if tagged, _ := d.Text(keys.ID2[string, string]{A: long, B: "x"}); len(tagged) > 70 || !strings.HasSuffix(tagged, "}:x") {
		t.Errorf("text %q", tagged)
	}
}

func TestRegistry_refuses(t *testing.T) {
	for what, define := range map[string]func(*keys.Registry){
		"defined twice":       func(r *keys.Registry) { keys.Define2[int, int](r, "a", keys.Class{}, nil) },
		"must not begin with": func(r *keys.Registry) { keys.Define1[int](r, "!a", keys.Class{}, nil) },
		"empty name":          func(r *keys.Registry) { keys.Define1[int](r, "", keys.Class{}, nil) },
		"MaxLen":              func(r *keys.Registry) { keys.Define1[int](r, strings.Repeat("n", 120), keys.Class{}, nil) },
		"L1TTL 2s exceeds TTL": func(r *keys.Registry) {
			keys.Define1[int](r, "b", keys.Class{TTL: time.Second, L1TTL: 2 * time.Second}, nil)
		},
		"TTL -1ns is negative":   func(r *keys.Registry) { keys.Define1[int](r, "b", keys.Class{TTL: -1}, nil) },
		"StaleFor -1ns":          func(r *keys.Registry) { keys.Define1[int](r, "b", keys.Class{StaleFor: -1}, nil) },
		"Jitter 2":               func(r *keys.Registry) { keys.Define1[int](r, "b", keys.Class{Jitter: 2}, nil) },
		`tag "t": the name is d`: func(r *keys.Registry) { keys.DefineTag[string](r, "t") },
		`tag "!t"`:               func(r *keys.Registry) { keys.DefineTag[string](r, "!t") },
		`tag "": the name is em`: func(r *keys.Registry) { keys.DefineTag[string](r, "") },
	} {
		var r keys.Registry
		keys.Define1[int](&r, "a", keys.Class{}, nil)
		keys.DefineTag[int](&r, "t")
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		define(&r)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want %q", err, what)
		}
	}
}

// Tags of different names and parts differ.
func TestTag_injective(t *testing.T) {
	var reg keys.Registry
	a, b := keys.DefineTag[string](&reg, "a"), keys.DefineTag[string](&reg, "a:b")
	r := rand.New(rand.NewPCG(3, 4))
	seen := map[string]string{}
	for range 20_000 {
		part := adversarial(r)
		for i, tag := range []string{a.Of(part), b.Of(part)} {
			if other, ok := seen[tag]; ok && other != string(rune('0'+i))+part {
				t.Fatalf("%q and %q have the tag %q", part, other, tag)
			}
			seen[tag] = string(rune('0'+i)) + part
		}
	}
}

// The text of an id takes one allocation, and two if it has several parts.
func TestDefinition_Text_allocs(t *testing.T) {
	if raceEnabled {
		return
	}
	var r keys.Registry
	one := keys.Define1[int64](&r, "one", keys.Class{}, nil)
	text := keys.Define1[string](&r, "text", keys.Class{}, nil)
	two := keys.Define2[string, int64](&r, "two", keys.Class{}, nil).Colocate()
	for name, c := range map[string]struct {
		f    func()
		most float64
	}{
		"int64":  {func() { one.Text(1 << 40) }, 1},
		"string": {func() { text.Text("a:b") }, 1},
		"two":    {func() { two.Text(keys.ID2[string, int64]{A: "acme", B: 1 << 40}) }, 2},
	} {
		if n := testing.AllocsPerRun(100, c.f); n > c.most {
			t.Errorf("%s: %v allocations, at most %v", name, n, c.most)
		}
	}
}
