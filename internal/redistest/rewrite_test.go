package redistest_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/lokroom/strata/internal/redistest"
)

func TestRewriter(t *testing.T) {
	server := redistest.Start(t, nil)
	r := redistest.StartRewriter(t, server.Addr())
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	do := func(want ...string) {
		t.Helper()
		for _, key := range []string{"a", "bad", "b"} { // in one go
			fmt.Fprintf(c, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nv\r\n", len(key), key)
		}
		for _, w := range want {
			if line, err := in.ReadString('\n'); strings.TrimSpace(line) != w || err != nil {
				t.Errorf("answered %q, %v; want %q", line, err, w)
			}
		}
	}
	r.Answer(func(args []string) bool { return args[0] == "SET" && args[1] == "bad" }, "NOPERM not you")
	do("+OK", "-NOPERM not you", "+OK")
	if n, err := server.Do("EXISTS", "bad"); n != int64(0) || err != nil {
		t.Errorf("%v keys were set, %v", n, err)
	}
	r.Answer(nil, "")
	do("+OK", "+OK", "+OK")
}
