// Package keys builds the keys of entries and the patterns that match them.
//
// A [Space] is a set of keys with a name and a schema version. It joins parts so that two
// different lists of parts never have the same key, whatever bytes they contain:
//
//	listings, err := keys.New("listing", &keys.Options{SchemaVersion: 3})
//	listings.Key("42", "photos")            // listing:v3:42:photos
//	listings.Tagged("host:7", "42")         // listing:v3:{host%3A7}:42
//	listings.All()                          // listing:v3:*
//
// The format of keys is stable, because processes of different releases share a server.
//
// A [Definition] describes the keys of one cache: its name, the types of the parts of its
// ids, its [Class] of lifetimes, and the tags of its entries. [Define1], [Define2] and
// [Define3] add one to a [Registry], which refuses definitions that could collide.
//
// [Short], [Medium], [Long] and [VeryLong] are common TTLs, and [Jitter] spreads expiry
// times.
package keys
