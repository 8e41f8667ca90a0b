package httpcache

import (
	"slices"
	"strings"
)

// codings are the content codings that requests with the same set of which may share.
var codings = []string{"br", "deflate", "gzip", "identity", "zstd"}

// acceptedCodings returns one text for all Accept-Encoding lines that accept the same set of
// codings, whatever their order and weights. It returns the lines themselves if they name
// another coding. A coding with q=0 is not accepted (RFC 9110 section 12.5.3).
func acceptedCodings(lines []string) string {
	all := strings.Join(lines, ",")
	var seen, accepted []string
	identity, wildcard := true, false
	for member := range strings.SplitSeq(all, ",") {
		name, params, _ := strings.Cut(member, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		refused, ok := zeroWeight(params)
		switch {
		case name == "" && params == "":
			continue
		case !ok || !slices.Contains(codings, name) && name != "*":
			return "=" + all
		case name == "*" && !refused, slices.Contains(seen, name):
			return "=" + all // rare: not worth a form of its own
		case name == "*":
			wildcard = true
		case name == "identity":
			identity = !refused
			if identity {
				wildcard = false
			}
		case !refused:
			accepted = append(accepted, name)
		}
		seen = append(seen, name)
	}
	slices.Sort(accepted)
	if wildcard || !identity {
		return "=" + all
	}
	return "~" + strings.Join(accepted, ",")
}

// zeroWeight reports whether params are a weight of zero. ok is false if they are no weight.
func zeroWeight(params string) (zero, ok bool) {
	params = strings.ToLower(strings.TrimSpace(params))
	if params == "" {
		return false, true
	}
	q, found := strings.CutPrefix(params, "q=")
	if !found || q == "" || strings.Trim(q, "0123456789.") != "" {
		return false, false
	}
	return strings.Trim(q, "0.") == "", true
}
