package view_test

import (
	"fmt"
	"testing"
)

// However many keys are asked for in turn, each has its share of the sample.
func TestView_Hit_keysInTurn(t *testing.T) {
	for _, keys := range []int{1, 2, 3, 64, 128, 144, 1000} {
		v := newView[int]()
		told := map[string]int{}
		every, stop := v.SampleHits(func(key string) { told[key]++ })
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
			if got := told[fmt.Sprint(k)]; got < share/2 || got > share*2 {
				t.Errorf("of %d keys in turn, key %d was told %d times, want about %d", keys, k, got, share)
			}
		}
		stop()
	}
}

func TestView_SampleHits_several(t *testing.T) {
	v := newView[int]()
	var told [2]int
	every, stop := v.SampleHits(func(string) { told[0]++ })
	_, stop1 := v.SampleHits(func(string) { told[1]++ })
	hits := func() {
		told = [2]int{}
		for range 10 * every {
			v.Hit(v.At(0), "k")
		}
	}
	if hits(); told[0] == 0 || told[0] != told[1] {
		t.Errorf("told %v", told)
	}
	stop()
	if hits(); told[0] != 0 || told[1] == 0 {
		t.Errorf("told %v after one has stopped", told)
	}
	stop1()
	if hits(); told[1] != 0 {
		t.Errorf("told %v after both have stopped", told)
	}
}
