package strata

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/lokroom/strata/layered"
)

// A CacheStats is the state of one cache: see [Backend.Caches].
type CacheStats struct {
	Name  string
	Stats layered.Counts
}

// Caches returns the open caches of the backend with their counters, in the order of their
// names. It does no I/O. In JSON, names are like "l1_hits" and durations like "1.5s".
func (b *Backend) Caches() []CacheStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	var all []CacheStats
	for name, c := range b.caches {
		if c, ok := c.(counted); ok {
			all = append(all, CacheStats{name, c.Counts()})
		}
	}
	slices.SortFunc(all, func(a, b CacheStats) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// MarshalJSON implements json.Marshaler.
func (s CacheStats) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name  string         `json:"name"`
		Stats map[string]any `json:"stats"`
	}{s.Name, jsonFields(reflect.ValueOf(s.Stats))})
}

// jsonFields returns the fields of a struct of counters under their names in JSON.
func jsonFields(v reflect.Value) map[string]any {
	fields := make(map[string]any, v.NumField())
	for i := range v.NumField() {
		name, value := snakeCase(v.Type().Field(i).Name), v.Field(i)
		switch x := value.Interface().(type) {
		case time.Duration:
			fields[name] = x.String()
		case error:
			fields[name] = x.Error()
		default:
			switch {
			case value.Kind() == reflect.Struct:
				fields[name] = jsonFields(value)
			case value.Kind() == reflect.Pointer && !value.IsNil():
				fields[name] = jsonFields(value.Elem())
			case value.Kind() != reflect.Pointer && value.Kind() != reflect.Interface: // a nil error or pointer is left out
				fields[name] = x
			}
		}
	}
	return fields
}

// snakeCase converts a field name: "L1Hits" to "l1_hits".
func snakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
