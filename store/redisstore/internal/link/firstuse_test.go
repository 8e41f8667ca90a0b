package link

import "testing"

func TestSetsUp(t *testing.T) {
	const role, tracking = "*1\r\n$4\r\nROLE\r\n", "*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$6\r\nOPTOUT\r\n"
	for text, want := range map[string]bool{
		"":                                  true,
		role:                                true,
		tracking + role:                     true,
		"*2\r\n$3\r\nGET\r\n$4\r\nROLE\r\n": false,
		role + "*1\r\n$4\r\nMULTI\r\n":      false,
		"*1\r\n$4\r\nROL":                   false,
		"*1\r\n$4\r\nROLE":                  false,
		"*0\r\n":                            false,
		"*-1\r\n":                           false,
		"*1\r\n$9\r\nROLE\r\n":              false,
		"*1\r\n$-1\r\n":                     false,
		"$4\r\nROLE\r\n":                    false,
		"ROLE\r\n":                          false,
	} {
		if got := setsUp([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
