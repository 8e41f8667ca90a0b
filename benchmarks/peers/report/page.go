package report

import (
	"fmt"
	"os"
	"strings"
)

// Fill replaces the part of a page between the lines "<!-- name -->" and "<!-- /name -->" by
// text, so that a page has written and generated parts.
func Fill(file, name, text string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page, err := fill(string(b), name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(page), 0o644)
}

func fill(page, name, text string) (string, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return "", fmt.Errorf("there are no lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + "\n" + strings.TrimSpace(text) + "\n\n" + end + after, nil
}
