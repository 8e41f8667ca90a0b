package strata

import (
	"reflect"
	"testing"
	"time"

	"github.com/lokroom/strata/store"
)

// An entry keeps all of its fields when its value gets its type.
func TestEntryOf_allFields(t *testing.T) {
	e := Entry[any]{Entry: store.Entry[any]{Tags: []string{"t"}, Value: "v"}}
	fill(reflect.ValueOf(&e).Elem())
	got := typedEntry[string](&e)
	from, to := reflect.ValueOf(e.Entry), reflect.ValueOf(got.Entry)
	for i := range from.NumField() {
		if name := from.Type().Field(i).Name; from.Field(i).IsZero() || !reflect.DeepEqual(from.Field(i).Interface(), to.Field(i).Interface()) {
			t.Errorf("%s: %v became %v", name, from.Field(i), to.Field(i))
		}
	}
	if got.Tier != e.Tier || got.Age != e.Age || got.Stale != e.Stale || got.Cause != e.Cause || got.Age != time.Duration(1) || got.Cause == nil {
		t.Errorf("%+v became %+v", e, got)
	}
}

// fill sets the numbers, booleans and errors of a struct.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct:
			fill(f)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.CanInt():
			f.SetInt(1)
		case f.CanUint():
			f.SetUint(1)
		case f.Type() == reflect.TypeFor[error]():
			f.Set(reflect.ValueOf(store.ErrSlow))
		}
	}
}
