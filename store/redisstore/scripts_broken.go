//go:build mutants

package redisstore

import (
	"os"
	"strings"
)

// An edit breaks a script.
type edit struct {
	script   *script
	old, new string
}

// What is missing from the scripts of a program that is built with the tag "mutants",
// by the STRATA_MUTANT that it runs with. TestScripts_mutants has many more; these are
// those of internal/model.
var scriptEdits = map[string][]edit{
	"NoRearm": {
		{&fillScript, "redis.call('GETRANGE',k,0,0)", ""},
		{&confirmScript, "redis.call('GETRANGE',k,0,0)", ""},
		{&leaseScript, "redis.call('GETRANGE',k,0,0)", ""},
		{&renewScript, "redis.call('GETRANGE',k,0,0)", ""},
		{&releaseScript, "redis.call('GETRANGE',k,0,0)", ""},
		{&unstorableScript, "redis.call('GETRANGE',k,0,0)", ""},
	},
	"NoCap":       {{&fillScript, "if left>0 then blob", "if false then blob"}},
	"LateFill":    {{&fillScript, "if left<0 then", "if false then"}, {&leaseScript, "elseif hu>0 then as=tok end", "end"}},
	"DropHold":    {{&deleteScript, "if hu>t then", "if false then"}},
	"LeaseHold":   {{&leaseScript, "hold=string.sub(h,29,52)", ""}},
	"AlwaysAlone": {{&beginScript, "ht=F8", ""}},
	"SetsShared":  {{&doneScript, "elseif not sole then reply=0", ""}},
	"EndsAll":     {{&doneScript, "if not sole and hu>till then till=hu end", ""}},
}

func init() {
	for _, e := range scriptEdits[os.Getenv("STRATA_MUTANT")] {
		if !strings.Contains(e.script.text, e.old) {
			panic("redisstore: a script has no " + e.old)
		}
		*e.script = newScript(strings.ReplaceAll(e.script.text, e.old, e.new))
	}
}
