package clock

import "github.com/lokroom/strata/store"

// Delay makes the clock late by ms, until it reads the time again.
func (c *Coarse) Delay(ms store.Time) { c.now.Store(int64(store.Now() - ms)) }
