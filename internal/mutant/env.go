//go:build mutants

package mutant

import "os"

// A program built with the tag "mutants" starts with the guard named by STRATA_MUTANT
// disabled. See "make mutants".
func init() {
	if f := Switches[os.Getenv("STRATA_MUTANT")]; f != nil {
		f.Store(true)
	}
}
