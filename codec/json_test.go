package codec_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lokroom/strata/codec"
)

func TestJSON_isPlainJSON(t *testing.T) {
	c := codec.JSON[map[string]any]()
	out, err := c.Append([]byte("-"), map[string]any{"a<b>": "&", "n": 1.5})
	if err != nil || string(out) != `-{"a<b>":"&","n":1.5}` {
		t.Errorf("Append = %s, %v", out, err)
	}
	got, err := c.Decode([]byte(" {\"a\":[1]} \n"))
	if err != nil || len(got) != 1 {
		t.Errorf("Decode = %v, %v; want white space to be ignored", got, err)
	}
}

func TestJSON_worksAgainAfterAnError(t *testing.T) {
	c := codec.JSON[float64]()
	for range 3 {
		if out, err := c.Append([]byte("x"), math.NaN()); err == nil || string(out) != "x" {
			t.Errorf("Append of NaN = %q, %v", out, err)
		}
		if out, err := c.Append(nil, 2); err != nil || string(out) != "2" {
			t.Errorf("Append = %q, %v", out, err)
		}
	}
}

func TestJSON_errorsSayWhere(t *testing.T) {
	c := codec.JSON[struct{ Name, Age string }]()
	for src, want := range map[string]string{
		`{"Name":`:        "byte 8",
		`{"Age":1234567}`: `"Age"`,
		`{} {}`:           "byte 4",
		`{"Name":secret}`: "byte 9",
		``:                "byte 0",
	} {
		_, err := c.Decode([]byte(src))
		if !errors.Is(err, codec.ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want ErrCorrupt that says %s", src, err, want)
		}
		if strings.Contains(err.Error(), "1234567") {
			t.Errorf("the error shows the value: %v", err)
		}
	}
	if _, err := codec.JSON[chan int]().Append(nil, nil); err == nil || !strings.Contains(err.Error(), "chan int") {
		t.Errorf("error %v, want one that names the type", err)
	}
}
