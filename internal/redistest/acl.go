package redistest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var aclLine = regexp.MustCompile(`(?m)^ACL SETUSER (\S+) on >password (.*)$`)

// DocumentedRights returns the rights granted by the ACL SETUSER line of user in a file,
// verbatim.
func DocumentedRights(t testing.TB, file, user string) []string {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range aclLine.FindAllStringSubmatch(string(page), -1) {
		if m[1] == user {
			return strings.Fields(m[2])
		}
	}
	t.Fatalf("%s has no ACL SETUSER line of %q", file, user)
	return nil
}

// Grant creates user with the password "secret" and the given rights only. It also affects
// open connections.
func (s *Server) Grant(t testing.TB, user string, rights ...string) {
	t.Helper()
	args := []any{"ACL", "SETUSER", user, "resetkeys", "-@all", "on", ">secret"}
	for _, r := range rights {
		args = append(args, r)
	}
	if _, err := s.Do(args...); err != nil {
		t.Fatal(err)
	}
}

// Refusals returns the commands that s has denied, except CLIENT SETINFO, which rueidis
// tries on each connection.
func (s *Server) Refusals(t testing.TB) (all []string) {
	t.Helper()
	log, err := s.Do("ACL", "LOG", "100")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range log.([]any) {
		if text := fmt.Sprint(entry); !strings.Contains(text, "client|setinfo") {
			all = append(all, text)
		}
	}
	return all
}
