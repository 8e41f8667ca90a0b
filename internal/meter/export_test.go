package meter

import "slices"

// Clone returns a copy.
func (l *Log) Clone() *Log {
	if l == nil {
		return nil
	}
	return &Log{marks: slices.Clone(l.marks), head: l.head, total: l.total}
}
