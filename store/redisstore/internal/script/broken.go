//go:build mutants

package script

import (
	"os"
	"strings"
)

// An edit breaks a script.
type edit struct {
	script   *Script
	old, new string
}

// What is missing from the scripts of a program that is built with the tag "mutants",
// by the STRATA_MUTANT that it runs with. TestScripts_mutants has many more; these are
// those of internal/model.
var scriptEdits = map[string][]edit{
	"NoRearm": {
		{&Fill, "redis.call('GETRANGE',k,0,0)", ""},
		{&Confirm, "redis.call('GETRANGE',k,0,0)", ""},
		{&Lease, "redis.call('GETRANGE',k,0,0)", ""},
		{&Renew, "redis.call('GETRANGE',k,0,0)", ""},
		{&Release, "redis.call('GETRANGE',k,0,0)", ""},
		{&Unstorable, "redis.call('GETRANGE',k,0,0)", ""},
	},
	"NoCap":       {{&Fill, "if left>0 then blob", "if false then blob"}},
	"LateFill":    {{&Fill, "if left<0 then", "if false then"}, {&Lease, "elseif hu>0 then as=tok end", "end"}},
	"DropHold":    {{&Delete, "if hu>t then", "if false then"}},
	"LeaseHold":   {{&Lease, "hold=string.sub(h,29,52)", ""}},
	"AlwaysAlone": {{&Begin, "ht=F8", ""}},
	"SetsShared":  {{&Done, "elseif not sole then reply=0", ""}},
	"EndsAll":     {{&Done, "if not sole and hu>till then till=hu end", ""}},
}

func init() {
	for _, e := range scriptEdits[os.Getenv("STRATA_MUTANT")] {
		if !strings.Contains(e.script.text, e.old) {
			panic("redisstore: a script has no " + e.old)
		}
		*e.script = New(strings.ReplaceAll(e.script.text, e.old, e.new))
	}
}
