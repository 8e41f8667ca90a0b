package view_test

import (
	"fmt"
	"testing"
)

// However many keys are asked for in turn, each has its share of the sample.
func TestView_Hit_keysInTurn(t *testing.T) {
	for _, keys := range []int{1, 2, 3, 64, 128, 144, 1000} {
		v := newView[int]()
		seen := map[string]int{}
		every, stop := v.SampleHits(func(key string) { seen[key]++ })
		const share = 20
		n := v.At(0)
		names := make([]string, keys)
		for k := range names {
			names[k] = fmt.Sprint(k)
		}
		for range share * every {
			for _, name := range names {
				v.Hit(n, name)
			}
		}
		for k := range keys {
			if got := seen[fmt.Sprint(k)]; got < share/2 || got > share*2 {
				t.Errorf("of %d keys in turn, key %d was sampled %d times, want about %d", keys, k, got, share)
			}
		}
		stop()
	}
}

func TestView_SampleHits_several(t *testing.T) {
	v := newView[int]()
	var seen [2]int
	every, stop := v.SampleHits(func(string) { seen[0]++ })
	_, stop1 := v.SampleHits(func(string) { seen[1]++ })
	hits := func() {
		seen = [2]int{}
		for range 10 * every {
			v.Hit(v.At(0), "k")
		}
	}
	if hits(); seen[0] == 0 || seen[0] != seen[1] {
		t.Errorf("sampled %v", seen)
	}
	stop()
	if hits(); seen[0] != 0 || seen[1] == 0 {
		t.Errorf("sampled %v after one has stopped", seen)
	}
	stop1()
	if hits(); seen[1] != 0 {
		t.Errorf("sampled %v after both have stopped", seen)
	}
}
