package codec

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// A struct of more fields than are remembered without an allocation.
func TestMisfit_manyFields(t *testing.T) {
	var fields []reflect.StructField
	var members []string
	for i := range 300 {
		name := fmt.Sprintf("A%d", i)
		fields = append(fields, reflect.StructField{Name: name, Type: reflect.TypeFor[int]()})
		members = append(members, fmt.Sprintf("%q:%d", name, i))
	}
	s := jsonShape(reflect.StructOf(fields))
	text := "{" + strings.Join(members, ",")
	if err := misfit([]byte(text+"}"), s); err != nil {
		t.Error(err)
	}
	if err := misfit([]byte(text+`,"A299":1}`), s); err == nil {
		t.Error("the last field twice is no misfit")
	}
	if err := misfit([]byte(text+`,"A0":1}`), s); err == nil {
		t.Error("the first field twice is no misfit")
	}
}
