package replica_test

import (
	"testing"

	"github.com/lokroom/strata/invalidate/replica"
)

// Positions survive their text form, and texts of others are refused.
func TestPosition_text(t *testing.T) {
	for _, p := range []replica.Position{0, 1, 0xFFFFFFFF, 1 << 32, 1<<64 - 1} {
		text, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back replica.Position
		if err := back.UnmarshalText(text); back != p || err != nil {
			t.Errorf("%s: %v, %v", text, back, err)
		}
	}
	for _, text := range []string{"/", "1/", "/1", "1/2/3", "-1/2", "g/0", "100000000/0", " 1/2"} {
		if p, err := replica.ParsePosition(text); err == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
}

// What ParsePosition accepts is a position again.
func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"", "0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "1/", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := replica.ParsePosition(s)
		if err != nil {
			return
		}
		if back, err := replica.ParsePosition(p.String()); back != p || err != nil {
			t.Errorf("%q: %v, then %v, %v", s, p, back, err)
		}
	})
}
