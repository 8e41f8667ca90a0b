package httpcache

import (
	"strings"
	"time"
)

// A control is a parsed Cache-Control: all lines of a request or of a response. Qualified
// forms of private and no-cache count as unqualified, which RFC 9111 allows.
type control struct {
	present bool // there is a directive

	noStore, noCache, private, public   bool
	mustRevalidate, proxyRevalidate     bool
	mustUnderstand, onlyIfCached        bool
	maxStaleAny                         bool // max-stale without a value
	maxAge, sMaxAge, minFresh, maxStale delta
	staleWhileRevalidate, staleIfError  delta
}

// A delta is a number of seconds. A directive with an invalid value, or with two different
// ones, is set but not valid: it then means zero (RFC 9111 section 4.2.1).
type delta struct {
	set, valid bool
	seconds    int64
}

// maxDelta is what larger values mean (RFC 9111 section 1.2.2).
const maxDelta = 1 << 31

func (d delta) duration() time.Duration {
	if !d.valid {
		return 0
	}
	return time.Duration(d.seconds) * time.Second
}

// add notes one more occurrence of a directive.
func (d *delta) add(value string, hasValue bool) {
	seconds, ok := parseDelta(value)
	ok = ok && hasValue
	if d.set && (!ok || !d.valid || seconds != d.seconds) {
		ok = false
	}
	*d = delta{set: true, valid: ok, seconds: seconds}
}

// parseDelta parses delta-seconds: digits only.
func parseDelta(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n < maxDelta {
			n = n*10 + int64(s[i]-'0')
		}
	}
	return min(n, maxDelta), true
}

// parseControl parses the lines of Cache-Control (RFC 9111 section 5.2). Names have no case,
// values are tokens or quoted strings. Unknown directives are ignored.
func parseControl(lines []string) (c control) {
	for _, line := range lines {
		eachDirective(line, c.add)
	}
	return c
}

// eachDirective calls add for each member of a list of directives. Quoted strings may contain
// commas.
func eachDirective(line string, add func(name, value string, hasValue bool)) {
	for line != "" {
		end, equals := directiveEnd(line)
		member := strings.Trim(line[:end], " \t")
		if end < len(line) {
			end++
		}
		rest := line[end:]
		switch {
		case member == "":
		case equals < 0:
			add(strings.ToLower(member), "", false)
		default:
			name, value := line[:equals], line[equals+1:end]
			value = strings.TrimRight(strings.TrimSuffix(value, ","), " \t")
			add(directiveName(name), unquote(value), true)
		}
		line = rest
	}
}

// directiveName returns the name before "=", in lower case.
func directiveName(name string) string { return strings.ToLower(strings.Trim(name, " \t")) }

// directiveEnd returns the place of the comma that ends the first member of line, or the
// length of line, and the place of its first "=" outside of quotes, or -1.
func directiveEnd(line string) (end, equals int) {
	equals = -1
	quoted := false
	for i := 0; i < len(line); i++ {
		switch ch := line[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '"':
			quoted = !quoted
		case quoted:
		case ch == ',':
			return i, equals
		case ch == '=' && equals < 0:
			equals = i
		}
	}
	return len(line), equals
}

// unquote returns the content of a quoted string, or s.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (c *control) add(name, value string, hasValue bool) {
	c.present = true
	if flag := c.flag(name); flag != nil {
		*flag = true
		return
	}
	if name == "max-stale" && !hasValue {
		c.maxStaleAny = true
		return
	}
	if d := c.delta(name); d != nil {
		d.add(value, hasValue)
	}
}

func (c *control) flag(name string) *bool {
	switch name {
	case "no-store":
		return &c.noStore
	case "no-cache":
		return &c.noCache
	case "private":
		return &c.private
	case "public":
		return &c.public
	case "must-revalidate":
		return &c.mustRevalidate
	case "proxy-revalidate":
		return &c.proxyRevalidate
	case "must-understand":
		return &c.mustUnderstand
	case "only-if-cached":
		return &c.onlyIfCached
	}
	return nil
}

func (c *control) delta(name string) *delta {
	switch name {
	case "max-age":
		return &c.maxAge
	case "s-maxage":
		return &c.sMaxAge
	case "min-fresh":
		return &c.minFresh
	case "max-stale":
		return &c.maxStale
	case "stale-while-revalidate":
		return &c.staleWhileRevalidate
	case "stale-if-error":
		return &c.staleIfError
	}
	return nil
}

// noStale reports whether the response must not be used stale.
func (c *control) noStale() bool {
	return c.mustRevalidate || c.proxyRevalidate || c.noCache || c.sMaxAge.set
}
