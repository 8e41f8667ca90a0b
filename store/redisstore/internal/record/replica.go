package record

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/lokroom/strata/internal/mutant"
)

// Beginning is how many bytes of a record a primary sends if replicas have the rest. They fit
// into one packet, so a shorter record costs the primary no more than its header would.
const Beginning = 1024

// IsBeginning reports whether b, the first Beginning bytes of what is under a key, is the
// beginning of a value that has more.
func IsBeginning(b []byte) bool { return len(b) == Beginning && KindOf(b) == KindValue }

// Complete makes b, what a replica has under the key, the record of the primary that begins
// with head, and reports whether it can. It cannot if the replica has another value: b must
// have the same id, and the checksum and the lengths that head says. All else of the header
// is that of head.
func Complete(head, b []byte) bool {
	if mutant.AnyReplica.Load() {
		return len(b) > 0
	}
	if len(head) < HeaderSize || len(b) < HeaderSize || !bytes.Equal(head[OffID:OffID+8], b[OffID:OffID+8]) ||
		!bytes.Equal(head[offSum:HeaderSize], b[offSum:HeaderSize]) {
		return false
	}
	if binary.BigEndian.Uint32(head[offSum:]) != crc32.Checksum(b[OffTags:], castagnoli) {
		return false
	}
	copy(b, head[:HeaderSize])
	return true
}
