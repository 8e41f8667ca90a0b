package store

// A Rewinder is a Store that notices when its backend may have gone back in time: a
// replica that had not got the last writes took over, or a server was started again
// from an old file. What was confirmed in the moments before is then undone, perhaps:
// an entry that was removed, or replaced, may be back.
type Rewinder interface {
	// Rewound calls fn each time that it is noticed, also where nothing was lost
	// in the end. It is called before watchers are told All because of it and,
	// where connections were lost, before anything is read over a new one: who
	// is called can keep himself from reading what he has changed. fn is not
	// called after stop has returned. It must return quickly and must neither
	// block nor call the store.
	Rewound(fn func()) (stop func())
}
