package store_test

import (
	"reflect"
	"testing"

	"github.com/lokroom/strata/store"
)

// An entry with another value keeps all its other fields.
func TestWithValue_allFields(t *testing.T) {
	var e store.Entry[int]
	from := reflect.ValueOf(&e).Elem()
	for i := range from.NumField() {
		switch f := from.Field(i); {
		case f.CanInt():
			f.SetInt(int64(i + 1))
		case f.CanUint():
			f.SetUint(uint64(i + 1))
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		default:
			t.Fatalf("%s is of a type that the test does not know: %s", from.Type().Field(i).Name, f.Type())
		}
	}
	got := store.WithValue(&e, "value")
	to := reflect.ValueOf(got)
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		if name == "Value" {
			continue
		}
		if !reflect.DeepEqual(from.Field(i).Interface(), to.Field(i).Interface()) {
			t.Errorf("%s: %v became %v", name, from.Field(i), to.Field(i))
		}
	}
	if got.Value != "value" {
		t.Errorf("the value is %q", got.Value)
	}
}
