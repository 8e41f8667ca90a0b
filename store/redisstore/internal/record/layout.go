package record

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The record, in big endian:
//
//	 0  1  type: 'V' a value, 'N' none (a lease, a hold or a back-off; or with
//	       flagUnstorable a lease that is everybody's; its id is the token)
//	 1  1  format: 1
//	 2  1  flags
//	 3  1  codec
//	 4  8  id, different for each value ever written
//	12 40  lease and hold: token, until; until, token, floor. Only scripts write them
//	52  4  keepMs: fresh for the TTL of the key less this, then stale; with
//	       flagProvisional over, the key lasts as long as the hold it bears
//	56  4  end of the key by the clock of the server, in seconds: 0 is not known,
//	       all ones none. What is written without a script does not know it
//	60  8  stamp: a reading of the clock of the tags from before the load
//	68  8  version given by the source, with flagVersioned; else zero
//	76  2  end of the key: the milliseconds
//	78  2  how long the load took, in milliseconds, rounded up; all ones: so long or
//	       longer; zero: not known
//	80  4  CRC-32C of what follows
//	84  2  length of the tags
//	86  2  length of the extension
//	88     tags, each as a length of 2 bytes and its bytes
//	       extension: nothing, or LoadedAt in 8 bytes
//	       payload
const (
	HeaderSize = 88
	format     = 1

	OffID    = 4
	OffKeep  = 52
	OffEnd   = 56
	OffEndMs = 76
	offTook  = 78
	OffStamp = 60
	OffDB    = 68
	offSum   = 80
	OffTags  = 84
	offExt   = 86
	ExtSize  = 8
)

// The flags of a record.
const (
	FlagAbsent      = 1
	flagTagged      = 4
	FlagProvisional = 8 // written under a hold, with which it ends at the latest
	FlagVersioned   = 16
	FlagEndless     = 32 // no hard expiry: that of the key is there for the soft one
	flagUnstorable  = 64 // what was loaded could not be stored; no flag of a value
	flagsKnown      = FlagAbsent | flagTagged | FlagProvisional | FlagVersioned | FlagEndless
)

// A field is a part of the header of a record.
type field struct{ offset, size int }

// header is the layout that scripts are given by [Lua]. The fields that only scripts write
// have their offsets here alone.
var header = map[string]field{
	"type":       {0, 1},
	"format":     {1, 1},
	"flags":      {2, 1},
	"codec":      {3, 1},
	"id":         {OffID, 8},
	"lease":      {12, 8},
	"leaseUntil": {20, 8},
	"hold":       {28, 24}, // the next three
	"holdUntil":  {28, 8},
	"holdToken":  {36, 8},
	"floor":      {44, 8},
	"keep":       {OffKeep, 4},
	"end":        {OffEnd, 4},
	"stamp":      {OffStamp, 8},
	"version":    {OffDB, 8},
	"endMs":      {OffEndMs, 2},
	"took":       {offTook, 2},
	"sum":        {offSum, 4},
	"tags":       {OffTags, 2},
	"ext":        {offExt, 2},
	"size":       {HeaderSize, 0}, // what follows the header
}

var flags = map[string]int{
	"absent": FlagAbsent, "tagged": flagTagged, "provisional": FlagProvisional,
	"versioned": FlagVersioned, "endless": FlagEndless, "unstorable": flagUnstorable,
}

var placeholder = regexp.MustCompile(`\$([a-zA-Z]+(?:\.[a-zA-Z]+)*)`)

// Lua returns a script with the layout of the record in the places of its placeholders:
//
//	$id              5,12, the arguments of string.sub that cut the field out
//	$id.pos          5, where it begins for string.byte and struct.unpack
//	$id.at           4, where it begins for GETRANGE and SETRANGE
//	$floor.in.hold   17,24, as $floor in a string that is the field hold
//	$from.id.to.keep the bytes from the beginning of one field to that of another
//	$flag.endless    a flag
//	$format, $extSize, $size, $last   the format, the size of the extension, of the
//	                 header, and the offset of the last byte of the header
//
// It panics if it does not know one.
func Lua(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		s, err := layoutOf(strings.Split(p[1:], "."))
		if err != nil {
			panic(fmt.Sprintf("record: %v in a script: %s", err, p))
		}
		return s
	})
}

func layoutOf(words []string) (string, error) {
	switch strings.Join(words, ".") {
	case "format":
		return strconv.Itoa(format), nil
	case "extSize":
		return strconv.Itoa(ExtSize), nil
	case "size":
		return strconv.Itoa(HeaderSize), nil
	case "last":
		return strconv.Itoa(HeaderSize - 1), nil
	}
	if n, ok := flags[words[len(words)-1]]; ok && len(words) == 2 && words[0] == "flag" {
		return strconv.Itoa(n), nil
	}
	if len(words) == 4 && words[0] == "from" && words[2] == "to" {
		return strconv.Itoa(header[words[3]].offset - header[words[1]].offset), known(words[1], words[3])
	}
	f, start := header[words[0]], 0
	switch {
	case len(words) == 1:
	case len(words) == 2 && words[1] == "pos":
		return strconv.Itoa(f.offset + 1), known(words[0])
	case len(words) == 2 && words[1] == "at":
		return strconv.Itoa(f.offset), known(words[0])
	case len(words) == 3 && words[1] == "in":
		start = header[words[2]].offset
		if err := known(words[2]); err != nil {
			return "", err
		}
	default:
		return "", errors.New("an unknown placeholder")
	}
	return fmt.Sprintf("%d,%d", f.offset-start+1, f.offset-start+f.size), known(words[0])
}

func known(fields ...string) error {
	for _, name := range fields {
		if _, ok := header[name]; !ok {
			return fmt.Errorf("an unknown field %q", name)
		}
	}
	return nil
}
