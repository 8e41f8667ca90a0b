// Package ownbackend is an example of a custom backend: a store that keeps each entry in a
// file. docs/own-backend.md explains it.
package ownbackend

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/lokroom/strata/codec"
	"github.com/lokroom/strata/store"
)

// A Dir is a store of files in a directory, which must exist and have no other
// use. The files outlive the process.
type Dir[T any] struct {
	Path string
	mu   sync.RWMutex
}

// file returns where the entry under key is. Any bytes are a key, but no file name.
func (d *Dir[T]) file(key string) string {
	return filepath.Join(d.Path, fmt.Sprintf("%x", sha256.Sum256([]byte(key))))
}

// Get implements [store.Store].
func (d *Dir[T]) Get(_ context.Context, key string) (e store.Entry[T], err error) {
	d.mu.RLock()
	b, err := os.ReadFile(d.file(key))
	d.mu.RUnlock()
	if errors.Is(err, fs.ErrNotExist) {
		return e, store.ErrNotFound
	} else if err != nil {
		return e, &store.Error{Store: "dir", Op: "get", Key: key, Err: err}
	}
	e, err = codec.Msgpack[store.Entry[T]]().Decode(b)
	if err != nil || e.Expired(store.Now()) { // what cannot be read is a miss, too
		return store.Entry[T]{}, store.ErrNotFound
	}
	return e, e.MissError()
}

// Set implements [store.Store].
func (d *Dir[T]) Set(ctx context.Context, key string, e store.Entry[T]) error {
	if e.Expired(store.Now()) {
		return d.Delete(ctx, key)
	}
	e.Version, e.Size = 0, 0 // those of the store that it comes from
	b, err := codec.Msgpack[store.Entry[T]]().Append(nil, e)
	if err == nil {
		d.mu.Lock()
		err = os.WriteFile(d.file(key), b, 0o600)
		d.mu.Unlock()
	}
	if err != nil {
		return &store.Error{Store: "dir", Op: "set", Key: key, Err: err}
	}
	return nil
}

// Delete implements [store.Store].
func (d *Dir[T]) Delete(_ context.Context, keys ...string) (err error) {
	for _, key := range keys {
		d.mu.Lock()
		e := os.Remove(d.file(key))
		d.mu.Unlock()
		if e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, &store.Error{Store: "dir", Op: "delete", Key: key, Err: e})
		}
	}
	return err
}
