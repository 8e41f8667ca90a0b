package script

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

// A brokenScript is one in which new stands for old, on purpose; where the prelude is
// broken, all are that it begins.
type brokenScript struct{ name, file, old, new string }

var brokenScripts = []brokenScript{
	// What keeps an old value from overwriting a change.
	{"fill-any-lease", "fill", "if not mine(h,ARGV[2]) then return {0} end", ""},
	{"fill-any-id", "fill", "or string.sub(h,5,12)~=ARGV[2] then", "then"},
	{"fill-no-value", "fill", "elseif not isvalue(h) and not everybodys(h) or", "elseif"},
	{"fill-nobodys-lease", "prelude", "tok~=Z8 and tok~=F8 and", ""},
	{"stale-keeps-id", "stale", "k,4,ARGV[1]", "k,4,string.sub(h,5,12)"},
	{"stale-keeps-lease", "stale", "ARGV[1]..Z8..Z8", "ARGV[1]..string.sub(h,13,28)"},
	{"stale-keeps-fresh", "stale", `..'\255\255\255\255'`, ""},
	{"stale-keeps-lease-alone", "stale", "drop(h and shared(h),holds(h))", "if not h or isvalue(h) then drop(h and shared(h),holds(h)) end"},
	{"stale-long-life", "stale", "left<0 or left>4294967295", "left<0"},
	{"expire-unstales", "expire", "keep==4294967295", "false"},

	// Values that are confirmed.
	{"confirm-any-id", "confirm", "or string.sub(h,5,12)~=ARGV[1] then", "then"},
	{"confirm-no-value", "confirm", "or not isvalue(h) and not everybodys(h) or", "or"},
	{"confirm-keeps-id", "confirm", "k,4,ARGV[2]", "k,4,string.sub(h,5,12)"},
	{"confirm-keeps-lease", "confirm", "ARGV[2]..Z8..Z8", "ARGV[2]..string.sub(h,13,28)"},
	{"confirm-drops-hold", "confirm", "u64(h,29)~=0 or", ""},
	{"confirm-any-extension", "confirm", `string.sub(h,87,88)~='\0\8' or`, ""},
	{"confirm-any-size", "confirm", "or redis.call('STRLEN',k)~=tonumber(ARGV[9])", ""},
	{"confirm-any-loaded-at", "confirm", "if redis.call('GETRANGE',k,at,at+7)~=ARGV[6] then return {2} end", ""},
	{"confirm-keeps-sum", "confirm", "redis.call('SETRANGE',k,80,sum)", ""},
	{"confirm-keeps-loaded-at", "confirm", "redis.call('SETRANGE',k,at,ARGV[7])", ""},
	{"confirm-over-tags", "confirm", "k,at,ARGV[7]", "k,88,ARGV[7]"},
	{"confirm-keeps-flag", "confirm", "without(string.byte(h,3),32)", "string.byte(h,3)"},
	{"confirm-no-flag", "confirm", "if ARGV[5]=='1' then flags=flags+32 end", ""},
	{"confirm-keeps-life", "confirm", "redis.call('PEXPIRE',k,hard) ends(hard)", "ends(hard)"},
	{"confirm-end-not-told", "confirm", "redis.call('PEXPIRE',k,hard) ends(hard)", "redis.call('PEXPIRE',k,hard)"},
	{"confirm-not-endless", "confirm", "redis.call('PERSIST',k)\n", ""},
	{"confirm-endless-not-told", "confirm", `redis.call('SETRANGE',k,56,'\255\255\255\255')`, ""},
	{"confirm-blind", "confirm", "redis.call('GETRANGE',k,0,0)", ""},
	{"confirm-full", "confirm", "redis.pcall('SETRANGE',k,4", "redis.call('SETRANGE',k,4"},

	// Leases.
	{"lease-steals", "lease", "lu>t and (backoff", "false and (backoff"},
	{"lease-clock-set-back", "lease", "(backoff or lu-t<=10*lms)", "true"},
	{"lease-ignores-fresh", "lease", "id~=no and (pttl", "false and (pttl"},
	{"lease-ignores-not", "lease", "id~=no and (pttl", "(pttl"},
	{"lease-no-back-off", "release", "bo>0 and F8..p64(t+bo) or Z8..Z8", "Z8..Z8"},
	{"lease-back-off-for-nothing", "release", "if ARGV[3]=='' then bo,mark=0,Z8..Z8 end", ""},
	{"lease-dies-with-value", "lease", "(pttl<0 or pttl>lms)", "true"},
	{"lease-of-cleared-counts", "lease", "of~=Z8 and cmp8(of,cleared)<0", "false"},
	{"lease-of-invalidated-counts", "lease", "void=void or id==no and of~=Z8 and cmp8(of,stamp)<0", ""},
	{"lease-keeps-void-value", "lease", "pttl and not void and", "pttl and"},
	{"lease-named-counts", "lease", "(pttl or by~=no) and", ""},
	{"lease-without-stamp", "lease", "t+lms,hold,px,stamp)", "t+lms,hold,px)"},
	{"lease-of-nothing-void", "lease", "local void=of~=Z8 and", "local void="},
	{"renew-drops-stamp", "renew", "isvalue(h) and Z8 or string.sub(h,61,68)", "Z8"},
	{"renew-anybodys", "renew", "if not h or not mine(h,ARGV[1]) then", "if not h then"},
	{"renew-not", "renew", "p64(t+lms))", "string.sub(h,21,28))"},
	{"release-anybodys", "release", "if not h or not mine(h,ARGV[1]) then", "if not h then"},

	// Values that cannot be stored.
	{"unstorable-anybodys", "unstorable", "if not h or not mine(h,ARGV[1]) then", "if not h then"},
	{"unstorable-again", "unstorable", "if everybodys(h) then return 2 end", ""},
	{"unstorable-drops-hold", "unstorable", "if u64(h,29)~=0 then return 0 end", ""},
	{"unstorable-without-stamp", "unstorable", "..ARGV[3]..", "..Z8.."},
	{"unstorable-blind", "unstorable", "redis.call('GETRANGE',k,0,0)", ""},
	{"unstorable-not-everybodys", "lease", "elseif everybodys(h) and not void then return {5,redis.call('PTTL',k),'',by} end", "end"},
	{"unstorable-of-cleared", "lease", "everybodys(h) and not void", "everybodys(h)"},
	{"unstorable-released", "release", "if everybodys(h) then return 1 end", ""},
	{"unstorable-renewed", "renew", "if everybodys(h) then return 1 end", ""},
	{"unstorable-not-replaced", "fill", "not isvalue(h) and not everybodys(h) or", "not isvalue(h) or"},
	{"unstorable-not-confirmed", "confirm", "not isvalue(h) and not everybodys(h) or", "not isvalue(h) or"},

	// Claims.
	{"claim-anybodys", "endclaim", "if redis.pcall('GET',KEYS[1])~=ARGV[1] then", "if redis.call('EXISTS',KEYS[1])==0 then"},
	{"claim-stays", "endclaim", "redis.call('DEL',KEYS[1])", ""},
	{"claim-not-moved", "endclaim", "redis.call('PEXPIRE',KEYS[1],ARGV[2])", ""},
	{"claim-garbage", "endclaim", "redis.pcall('GET'", "redis.call('GET'"},

	// Holds.
	{"fill-late", "fill", "if left<0 then", "if false then"},
	{"fill-late-keeps-lease", "fill", "if ARGV[1]=='T' and not isvalue(h) then", "if false then"},
	{"fill-uncapped", "fill", "if left>0 then blob", "if false then blob"},
	{"set-uncapped", "set", "if left>0 then blob", "if false then blob"},
	{"hold-no-cap", "prelude", "if not own then", "if false then"},
	{"hold-ends-with-value", "prelude", "(hard==0 or hard>=left) and", ""},
	{"hold-short-value-uncapped", "prelude", "life,struct.pack('>I4',math.min(left-life,4294967295))", `life,'\0\0\0\0'`},
	{"floor-of-none", "prelude", "hard>=left) and floor~=Z8", "hard>=left)"},
	{"floor-below", "prelude", "cmp8(string.sub(blob,69,76),floor)>=0", "true"},
	{"floor-inexact", "prelude", "if a2~=b2 then return a2<b2 and -1 or 1 end", ""},
	{"delete-drops-hold", "delete", "if hu>t then", "if false then"},
	{"delete-drops-hold-for-nothing", "delete", "hm==0 and hu==0", "hm==0"},
	{"delete-shortens-hold", "delete", "if hu>till then till=hu end", ""},
	{"delete-lowers-floor", "delete", "and cmp8(of,floor)>0 then floor=of", "and false then floor=of"},
	{"delete-keeps-bracket", "delete", "p64(till)..F8..", "p64(till)..(h and string.sub(h,37,44) or F8).."},
	{"begin-shortens-hold", "begin", "if hu>till then till=hu end", ""},
	{"lease-drops-hold", "lease", "hold=string.sub(h,29,52)", ""},
	{"lease-cuts-hold", "lease", "if hu-t>px then px=hu-t end", ""},
	{"lease-keeps-hold", "lease", "if hu>t then", "if hu>0 then"},
	{"lease-keeps-id", "lease", "elseif hu>0 then as=tok end", "end"},
	{"renew-drops-hold", "renew", "string.sub(h,29,52)", "Z8..Z8..Z8"},
	{"renew-cuts-hold", "renew", "left<0 or left>lms", "isvalue(h) and (left<0 or left>lms)"},
	{"release-drops-hold", "release", "string.sub(h,29,52)", "Z8..Z8..Z8"},
	{"release-cuts-hold", "release", "if hu-t>px then px=hu-t end", ""},
	{"stale-drops-hold", "stale", "drop(h and shared(h),holds(h))", "drop('',0)"},
	{"expire-drops-hold", "expire", "drop(shared(h),left)", "drop('',0)"},
	{"expire-outlives-hold", "expire", "if left>0 and (capped or ttl>0 and ttl<left) then", "if false then"},
	{"expire-revives", "expire", "if capped and (left<=0 or redis.call('PTTL',k)<=keep) then return 0 end", ""},

	// Brackets.
	{"begin-always-alone", "begin", "ht=F8", ""},
	{"set-leaves-alone", "set", "held(blob,hard,shared(h),left)", "held(blob,hard,string.sub(h,29,52),left)"},
	{"stale-leaves-alone", "stale", "drop(h and shared(h),holds(h))", "drop(h and string.sub(h,29,52),holds(h))"},
	{"done-shared", "done", "elseif not sole then reply=0", ""},
	{"done-late", "done", "if hu<=t then reply=-1", "if false then reply=-1"},
	{"done-drops-hold", "done", "if not sole and hu>till then till=hu end", ""},
	{"done-keeps-hold", "done", "if not sole and hu>till then", "if hu>till then"},
	{"set-any-version", "set", "string.sub(blob,69,76))>=0 then return {0} end", "string.sub(blob,69,76))>=0 then end"},
	{"add-over-a-value", "set", "ARGV[3]=='A' and", "false and"},
	{"add-not-over-absent", "set", "and not flag(string.byte(h,3),1) then", "then"},

	// The end that a record tells.
	{"end-not-told", "prelude", "..s..string.sub(blob,56+#s+1,76)..frac..string.sub(blob,76+#frac+1)", "..string.sub(blob,57)"},
	{"end-wrong-ms", "prelude", "struct.pack('>I2',t%1000)", "struct.pack('>I2',999-t%1000)"},
	{"end-not-moved", "expire", "ends(ttl)", ""},
	{"end-not-removed", "expire", `redis.call('SETRANGE',k,56,'\255\255\255\255')`, ""},
	{"end-not-told-stale", "stale", "ends(4294967295)", ""},

	// Tracking.
	{"lease-blind", "lease", "noval(tok,t+lms,hold,px,stamp) -- a stale value that is about to end goes: who asks has read it\nredis.call('GETRANGE',k,0,0)", "noval(tok,t+lms,hold,px,stamp)"},
	{"lease-value-blind", "lease", "redis.call('GETRANGE',k,0,0) -- the write", "-- the write"},
	{"fill-blind", "fill", "redis.call('GETRANGE',k,0,0)", ""},
	{"renew-blind", "renew", "redis.call('GETRANGE',k,0,0)", ""},
	{"release-blind", "release", "string.rep('\\0',36)..ARGV[3],'PX',px)\nredis.call('GETRANGE',k,0,0)", "string.rep('\\0',36)..ARGV[3],'PX',px)"},
	{"release-gone-blind", "release", "redis.pcall('GETRANGE',k,0,0)", ""},
	{"release-value-blind", "release", "redis.call('SETRANGE',k,12,mark) redis.call('GETRANGE',k,0,0)", "redis.call('SETRANGE',k,12,mark)"},
	{"tagget-blind", "tagget", "redis.call('GET',KEYS[1]) --", "--"},
	{"tagget-prolonged-blind", "tagget", "redis.call('EXISTS',KEYS[1]) --", "--"},
	{"tagdone-blind", "tagdone", "redis.call('GET',KEYS[1]) --", "--"},

	// Whatever is under the key, and a Redis that is full.
	{"garbage-error", "prelude", "redis.pcall('GETRANGE',k,0,87)", "redis.call('GETRANGE',k,0,87)"},
	{"garbage-short", "prelude", "#h~=88", "#h<80"},
	{"garbage-any-type", "prelude", `ty~='V\1' and ty~='N\1' or`, ""},
	{"garbage-far-times", "prelude", "or string.byte(h,21)>0 or string.byte(h,29)>0", ""},
	{"full-set-keeps", "set", "drop(h and shared(h),left)", ""},
	{"full-fill-keeps", "fill", "  drop(hold,left)\n  return {-1}", "  return {-1}"},
	{"full-set-drops-hold", "set", "drop(h and shared(h),left)", "drop('',0)"},
	{"full-fill-drops-hold", "fill", "  drop(hold,left)\n  return {-1}", "  drop('',0) return {-1}"},
	{"full-not-forced", "prelude", "    force()\n    noval(Z8,0,hold,left)", "    noval(Z8,0,hold,left)"},
	{"full-done", "done", "    force()\n    r=put", "    r=put"},
	{"full-stale", "stale", "redis.pcall('SETRANGE'", "redis.call('SETRANGE'"},

	// The clock and the tags.
	{"clock-goes-back", "tick", "n=o+1", "n=n+0"},
	{"clock-stands", "tick", "n=o+1", "n=o"},
	{"clock-forgets", "tick", "redis.pcall('SET',KEYS[1],s).err", "false"},
	{"clock-garbage", "tick", "and string.match(v,'^%d+$')", ""},
	{"clock-inexact", "tick", "if o>=9007199254740992 then o=0 end", ""},
	{"clock-garbage-error", "tick", "redis.pcall('GET'", "redis.call('GET'"},
	{"clock-seed-ticks", "tick", "if o>0 and ARGV[1]=='seed' then return v end", ""},
	{"clock-seed-none", "tick", "if o>0 and ARGV[1]=='seed'", "if ARGV[1]=='seed'"},
	{"tag-goes-back", "tagmax", "if o>=tonumber(ARGV[1])", "if false"},
	{"tag-dies", "tagmax", "redis.call('PEXPIRE',KEYS[1],ttl)", ""},
	{"tag-lives-for-ever", "tagmax", "redis.pcall('SET',KEYS[1],ARGV[1],'PX',ttl)", "redis.pcall('SET',KEYS[1],ARGV[1])"},
	{"tag-garbage", "tagget", "and string.match(v,'^%d+$')", ""},
	{"tag-garbage-stands", "tagmax", "and string.match(v,'^%d+$')", ""},
	{"tag-inexact", "tagget", "if o>=9007199254740992 then o=0 end", ""},
	{"tag-inexact-stands", "tagmax", "if o>=9007199254740992 then o=0 end", ""},
	{"tag-mark-replaced", "tagget", "if type(v)=='string' and string.sub(v,1,1)=='P'", "if false"},
	{"tag-ends-early", "tagget", "redis.call('PEXPIRE',KEYS[1],ARGV[3])", ""},
	{"tag-prolonged-always", "tagget", "left<tonumber(ARGV[2])", "left<tonumber(ARGV[3])"},
	{"tag-gets-an-end", "tagget", "left>=0 and", ""},
	{"tag-cut-short", "tagmax", "if ttl>0 then ttl=math.max(ttl,redis.call('PTTL',KEYS[1])) end", ""},
	{"tag-made-by-another", "tagdone", "or '',0}", "or '',1}"},
	{"tag-mark-unseen", "tagdone", "if v~=ARGV[1] then", "if v and v~=ARGV[1] then"},
	{"tag-mark-anybodys", "tagdone", "if v~=ARGV[1] then", "if type(v)~='string' or string.sub(v,1,1)~='P' then"},
	{"full-clock", "tick", "redis.call('PERSIST',KEYS[1])", ""},
	{"full-tag", "tagmax", "redis.call('PERSIST',KEYS[1])", ""},
}

