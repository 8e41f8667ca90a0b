package redisstore

import "testing"

func TestTracked_dialling(t *testing.T) {
	var tr tracked
	step := func(what, addr string, want bool) {
		t.Helper()
		if got := tr.dialling(addr); got != want {
			t.Errorf("%s: dialling(%s) = %v, want %v", what, addr, got, want)
		}
	}
	step("an address that is new", "a", true)
	step("it could not be reached", "a", false)
	tr.opened("a")
	step("another one", "b", true)
	step("the first seems open", "a", true)
	tr.opened("a")
	tr.closed("a")
	step("one of two is closed", "a", true)
	tr.closed("a")
	step("both are", "a", false)
}
