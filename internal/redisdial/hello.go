package redisdial

import (
	"bytes"
	"strconv"
)

// asVersion7 changes the reply to HELLO of a later server, so that it says version 7. rueidis
// asks later ones for CLUSTER SHARDS and all others for CLUSTER SLOTS. While a lost primary is
// not yet noticed but its replica has taken over, CLUSTER SHARDS of Redis 8 names no slots of
// the two, or both as their primary, so that nothing leads to them for seconds. CLUSTER SLOTS
// is right at once, and is what the heartbeat goes by.
func asVersion7(reply []byte) {
	if len(reply) == 0 || reply[0] != '%' { // the first reply of a connection; without RESP3 rueidis reads no version
		return
	}
	_, rest, _ := bytes.Cut(reply, []byte("\r\nversion\r\n$"))
	_, version, _ := bytes.Cut(rest, []byte("\r\n"))
	major, _, _ := bytes.Cut(version, []byte("."))
	if n, err := strconv.Atoi(string(major)); err != nil || n <= 7 {
		return
	}
	last := len(major) - 1
	for i := range last {
		major[i] = '0'
	}
	major[last] = '7'
}
