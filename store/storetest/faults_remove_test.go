package storetest_test

import (
	"errors"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/lokroom/strata/store"
)

var removeFaults = []fault{
	{"patterns are those of package path", []string{"DeletePattern/grammar"}, func(b *bent) {
		var mu sync.Mutex
		held := map[string]bool{}
		b.set = func(key string, e entry) error {
			mu.Lock()
			defer mu.Unlock()
			held[key] = true
			return b.memory.Set(bg, key, e)
		}
		b.deletePattern = func(pattern string) (n int, err error) {
			for key := range held {
				if ok, _ := path.Match(pattern, key); ok {
					delete(held, key)
					err = errors.Join(err, b.memory.Delete(bg, key))
					n++
				}
			}
			return n, err
		}
	}},
	{"DeletePattern does not count", []string{"DeletePattern/grammar", "DeletePattern/many", "DeletePattern/counters"}, func(b *bent) {
		b.deletePattern = func(pattern string) (int, error) {
			_, err := b.memory.DeletePattern(bg, pattern)
			return 0, err
		}
	}},
	{"DeletePattern sees one page", []string{"DeletePattern/many"}, func(b *bent) {
		b.deletePattern = func(pattern string) (int, error) {
			return b.memory.DeletePattern(bg, strings.Replace(pattern, "*", "[0-4]*", 1))
		}
	}},
	{"DeletePattern takes everything", []string{"DeletePattern/grammar", "DeletePattern/many"}, func(b *bent) {
		b.deletePattern = func(string) (int, error) { return b.memory.DeletePattern(bg, "*") }
	}},
	{"Clear leaves something", []string{"Clear/all"}, func(b *bent) {
		b.clear = func() error {
			_, err := b.memory.DeletePattern(bg, "*[^9]")
			return err
		}
	}},
	{"Clear works once", []string{"Clear/again"}, func(b *bent) {
		var once sync.Once
		b.clear = func() (err error) {
			once.Do(func() { err = b.memory.Clear(bg) })
			return err
		}
	}},
	{"one tag is enough for InvalidateTags", []string{"InvalidateTags/tagged"}, func(b *bent) {
		b.invalidate = func(tags ...string) error { return b.memory.InvalidateTags(bg, tags[:min(1, len(tags))]...) }
	}},
	{"InvalidateTags is Clear", []string{"InvalidateTags/tagged", "InvalidateTags/replaced"}, func(b *bent) {
		b.invalidate = func(...string) error { return b.memory.Clear(bg) }
	}},
	{"an invalidated tag stays so", []string{"InvalidateTags/before"}, func(b *bent) {
		var mu sync.Mutex
		var invalid []string
		b.invalidate = func(tags ...string) error {
			mu.Lock()
			defer mu.Unlock()
			invalid = append(invalid, tags...)
			return b.memory.InvalidateTags(bg, tags...)
		}
		seen(func(e *entry, err *error) {
			mu.Lock()
			defer mu.Unlock()
			if slices.ContainsFunc(e.Tags, func(tag string) bool { return slices.Contains(invalid, tag) }) {
				*e, *err = entry{}, store.ErrNotFound
			}
		})(b)
	}},
	{"the tags of all Sets add up", []string{"InvalidateTags/replaced"}, func(b *bent) {
		b.set = func(key string, e entry) error {
			old, _ := b.memory.Get(bg, key)
			e.Tags = append(slices.Clip(e.Tags), old.Tags...)
			return b.memory.Set(bg, key, e)
		}
	}},
	{"absent entries have no tags", []string{"InvalidateTags/absent"}, kept(func(e *entry) {
		if e.Absent {
			e.Tags = nil
		}
	})},
	{"Ping fails", []string{"Ping/answers"}, func(b *bent) { b.ping = func() error { return errBoom } }},
	{"hits count twice", []string{"Stats/counts"}, func(b *bent) {
		b.stats = func() (store.Stats, error) {
			st, err := b.memory.Stats(bg)
			st.Hits *= 2
			return st, err
		}
	}},
	{"an absent entry is no hit", []string{"Stats/counts"}, func(b *bent) {
		var absent uint64
		seen(func(e *entry, _ *error) {
			if e.Absent {
				absent++
			}
		})(b)
		b.stats = func() (store.Stats, error) {
			st, err := b.memory.Stats(bg)
			st.Hits -= absent
			return st, err
		}
	}},
	{"entries are counted in pairs", []string{"Stats/entries"}, func(b *bent) {
		b.stats = func() (store.Stats, error) {
			st, err := b.memory.Stats(bg)
			st.Entries /= 2
			return st, err
		}
	}},
}
