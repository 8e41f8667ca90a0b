// Package survey measures what Strata's codecs do with the types that Go services cache. It
// is a module of its own, so that the libraries of these types are no dependencies of Strata.
package survey

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lokroom/strata/codec"
)

var write = flag.Bool("write", false, "write the table into codec/survey/README.md instead of comparing it")

const page = "README.md"

// A row is a type of the table, with what the codecs did with its values.
type row struct {
	name          string
	msgpack, json outcome
	tallies       []tally // of these and of each alternative
}

// An outcome is what a codec did with the values of a type.
type outcome struct {
	refused error   // by codec.Check
	equal   int     // values that came back equal
	kept    []error // of values that codec.Verify found to change: they stay in L1
	silent  []error // differences that neither found
}

// of measures values of T. same says whether two of them are equal, where reflect.DeepEqual
// is stricter than the type.
func of[T any](name string, same func(a, b T) bool, values ...T) row {
	return row{name, measure(codec.Msgpack[T](), same, values), measure(codec.JSON[T](), same, values), tallies(same, values)}
}

// plain is of for a type whose equal values are reflect.DeepEqual.
func plain[T any](name string, values ...T) row { return of(name, nil, values...) }

func measure[T any](c codec.Codec[T], same func(a, b T) bool, values []T) (o outcome) {
	if o.refused = codec.Check(c); o.refused != nil {
		return o
	}
	verified, err := codec.Verify(c, &codec.VerifyOptions{Every: 1})
	if err != nil {
		return outcome{silent: []error{err}}
	}
	for _, v := range values {
		b, err := verified.Append(nil, v)
		if err != nil {
			o.kept = append(o.kept, err)
			continue
		}
		back, err := verified.Decode(b)
		v = codec.Canonical(c, v)
		switch {
		case err != nil:
			o.silent = append(o.silent, err)
		case reflect.DeepEqual(v, back), same != nil && same(v, back):
			o.equal++
		default:
			o.silent = append(o.silent, fmt.Errorf("%#v came back as %#v", v, back))
		}
	}
	return o
}

// String returns the outcome as the table shows it.
func (o outcome) String() string {
	switch {
	case o.refused != nil:
		return "refused by `New`: " + reason(o.refused)
	case len(o.kept) == 0:
		return "equal"
	case o.equal == 0:
		return "kept in L1 only: " + lost(o.kept)
	}
	return fmt.Sprintf("equal (%d of %d); kept in L1 only: %s", o.equal, o.equal+len(o.kept), lost(o.kept))
}

// reason returns the first fault that err names, without the remedy.
func reason(err error) string {
	text, _, _ := strings.Cut(err.Error(), "; ")
	return cell(text)
}

// lost returns what errs say of each value.
func lost(errs []error) string {
	var all []string
	for _, err := range errs {
		text := err.Error()
		for _, before := range []string{"would not come back as it was: ", "cannot encode ", "is written, but cannot be read: "} {
			if _, after, ok := strings.Cut(text, before); ok {
				text = after
			}
		}
		if text = cell(text); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

func cell(s string) string {
	s = strings.NewReplacer("github.com/lokroom/strata/codec/survey.", "", "survey.", "", "|", "\\|", "\n", " ").Replace(s)
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}

// table returns rows as Markdown.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| type | `codec.Msgpack` | `codec.JSON` |\n|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, r.msgpack, r.json)
	}
	return b.String()
}

// versions returns the versions of libraries, as go.mod has them.
func versions(t *testing.T, libraries []string) string {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range libraries {
		_, after, ok := strings.Cut(string(mod), path+" ")
		if !ok {
			t.Fatalf("go.mod does not have %s", path)
		}
		all = append(all, "`"+path+"` "+strings.Fields(after)[0])
	}
	return "Measured with " + strings.Join(all, ", ") + ".\n"
}

// Each value comes back equal, or its type is refused, or the value is found to change.
func TestSurvey_noValueChangesSilently(t *testing.T) {
	for _, r := range rows() {
		for name, o := range map[string]outcome{"msgpack": r.msgpack, "json": r.json} {
			if err := errors.Join(o.silent...); err != nil {
				t.Errorf("%s by %s: %v", r.name, name, err)
			}
			if o.refused == nil && o.equal+len(o.kept) == 0 {
				t.Errorf("%s by %s: no value was measured", r.name, name)
			}
		}
	}
}

// The tables of codec/survey/README.md are what is measured.
func TestSurvey_tablesOfThePage(t *testing.T) {
	all := rows()
	onPage(t, "survey", versions(t, libraries)+"\n"+table(all), *write)
	onPage(t, "alternatives", versions(t, alternativeLibraries)+"\n"+comparison(all), *write)
}

// onPage compares text with the part of the page that has the name, or writes it there.
func onPage(t *testing.T, name, text string, write bool) {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" begin -->\n", "<!-- "+name+" end -->\n"
	before, rest, ok := strings.Cut(string(b), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for %s", page, name)
	}
	if write {
		if err := os.WriteFile(page, []byte(before+begin+text+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was, is := strings.Split(old, "\n"), strings.Split(text, "\n")
	for i := range max(len(was), len(is)) {
		var a, b string
		if i < len(was) {
			a = was[i]
		}
		if i < len(is) {
			b = is[i]
		}
		if a != b {
			t.Fatalf("%s: line %d of the table %s differs from what is measured (\"make survey-table\" writes it):\npage: %s\nmeasured: %s", page, i+1, name, a, b)
		}
	}
}
