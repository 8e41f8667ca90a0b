// Package keys makes the strings that entries are stored under, and the patterns
// that find them again.
//
// A [Space] is a family of keys with a name and a version. It joins parts in a
// way that no two lists of parts give the same key, whatever bytes are in them:
//
//	listings, err := keys.New("listing", &keys.Options{Version: 3})
//	listings.Key("42", "photos")            // listing:v3:42:photos
//	listings.Tagged("host:7", "42")         // listing:v3:{host%3A7}:42
//	listings.All()                          // listing:v3:*
//
// The form of the keys is a wire format: processes of different releases share
// a server. It will not change.
//
// [Short], [Medium], [Long] and [VeryLong] are the usual lives of entries,
// [Jitter] spreads them.
package keys
