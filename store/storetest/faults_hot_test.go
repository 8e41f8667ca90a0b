package storetest_test

import (
	"github.com/lokroom/strata/store"
)

var hotFaults = []fault{
	{"every hit is sampled, but every is two", []string{"SampleHits/share"}, func(b *bent) {
		b.sampleHits = func(fn func(string)) (int, func()) {
			_, stop := b.memory.SampleHits(fn)
			return 2, stop
		}
	}},
	{"hits are sampled after stop", []string{"SampleHits/share"}, func(b *bent) {
		b.sampleHits = func(fn func(string)) (int, func()) {
			every, _ := b.memory.SampleHits(fn)
			return every, func() {}
		}
	}},
	{"the hits of one key are sampled as those of another", []string{"SampleHits/share"}, func(b *bent) {
		b.sampleHits = func(fn func(string)) (int, func()) { return b.memory.SampleHits(func(string) { fn("k0") }) }
	}},
	{"AddHot sets", []string{"AddHot/adds", "AddHot/shared"}, func(b *bent) {
		b.addHot = func(hot []store.Hot, most int) error {
			now, err := b.memory.ListHot(bg, most)
			for i, h := range hot {
				for _, old := range now {
					if old.Key == h.Key {
						hot[i].Reads -= old.Reads
					}
				}
			}
			if err != nil {
				return err
			}
			return b.memory.AddHot(bg, hot, most)
		}
	}},
	{"AddHot keeps all", []string{"AddHot/most"}, func(b *bent) {
		b.addHot = func(hot []store.Hot, _ int) error { return b.memory.AddHot(bg, hot, 100) }
	}},
	{"ListHot returns the last", []string{"AddHot/adds"}, func(b *bent) {
		b.listHot = func(n int) ([]store.Hot, error) {
			all, err := b.memory.ListHot(bg, 100)
			return all[len(all)-min(n, len(all)):], err
		}
	}},
	{"Clear concerns the list", []string{"AddHot/entries"}, func(b *bent) {
		b.clear = func() error {
			b.listHot = func(int) ([]store.Hot, error) { return nil, nil }
			return b.memory.Clear(bg)
		}
	}},
}
