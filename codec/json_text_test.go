package codec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lokroom/strata/codec"
)

type spoken string

func (s spoken) MarshalText() ([]byte, error)  { return []byte(s), nil }
func (s *spoken) UnmarshalText(b []byte) error { *s = spoken(b); return nil }

// encoding/json would write U+FFFD for bytes that are not UTF-8.
func TestJSON_textThatIsNotUTF8IsRefused(t *testing.T) {
	type quoted struct {
		S string `json:",string"`
	}
	for where, err := range map[string]error{
		"string has another value":                       refused(t, "a\xff"),
		"codec_test.listing.Title has another value":     refused(t, listing{Title: "\xc3"}),
		"[]string[] has another value":                   refused(t, []string{"a", "\xed\xa0\x80"}),
		"map[string]int has other keys":                  refused(t, map[string]int{"\xff": 1}),
		"map[string]interface {}[key] has another value": refused(t, map[string]any{"a": "\xff"}),
		"codec_test.quoted.S has another value":          refused(t, quoted{"\xff"}),
		"codec_test.spoken has another value":            refused(t, spoken("\xff")),
		"map[codec_test.spoken]string has other keys":    refused(t, map[spoken]string{"\xff": ""}),
		"struct { A *string; B json.RawMessage }.A has another value": refused(t, struct {
			A *string
			B json.RawMessage
		}{ptr("\xff"), json.RawMessage(`"\ufffd"`)}),
	} {
		if err == nil || !strings.Contains(err.Error(), where+": json would store text that is not UTF-8 as U+FFFD") {
			t.Errorf("error %v, want one that says %q", err, where)
		}
	}
}

func refused[T any](t *testing.T, v T) error {
	t.Helper()
	out, err := codec.JSON[T]().Append([]byte("x"), v)
	if string(out) != "x" {
		t.Errorf("Append returns %q", out)
	}
	return err
}

func ptr[T any](v T) *T { return &v }

// U+FFFD is a character, and its escape may be written by the value or be text itself.
func TestJSON_replacementCharacterIsText(t *testing.T) {
	comesBack(t, "a\ufffd")
	comesBack(t, `\ufffd`)
	comesBack(t, []byte("\xff\xfe"))
	comesBack(t, struct{ B json.RawMessage }{json.RawMessage(`"\ufffd"`)})
	comesBack(t, map[string]string{"\ufffd": `"\ufffd"`})
}

func comesBack[T any](t *testing.T, v T) {
	t.Helper()
	c, err := codec.Verify(codec.JSON[T](), &codec.VerifyOptions{Every: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Append(nil, v); err != nil {
		t.Error(err)
	}
}
