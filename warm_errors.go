package strata

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/lokroom/strata/internal/oneline"
	"github.com/lokroom/strata/store"
)

const (
	// mostWarmCauses bounds how many different causes Warm remembers.
	mostWarmCauses = 10

	// mostWarmIDs is how many ids of a cause are named.
	mostWarmIDs = 3
)

// warmErrors holds the causes of failed ids, each once.
type warmErrors []*warmCause

// A warmCause is the error of one or more ids. Its text has the form of [store.ManyError].
type warmCause struct {
	cause string // text without an id
	err   error  // of the first id
	ids   []string
	n     int
}

func (c *warmCause) Error() string {
	if len(c.ids) == 0 {
		return c.cause
	}
	which := strings.Join(c.ids, ", ")
	if more := c.n - len(c.ids); more > 0 {
		which += fmt.Sprintf(" and %d more", more)
	}
	return which + ": " + c.cause
}

func (c *warmCause) Unwrap() error { return c.err }

// add records that id failed with err, up to mostWarmCauses causes. id is empty if err
// names it.
func (es *warmErrors) add(id string, err error) {
	cause := err.Error()
	if e, ok := err.(*store.Error); ok && id != "" {
		all := *e
		all.Key = ""
		cause = all.Error()
	}
	for _, c := range *es {
		if c.cause == cause {
			c.addID(id)
			return
		}
	}
	if len(*es) < mostWarmCauses {
		c := &warmCause{cause: cause, err: err}
		c.addID(id)
		*es = append(*es, c)
	}
}

func (c *warmCause) addID(id string) {
	if c.n++; id != "" && len(c.ids) < mostWarmIDs {
		c.ids = append(c.ids, id)
	}
}

// join returns one error for all causes, or nil.
func (es warmErrors) join() error {
	errs := make([]error, len(es))
	for i, c := range es {
		errs[i] = c
	}
	return oneline.Join(errs...)
}

// idText formats an id in one line.
func idText(id any) string {
	const most = 200
	text := fmt.Sprint(id)
	if len(text) > most {
		text = text[:most] + "..."
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return strconv.Quote(text)
	}
	return text
}
