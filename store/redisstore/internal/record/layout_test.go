package record

import (
	"encoding/binary"
	"slices"
	"testing"
)

// TestLua_layout shows that the scripts are given the offsets at which this package writes.
func TestLua_layout(t *testing.T) {
	b := build(t, &Record{ID: 0x0102030405060708, KeepMs: 0x11121314, Stamp: 0x2122232425262728, Version: 0x3132333435363738, Took: 0x4142, LoadedAt: 1, Tags: []string{"tag"}})
	for name, want := range map[string]uint64{
		"type": 'V', "format": format, "id": 0x0102030405060708, "keep": 0x11121314, "stamp": 0x2122232425262728,
		"version": 0x3132333435363738, "took": 0x4142, "tags": 2 + 3, "ext": ExtSize,
	} {
		f := header[name]
		got := uint64(0)
		for _, c := range b[f.offset:][:f.size] {
			got = got<<8 | uint64(c)
		}
		if got != want {
			t.Errorf("%s is %#x where the layout has it, want %#x", name, got, want)
		}
	}
	if sum := header["sum"]; sum.offset+sum.size != header["tags"].offset || binary.BigEndian.Uint32(b[sum.offset:]) == 0 {
		t.Error("the sum is not in front of what it is of")
	}
}

// TestLua_gaps shows that the fields fill the header, without gaps and overlaps.
func TestLua_gaps(t *testing.T) {
	var fields []field
	for name, f := range header {
		if name != "hold" {
			fields = append(fields, f)
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return a.offset - b.offset })
	next := 0
	for _, f := range fields {
		if f.offset != next {
			t.Fatalf("a field begins at %d, the one before it ends at %d", f.offset, next)
		}
		next += f.size
	}
	if next != HeaderSize {
		t.Errorf("the fields end at %d, the header at %d", next, HeaderSize)
	}
}

func TestLua(t *testing.T) {
	for text, want := range map[string]string{
		"string.sub(h,$id)":               "string.sub(h,5,12)",
		"u64(h,$holdUntil.pos)":           "u64(h,29)",
		"'SETRANGE',k,$end.at,s":          "'SETRANGE',k,56,s",
		"string.sub(hold,$floor.in.hold)": "string.sub(hold,17,24)",
		"$from.version.to.size":           "20",
		"flag(f,$flag.endless)":           "flag(f,32)",
		`'\$format\0\$extSize' $size`:     `'\1\0\8' 88`,
		"0,$last":                         "0,87",
		"'^%d+$'":                         "'^%d+$'",
	} {
		if got := Lua(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"$nothing", "$id.end", "$from.id.to.nothing", "$from.nothing.to.id", "$floor.in.nothing", "$flag.nothing", "$nothing.at", "$id.at.pos.at"} {
		t.Run(text, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic: %s", Lua(text))
				}
			}()
			Lua(text)
		})
	}
}
