package httpcache

import (
	"net/http"
	"strings"
)

// statusName returns name as the first item of Cache-Status (RFC 9211 section 2): a token, or a
// string if it is none.
func statusName(name string) string {
	token := name != "" && alpha(name[0])
	for i := range len(name) {
		token = token && tokenByte(name[i])
	}
	if token {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(strings.ToValidUTF8(name, "")) + `"`
}

// addStatus adds this cache to Cache-Status, with parameters that begin with ";".
func (c *Cache) addStatus(h http.Header, params string) {
	h["Cache-Status"] = append(h["Cache-Status"], c.name+params)
}

// Parameters of Cache-Status.
const (
	fwdBypass  = "; fwd=bypass"
	fwdMethod  = "; fwd=method"
	fwdMiss    = "; fwd=uri-miss"
	fwdVary    = "; fwd=vary-miss"
	fwdStale   = "; fwd=stale"
	fwdRequest = "; fwd=request"
	fwdPartial = "; fwd=partial"
	stored     = "; stored"
	collapsed  = "; collapsed"
	softPurge  = "; detail=soft-purge"
)

func detail(s string) string { return "; detail=" + s }
