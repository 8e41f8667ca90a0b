package httpcache

import (
	"crypto/rand"
	"encoding/hex"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxKey bounds the length of a key. Requests with a longer one bypass the cache.
const maxKey = 4 << 10

// keyOf returns the key of the URL that the client has sent: scheme, host, and the path and
// query as they came. ok is false if the request must bypass the cache.
//
// Nothing is decoded, sorted or removed, so no two URLs that a handler could distinguish have
// one key. The host has no case, no default port and no trailing dot (RFC 9110 section 4.2.3).
func (c *Cache) keyOf(r *http.Request) (key string, ok bool) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	host := normalHost(r.Host, scheme)
	if !validHost(host) || len(c.opts.AllowedHosts) > 0 && !slices.Contains(c.opts.AllowedHosts, host) {
		return "", false
	}
	target := targetOf(r)
	key = scheme + "://" + host + target
	return key, len(key) <= maxKey && validTarget(target)
}

// targetOf returns the path and query that the client has sent.
func targetOf(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return targetOfURL(r.URL)
}

func targetOfURL(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + u.RawQuery
	}
	return path
}

// validTarget reports whether s may be part of a key: keys of variants contain a space.
func validTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return strings.HasPrefix(s, "/")
}

func validHost(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte("/?#@\\", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// normalHost returns host in lower case, without a trailing dot and the default port of
// scheme; "": of either scheme.
func normalHost(host, scheme string) string {
	for i := range len(host) {
		if host[i] >= 'A' && host[i] <= 'Z' {
			host = strings.ToLower(host)
			break
		}
	}
	if scheme != "https" {
		host = strings.TrimSuffix(host, ":80")
	}
	if scheme != "http" {
		host = strings.TrimSuffix(host, ":443")
	}
	name, port, found := host, "", false
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name, port, found = host[:i], host[i:], true
	}
	if trimmed := strings.TrimSuffix(name, "."); trimmed != name && trimmed != "" {
		if host = trimmed; found {
			host += port
		}
	}
	return host
}

// keysOfURL returns the keys of an absolute URL, for both schemes: behind a proxy that
// ends TLS, requests are http.
func (c *Cache) keysOfURL(u *url.URL) []string {
	target := targetOfURL(u)
	return append(c.keysOf("http://"+normalHost(u.Host, "http")+target),
		c.keysOf("https://"+normalHost(u.Host, "https")+target)...)
}

// namesOf returns the request headers in the lines of Vary, and those in more: lower case,
// sorted, each once, joined by commas.
func namesOf(lines []string, more string) string {
	var names []string
	for _, line := range append(slices.Clone(lines), more) {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// valuesOf returns what r has of the request headers in names, each ended by NUL. Before
// them it has the URL that the handler sees, if another middleware has changed it.
func valuesOf(r *http.Request, names string) string {
	var b strings.Builder
	b.WriteString(rewritten(r))
	b.WriteByte(0)
	for names != "" {
		var name string
		name, names, _ = strings.Cut(names, ",")
		b.WriteString(valueOf(r, name))
		b.WriteByte(0)
	}
	return b.String()
}

// matches reports whether r has the values with which rec was stored.
func (rec *record) matches(r *http.Request) bool {
	values, names := rec.values, rec.names
	var v string
	if v, values, _ = strings.Cut(values, "\x00"); v != rewritten(r) {
		return false
	}
	for names != "" {
		var name string
		name, names, _ = strings.Cut(names, ",")
		if v, values, _ = strings.Cut(values, "\x00"); v != valueOf(r, name) {
			return false
		}
	}
	return true
}

// rewritten returns the path and query that the handler sees, if they are not those that
// the client has sent, or "".
func rewritten(r *http.Request) string {
	if r.RequestURI == "" || r.RequestURI == r.URL.Path && r.URL.RawQuery == "" {
		return ""
	}
	if target := targetOfURL(r.URL); target != targetOf(r) {
		return target
	}
	return ""
}

// valueOf returns all lines of a request header, with one form of the white space around
// commas (RFC 9111 section 4.1). An absent header differs from an empty one.
func valueOf(r *http.Request, name string) string {
	if name == "host" {
		return r.Host
	}
	lines, ok := r.Header[http.CanonicalHeaderKey(name)]
	if !ok {
		return ""
	}
	if name == "accept-encoding" {
		return acceptedCodings(lines)
	}
	if name == "accept-language" { // has no case (RFC 9110 section 12.5.4)
		lines = []string{strings.ToLower(strings.Join(lines, ","))}
	}
	if len(lines) == 1 && strings.IndexByte(lines[0], ',') < 0 {
		return "=" + strings.Trim(lines[0], " \t")
	}
	members := strings.Split(strings.Join(lines, ","), ",")
	for i, m := range members {
		members[i] = strings.Trim(m, " \t")
	}
	return "=" + strings.Join(members, ",")
}

// childID returns the id of the record for requests with values, where rec, under base, is for
// others. There are slots for a few only: together with the depth, this bounds the number of
// records of a URL.
func (rec *record) childID(base, values string) string {
	h := fnv.New32a()
	h.Write([]byte(values))
	generation := rec.generation
	if generation == "" {
		generation = strconv.FormatInt(int64(rec.received), 10)
	}
	return base + " " + generation + string('a'+rune(h.Sum32()%fanOut))
}

const (
	fanOut   = 8 // slots of a record
	maxDepth = 3 // 1 + 8 + 64 records of a URL
)

// newGeneration returns a random text.
func newGeneration() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
