package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A register is the source of truth: the versions of all keys, in memory that the processes
// share. A version is committed when the call that wrote it has returned: from then on, a read
// that returns an older one is stale.
type register struct {
	words []atomic.Uint64
	file  *os.File
}

const (
	keys  = 1000
	depth = 4096 // versions of a key whose times are known

	perKey = 2 + depth // source, committed, times
)

// openRegister opens a register in a file, and creates it if it is empty.
func openRegister(name string) (*register, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	const size = keys * perKey * 8
	if err := file.Truncate(size); err != nil {
		return nil, err
	}
	b, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap of %s: %w", name, err)
	}
	return &register{unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(b))), keys*perKey), file}, nil
}

func (r *register) close() error { return r.file.Close() }

// source is the row in the database: the version that a load returns.
func (r *register) source(key int) *atomic.Uint64 { return &r.words[key*perKey] }

// committed returns the newest version whose write has returned.
func (r *register) committed(key int) uint64 { return r.words[key*perKey+1].Load() }

// commit records that the write of a version has returned. A key has one writer.
func (r *register) commit(key int, version uint64, now time.Time) {
	r.words[key*perKey+2+int(version%depth)].Store(uint64(now.UnixNano()))
	r.words[key*perKey+1].Store(version)
}

// staleness returns how long before a moment the version after one was committed, or, if that
// was thousands of versions ago, the oldest known after it.
func (r *register) staleness(key int, version uint64, now time.Time) time.Duration {
	next := version + 1
	if newest := r.committed(key); newest-next >= depth-1 {
		next = newest - depth + 2
	}
	return now.Sub(time.Unix(0, int64(r.words[key*perKey+2+int(next%depth)].Load())))
}
