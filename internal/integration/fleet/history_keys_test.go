package fleet_test

import (
	"fmt"
	"strings"
)

// A historyClass is a class of keys that are written in the same way.
type historyClass string

const (
	histPlain     historyClass = "plain"     // Delete and Expire
	histSet       historyClass = "set"       // Set, by one goroutine: of two Sets the last one in Redis wins
	histIntent    historyClass = "intent"    // write intents only
	histShared    historyClass = "shared"    // all of these but Set
	histLagging   historyClass = "lagging"   // DeleteHolding: they are read from a lagging replica
	histTagged    historyClass = "tagged"    // InvalidateTags and Clear
	histOwnPlain  historyClass = "ownplain"  // Delete, by one process
	histOwnIntent historyClass = "ownintent" // write intents, by one process
	histStill     historyClass = "still"     // nothing: they never change
)

var historyClasses = []historyClass{histPlain, histSet, histIntent, histShared, histLagging, histTagged, histOwnPlain, histOwnIntent, histStill}

func (c historyClass) key(i int) string { return fmt.Sprint(c, i) }

// historyTags returns the tags of a key: one of the key, and one of its kind.
func historyTags(key string) []string {
	if !strings.HasPrefix(key, string(histTagged)) {
		return nil
	}
	return []string{"t:" + key, string(histTagged)}
}

// historyKeys returns n keys per class; no classes stands for all. The first keys are used
// most.
func historyKeys(n int, classes ...historyClass) (keys []string) {
	if len(classes) == 0 {
		classes = historyClasses
	}
	for i := range n {
		for _, c := range classes {
			keys = append(keys, c.key(i))
		}
	}
	return keys
}
