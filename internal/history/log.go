package history

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Log is the file to which a process writes its operations, one per line. All methods are
// safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	line []byte
	err  error // the first
}

// Create opens a new Log, or appends to an existing one.
func Create(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &Log{file: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

// Add writes an operation. Close returns the error if that fails. Keys must not contain
// spaces.
func (l *Log) Add(o Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := append(l.line[:0], byte(o.Kind), byte(o.Tier), flags(o), ' ')
	b = append(append(b, o.Key...), ' ')
	for _, n := range []int64{int64(o.Process), int64(o.Goroutine), int64(o.Call), int64(o.Return), o.Version, o.After} {
		b = append(strconv.AppendInt(b, n, 10), ' ')
	}
	b = append(strconv.AppendQuote(b, o.Err), '\n')
	l.line = b
	if _, err := l.w.Write(b); err != nil && l.err == nil {
		l.err = err
	}
}

// flags returns the flag of o. A Get is never Held, and only a Get is Stale.
func flags(o Op) byte {
	switch {
	case o.Stale:
		return '!'
	case o.Held:
		return 'h'
	}
	return '.'
}

// Close flushes and closes the file, and returns the first error.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.w.Flush(); err != nil && l.err == nil {
		l.err = err
	}
	if err := l.file.Close(); err != nil && l.err == nil {
		l.err = err
	}
	return l.err
}

// Read reads the operations in a file. killed means that the process was killed: its last
// line may be incomplete, and is then skipped.
func Read(path string, killed bool) ([]Op, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var ops []Op
	for n := 1; len(b) > 0; n++ {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		o, err := parse(string(line))
		switch {
		case killed && !whole:
			return ops, nil
		case err != nil:
			return nil, fmt.Errorf("history: %s:%d: %w", path, n, err)
		}
		ops, b = append(ops, o), rest
	}
	return ops, nil
}

func parse(line string) (o Op, err error) {
	f := strings.SplitN(line, " ", 9)
	if len(f) != 9 || len(f[0]) != 3 {
		return o, fmt.Errorf("%q is no operation", line)
	}
	var n [6]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(f[2+i], 10, 64); err != nil {
			return o, err
		}
	}
	o = Op{
		Kind: Kind(f[0][0]), Tier: Tier(f[0][1]), Stale: f[0][2] == '!', Held: f[0][2] == 'h', Key: f[1],
		Process: int(n[0]), Goroutine: int(n[1]), Call: time.Duration(n[2]), Return: time.Duration(n[3]), Version: n[4], After: n[5],
	}
	o.Err, err = strconv.Unquote(f[8])
	return o, err
}
