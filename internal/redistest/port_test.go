package redistest

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// A server that finds its port taken by another is not taken for that one.
func TestServer_portTaken(t *testing.T) {
	first, late := Start(t, nil), &Server{dir: t.TempDir()}
	late.binary, late.port = late.dir+"/late", first.port
	if err := os.WriteFile(late.binary, []byte("#!/bin/sh\nsleep 0.3\nexec "+first.binary+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(late.file("conf"), fmt.Appendf(nil, "bind 127.0.0.1\nport %d\ndir %s\n", late.port, late.dir), 0o600); err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if err := late.Restart(); !errors.Is(err, errPortTaken) {
		t.Errorf("error %v, want that the port is taken", err)
	}
}
