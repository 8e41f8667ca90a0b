package redistest_test

import (
	"testing"

	"github.com/redis/rueidis"

	"github.com/lokroom/strata/internal/redistest"
)

func TestRewriter(t *testing.T) {
	server := redistest.Start(t, nil)
	r := redistest.StartRewriter(t, server.Addr())
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.Addr()}, ForceSingleClient: true, DisableRetry: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	do := func(cmds ...string) (texts []string) {
		var list rueidis.Commands
		for _, key := range cmds {
			list = append(list, c.B().Set().Key(key).Value("v").Build())
		}
		for _, reply := range c.DoMulti(t.Context(), list...) {
			text, err := reply.ToString()
			if err != nil {
				text = err.Error()
			}
			texts = append(texts, text)
		}
		return texts
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %q, want %q", what, got, want)
				return
			}
		}
	}
	bad := func(args []string) bool { return args[0] == "SET" && args[1] == "bad" }
	r.Answer(bad, "NOPERM not you")
	want("one of three", do("a", "bad", "b"), "OK", "NOPERM not you", "OK")
	if n, err := server.Do("EXISTS", "bad"); n != int64(0) || err != nil {
		t.Errorf("%v keys were set, %v", n, err)
	}
	r.Answer(nil, "")
	want("after it", do("a", "bad", "b"), "OK", "OK", "OK")
}
