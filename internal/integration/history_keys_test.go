package integration_test

import (
	"fmt"
	"strings"
)

// A historyClass is keys that are written in one way.
type historyClass string

const (
	histPlain      historyClass = "plain"      // Delete and Expire
	histSet        historyClass = "set"        // Set, by one goroutine: of two Sets the one that Redis sees last stands
	histBracket    historyClass = "bracket"    // brackets alone
	histShared     historyClass = "shared"     // all of these but Set
	histLagging    historyClass = "lagging"    // DeleteHolding: it is read from a replica that lags
	histTagged     historyClass = "tagged"     // InvalidateTags and Clear
	histOwnPlain   historyClass = "ownplain"   // Delete, by one process
	histOwnBracket historyClass = "ownbracket" // brackets, by one process
	histStill      historyClass = "still"      // nothing: they never change
)

var historyClasses = []historyClass{histPlain, histSet, histBracket, histShared, histLagging, histTagged, histOwnPlain, histOwnBracket, histStill}

func (c historyClass) key(i int) string { return fmt.Sprint(c, i) }

// historyTags returns the tags of a key: one of its own, and one of its kind.
func historyTags(key string) []string {
	if !strings.HasPrefix(key, string(histTagged)) {
		return nil
	}
	return []string{"t:" + key, string(histTagged)}
}

// historyKeys returns the keys of classes, of which there are n each; none stands
// for all. The first are used most.
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
