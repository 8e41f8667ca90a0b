package record

import (
	"bytes"
	"testing"
)

// recordOf returns a record of a value of n bytes.
func recordOf(t *testing.T, id uint64, value byte, n int) []byte {
	t.Helper()
	b, err := AppendHead(nil, &Record{ID: id, Codec: 1, Tags: []string{"tag"}, LoadedAt: 7})
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, bytes.Repeat([]byte{value}, n)...)
	Seal(b)
	return b
}

// A record of a replica counts if the primary has the same one. What only scripts change is
// that of the primary.
func TestComplete(t *testing.T) {
	primary := recordOf(t, 1, 'v', 5000)
	head := bytes.Clone(primary[:Beginning])
	PutUint64(head[header["leaseUntil"].offset:], 9)
	PutUint64(head[OffKeep-4:], 9) // and the floor above it
	replica := bytes.Clone(primary)
	if !IsBeginning(head) || !Complete(head, replica) || !bytes.Equal(replica, append(bytes.Clone(head), primary[Beginning:]...)) {
		t.Error("the same value is not completed")
	}
	other := recordOf(t, 2, 'v', 5000) // of the same bytes: another one all the same
	corrupt := bytes.Clone(primary)
	corrupt[3000]++
	tagged := bytes.Clone(primary)
	tagged[OffTags]++
	for name, b := range map[string][]byte{
		"nothing": nil, "another id": other, "shorter": primary[:4000], "beginning": primary[:Beginning], "counter": []byte("17"), "longer": append(bytes.Clone(primary), 0),
		"corrupt": corrupt, "other lengths": tagged,
	} {
		before := bytes.Clone(b)
		if Complete(head, b) || !bytes.Equal(b, before) {
			t.Errorf("%s: taken for the value of the primary", name)
		}
	}
	if Complete(head[:HeaderSize-1], replica) {
		t.Error("without a header")
	}
}

// Only a value that may have more is the beginning of one.
func TestIsBeginning(t *testing.T) {
	lease := recordOf(t, 1, 'v', 5000)
	lease[0] = 'N'
	for name, b := range map[string][]byte{"nothing": nil, "small": recordOf(t, 1, 'v', 10), "no value": lease[:Beginning], "other bytes": bytes.Repeat([]byte{'7'}, Beginning)} {
		if IsBeginning(b) {
			t.Errorf("%s is one", name)
		}
	}
}
