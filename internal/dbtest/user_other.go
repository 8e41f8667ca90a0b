//go:build !linux

package dbtest

import "syscall"

// A user runs a server.
type user struct{ uid, gid int }

// userOf returns nil: servers run as the user of the tests, which must not be root.
func userOf(...string) *user { return nil }

// attributes have no equivalent here: a crashed test binary leaves its servers running.
func attributes(*user) *syscall.SysProcAttr { return nil }