// of returns the scripts with this one among them.
func (m brokenScript) of(set scriptSet) (scriptSet, error) {
	broken := maps.Clone(set)
	places := 0
	for name, s := range set {
		inPrelude := m.file == "prelude" && strings.Contains(s.text, m.old) // which not all scripts need whole
		if name == m.file || inPrelude {
			if n := strings.Count(s.text, m.old); n != 1 {
				return nil, fmt.Errorf("%q is in %s %d times", m.old, name, n)
			}
			broken[name] = New(strings.Replace(s.text, m.old, m.new, 1))
			places++
		}
	}
	if places == 0 {
		return nil, fmt.Errorf("there is no %s", m.file)
	}
	return broken, nil
}

// TestScripts_mutants shows that the checks, or else the random steps, notice each.
// With -v it tells of both for all.
func TestScripts_mutants(t *testing.T) {
	l := newLab(t, redistest.Start(t, nil))
	whole := l.set
	for _, m := range brokenScripts {
		broken, err := m.of(whole)
		if err != nil {
			t.Errorf("mutant %s: %v", m.name, err)
			continue
		}
		l.set = broken
		if by := l.killers(); len(by) > 0 {
			t.Logf("mutant %s: killed by %s", m.name, strings.Join(by, ", "))
		} else {
			t.Errorf("mutant %s: survived", m.name)
		}
	}
}

// killers returns the first check that fails, and the random steps if they do.
func (l *lab) killers() (by []string) {
	for _, c := range scriptChecks {
		if l.does(c) != nil {
			by = append(by, c.name)
			break
		}
	}
	if len(by) > 0 && !testing.Verbose() {
		return by
	}
	if _, err := l.random(1, 4000); err != nil {
		by = append(by, "random steps")
	}
	return by
}
