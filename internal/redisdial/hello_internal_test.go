package redisdial

import "testing"

// All later versions become 7 at the same length; nothing else changes.
func TestAsVersion7(t *testing.T) {
	hello := func(version string) string {
		return "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n" + version + "\r\n$5\r\nproto\r\n:3\r\n"
	}
	for reply, want := range map[string]string{
		hello("8.0.6"):                      hello("7.0.6"),
		hello("9.1.2"):                      hello("7.1.2"),
		hello("10.8.9"):                     hello("07.8.9"),
		hello("255.255.255"):                hello("007.255.255"),
		hello("7.2.4"):                      hello("7.2.4"),
		hello("6.0.20"):                     hello("6.0.20"),
		hello("df-v1.30"):                   hello("df-v1.30"),
		hello(""):                           hello(""),
		"":                                  "",
		"%1\r\n$7\r\nversion\r\n":           "%1\r\n$7\r\nversion\r\n",
		"$9\r\n\r\nversion\r\n$1\r\n8.\r\n": "$9\r\n\r\nversion\r\n$1\r\n8.\r\n",
		"-ERR unknown command 'HELLO'\r\n":  "-ERR unknown command 'HELLO'\r\n",
	} {
		b := []byte(reply)
		if asVersion7(b); string(b) != want {
			t.Errorf("%q became %q, want %q", reply, b, want)
		}
	}
}
