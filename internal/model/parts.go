package model

// What the models have in common.

// kind is what the key holds in Redis.
type kind uint8

const (
	absent kind = iota
	lease       // of a load under way
	value
)

// A record is what the key holds in Redis. Versions of the value are numbered in
// the order of their commits: the database begins with version 0.
type record struct {
	kind kind
	id   uint8 // the token of the lease, or the unique id of the value
	ver  uint8
}

// A budget is how often something may still happen in a run.
type budget uint8

// unlimited is a budget that is never used up. Such a run stays finite because
// what can no longer matter is dropped from its states.
const unlimited budget = 255

func (b *budget) spend() {
	if *b != unlimited {
		*b--
	}
}

// firstFixedName is the first of the names that renaming leaves alone.
const firstFixedName = 100

// Names replaces names by the numbers 1, 2, 3 in order of their appearance.
// Tokens, ids and nonces are only compared for being equal: states that differ
// by nothing but such names have equal futures and are made one state. The zero
// name stays zero: it is no name.
type names struct {
	to   [256]uint8
	last uint8
}

func (n *names) rename(name *uint8) {
	if *name == 0 || *name >= firstFixedName {
		return
	}
	if n.to[*name] == 0 {
		n.last++
		n.to[*name] = n.last
	}
	*name = n.to[*name]
}
