//go:build mutants

package mutant

import "os"

// A program that is built with the tag "mutants" lacks the fence that STRATA_MUTANT
// names, from its start. See "make mutants".
func init() {
	if f := Switches[os.Getenv("STRATA_MUTANT")]; f != nil {
		f.Store(true)
	}
}
