package strata

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lokroom/strata/internal/oneline"
)

// checkIdle returns an error that names the options that have no effect without another
// one, and that one. loads says whether there is a loader.
func (o *Options[K, V]) checkIdle(loads bool) error {
	var errs []error
	idle := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New(text))
		}
	}
	idle(o.StaleWhileRevalidate && o.StaleFor <= 0 && o.OverrideOf == nil, "StaleWhileRevalidate requires StaleFor: without it no value outlives its TTL")
	idle(o.RevalidateFor != 0 && !o.StaleWhileRevalidate, "RevalidateFor requires StaleWhileRevalidate, which it bounds")
	idle(o.SoftTimeout > 0 && o.StaleFor <= 0 && o.OverrideOf == nil && o.MaxLoads <= 0 && o.LoadBudget == nil,
		"SoftTimeout requires StaleFor, MaxLoads or LoadBudget: there is no stale value to return and no wait to bound")
	idle(o.RefreshAhead > 0 && !loads, "RefreshAhead requires a loader")
	idle(o.RefreshBeta > 0 && !loads, "RefreshBeta requires a loader")
	idle(o.RefreshEvery > 0 && !loads, "RefreshEvery requires a loader")
	idle(o.RefreshEvery > 0 && o.TTL <= o.RefreshEvery, "RefreshEvery requires a longer TTL: values expire before they are refreshed")
	idle(o.RefreshFor != 0 && o.RefreshEvery <= 0, "RefreshFor requires RefreshEvery, which it bounds")
	idle(o.SourceFirst && !loads, "SourceFirst requires a loader")
	idle(o.SourceFirst && (o.SoftTimeout > 0 || o.StaleWhileRevalidate || o.RefreshAhead > 0 || o.RefreshBeta > 0 || o.RefreshEvery > 0),
		"SourceFirst excludes SoftTimeout, StaleWhileRevalidate, RefreshAhead, RefreshBeta and RefreshEvery: each read calls the loader")
	idle(o.IdleTTL > 0 && o.TTL <= o.IdleTTL, "IdleTTL requires a longer TTL, the hard end of a value")
	idle(o.IdleTTL > 0 && (o.LoadEntry != nil || o.LoadEntries != nil), "IdleTTL excludes LoadEntry and LoadEntries: use TTLOf for the hard end of single values")
	idle(o.BatchSize != 0 && o.BatchWindow == 0, "BatchSize requires BatchWindow")
	for name, set := range map[string]bool{"KeepHot": o.KeepHot > 0, "KeepInL1": o.KeepInL1 != nil} {
		if set && idFunc[K]() == nil {
			errs = append(errs, fmt.Errorf("%s requires ids that can be read from their keys: %v has MarshalText but not UnmarshalText", name, reflect.TypeFor[K]()))
		}
	}
	for name, d := range map[string]time.Duration{"MaxTTL": o.MaxTTL, "IdleTTL": o.IdleTTL, "RefreshEvery": o.RefreshEvery, "RefreshFor": o.RefreshFor} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s %v is negative", name, d))
		}
	}
	return oneline.Join(errs...)
}
