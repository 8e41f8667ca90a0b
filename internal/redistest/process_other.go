//go:build !linux

package redistest

import "syscall"

// dieWithParent has no equivalent here: a crashed test binary leaves its servers running.
func dieWithParent() *syscall.SysProcAttr { return nil }
