package redistest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
)

// DropPushes makes the proxy drop the pushes of RESP3 and pass everything else, like a
// proxy that only knows requests and replies. With false they pass again. It does not
// affect connections made before the first call.
func (p *Proxy) DropPushes(on bool) {
	p.filters.Store(true)
	p.drops.Store(on)
}

// DropPushes is [Proxy.DropPushes] for all links, including later ones.
func (n *Network) DropPushes(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drops = &on
	for _, p := range n.links {
		p.DropPushes(on)
	}
}

// A pushFilter reads the output of a server, and removes pushes while drops is set.
type pushFilter struct {
	r     *bufio.Reader
	drops *atomic.Bool
	rest  []byte // of a frame
}

func (f *pushFilter) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		frame, err := readFrame(f.r, nil)
		if err != nil {
			return 0, err
		}
		if frame[0] != '>' || !f.drops.Load() {
			f.rest = frame
		}
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// readFrame appends a RESP3 value to dst unchanged.
func readFrame(r *bufio.Reader, dst []byte) ([]byte, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	dst = append(dst, line...)
	n := 0 // number of values that follow
	switch size, _ := strconv.Atoi(strings.TrimSpace(line[1:])); line[0] {
	case '$', '!', '=':
		if size >= 0 {
			at := len(dst)
			dst = append(dst, make([]byte, size+2)...)
			if _, err := io.ReadFull(r, dst[at:]); err != nil {
				return nil, err
			}
		}
	case '*', '~', '>':
		n = size
	case '%':
		n = 2 * size
	case '|': // precedes a value
		n = 2*size + 1
	case '+', '-', ':', '_', ',', '#', '(':
	default:
		return nil, fmt.Errorf("redistest: no RESP: %q", line)
	}
	for range max(n, 0) {
		if dst, err = readFrame(r, dst); err != nil {
			return nil, err
		}
	}
	return dst, nil
}
