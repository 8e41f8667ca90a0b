package script

import (
	"regexp"
	"slices"
	"strings"
)

// comment is a comment, to the end of its line.
var comment = regexp.MustCompile(`--.*`)

// definition is how a line that defines a name for a script begins.
var definition = regexp.MustCompile(`^local (?:function )?(\w+)`)

// needed returns the definitions of prelude that text uses, and those that these use. A server
// makes all functions of a script each time it runs it: those that it does not use take more
// time than what it does.
func needed(prelude, text string) string {
	var chunks []string // each begins with a definition
	text = comment.ReplaceAllString(text, "")
	for line := range strings.Lines(comment.ReplaceAllString(prelude, "")) {
		switch {
		case strings.TrimSpace(line) == "":
		case definition.MatchString(line):
			chunks = append(chunks, line)
		default:
			chunks[len(chunks)-1] += line
		}
	}
	for i, chunk := range slices.Backward(chunks) { // a chunk uses those before it
		name := definition.FindStringSubmatch(chunk)[1]
		if regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
			text = chunk + text
		} else {
			chunks[i] = ""
		}
	}
	return strings.Join(chunks, "")
}
