package codec_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lokroom/strata/codec"
)

func sealed(t *testing.T, c codec.Codec[string], key, v string) []byte {
	t.Helper()
	out, err := codec.AppendFor(c, nil, key, v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSeal_bindsToTheCacheKey(t *testing.T) {
	c := seal(t, codec.String(), ring(t))
	out := sealed(t, c, "user:1", "a secret value")
	if got, err := codec.DecodeFor(c, "user:1", out); err != nil || got != "a secret value" {
		t.Errorf("DecodeFor = %q, %v", got, err)
	}
	for _, key := range []string{"", "user:2", "user:", "user:11", "USER:1"} {
		if got, err := codec.DecodeFor(c, key, out); !errors.Is(err, codec.ErrCorrupt) || got != "" {
			t.Errorf("under %q: %q, %v; want ErrCorrupt", key, got, err)
		}
	}
}

func TestSeal_noticesEveryChangedBit(t *testing.T) {
	// The second ring has the neighbours of the ID too, with the same secret: a
	// changed ID must not be made good by a key that exists.
	c := seal(t, codec.String(), ring(t, codec.Key{ID: 7, Secret: secret(7)}, codec.Key{ID: 6, Secret: secret(7)}, codec.Key{ID: 5, Secret: secret(7)}))
	out := sealed(t, c, "k", "value")
	for i := range out {
		for bit := range 8 {
			out[i] ^= 1 << bit
			if _, err := codec.DecodeFor(c, "k", out); !errors.Is(err, codec.ErrCorrupt) {
				t.Errorf("bit %d of byte %d changed: error %v, want ErrCorrupt", bit, i, err)
			}
			out[i] ^= 1 << bit
		}
	}
}

func TestSeal_hidesTheValueAndNeverRepeats(t *testing.T) {
	c := seal(t, codec.String(), ring(t))
	v := strings.Repeat("plain", 20)
	seen := map[string]bool{}
	for range 1000 {
		out := sealed(t, c, "k", v)
		if len(out) != len(v)+33 {
			t.Fatalf("%d bytes became %d, want 33 more", len(v), len(out))
		}
		if bytes.Contains(out, []byte("plain")) {
			t.Fatal("the plaintext is in the output")
		}
		nonce := string(out[5:17])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

func TestSeal_reusesTheCapacityOfDst(t *testing.T) {
	c := seal(t, codec.String(), ring(t))
	dst := make([]byte, 3, 200)
	out, err := codec.AppendFor(c, dst, "k", "value")
	if err != nil {
		t.Fatal(err)
	}
	if &out[0] != &dst[0] {
		t.Error("dst was copied although it had room")
	}
	if got, err := codec.DecodeFor(c, "k", out[3:]); err != nil || got != "value" {
		t.Errorf("DecodeFor = %q, %v", got, err)
	}
}

func TestSeal_rotation(t *testing.T) {
	k1, k2 := codec.Key{ID: 1, Secret: secret(1)}, codec.Key{ID: 2, Secret: secret(2)}
	onlyOld := seal(t, codec.String(), ring(t, k1))
	prepared := seal(t, codec.String(), ring(t, k1, k2))
	switched := seal(t, codec.String(), ring(t, k2, k1))
	onlyNew := seal(t, codec.String(), ring(t, k2))
	for _, test := range []struct {
		writer, reader codec.Codec[string]
		opens          bool
	}{
		{onlyOld, prepared, true}, {prepared, onlyOld, true},
		{prepared, switched, true}, {switched, prepared, true},
		{switched, onlyNew, true}, {onlyNew, switched, true},
		{onlyOld, onlyNew, false}, {switched, onlyOld, false},
	} {
		got, err := codec.DecodeFor(test.reader, "k", sealed(t, test.writer, "k", "value"))
		if opens := err == nil && got == "value"; opens != test.opens {
			t.Errorf("opens: %v, want %v; error %v", opens, test.opens, err)
		}
		if err != nil && !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("error %v, want ErrCorrupt", err)
		}
	}
}

func TestSeal_sameIDOtherSecretIsCorrupt(t *testing.T) {
	a := seal(t, codec.String(), ring(t, codec.Key{ID: 1, Secret: secret(1)}))
	b := seal(t, codec.String(), ring(t, codec.Key{ID: 1, Secret: secret(2)}))
	if _, err := codec.DecodeFor(b, "k", sealed(t, a, "k", "v")); !errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
}

func TestSeal_withoutAKeyIsUnsupported(t *testing.T) {
	c := seal(t, codec.String(), ring(t))
	dst := []byte("before")
	if out, err := c.Append(dst, "v"); !errors.Is(err, errors.ErrUnsupported) || string(out) != "before" {
		t.Errorf("Append = %q, %v; want dst and ErrUnsupported", out, err)
	}
	_, err := c.Decode(sealed(t, c, "k", "v"))
	if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, codec.ErrCorrupt) {
		t.Errorf("Decode: error %v, want ErrUnsupported and not ErrCorrupt", err)
	}
}

func TestSeal_reportsAllMistakes(t *testing.T) {
	_, err := codec.Seal[int](nil, nil)
	for _, want := range []string{"inner", "keys"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %s", err, want)
		}
	}
	if _, err := codec.Seal(codec.String(), &codec.KeyRing{}); err == nil {
		t.Error("a ring without keys is accepted")
	}
}

func TestNewKeyRing_reportsAllMistakes(t *testing.T) {
	if _, err := codec.NewKeyRing(); err == nil {
		t.Error("no keys are accepted")
	}
	short := []byte("0123456789abcdef") // would be AES-128
	_, err := codec.NewKeyRing(codec.Key{ID: 1, Secret: secret(1)}, codec.Key{ID: 1, Secret: secret(2)}, codec.Key{ID: 3, Secret: short}, codec.Key{ID: 4})
	for _, want := range []string{"key 1 is there twice", "key 3: the secret has 16 bytes", "key 4: the secret has 0 bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %s", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), string(short)) {
		t.Errorf("the error shows a secret: %v", err)
	}
}

func TestNewKeyRing_copiesSecrets(t *testing.T) {
	k := codec.Key{ID: 1, Secret: secret(1)}
	c := seal(t, codec.String(), ring(t, k))
	out := sealed(t, c, "k", "v")
	clear(k.Secret)
	if got, err := codec.DecodeFor(c, "k", out); err != nil || got != "v" {
		t.Errorf("DecodeFor = %q, %v", got, err)
	}
}

func TestKey_isNotPrinted(t *testing.T) {
	raw := []byte("0123456789abcdefghijklmnopqrstuv")
	k := codec.Key{ID: 12, Secret: raw}
	r := ring(t, k)
	c := seal(t, codec.String(), r)
	texts := []string{k.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, v := range []any{k, &k, []codec.Key{k}, struct{ K codec.Key }{k}, r, *r, c} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
	}
	asJSON, err := json.Marshal(map[string]any{"key": k, "ring": r})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(texts, string(asJSON)) {
		for _, form := range []string{"0123456789", hex.EncodeToString(raw[:6]), strings.ToUpper(hex.EncodeToString(raw[20:26])), "48 49 50", "0x30, 0x31", "MDEyMzQ1"} {
			if strings.Contains(text, form) {
				t.Errorf("the secret is shown: %s", text)
			}
		}
	}
	if texts[0] != "key 12" || !strings.Contains(string(asJSON), `"key":"key 12"`) {
		t.Errorf("String %q, JSON %s; want key 12", texts[0], asJSON)
	}
}
