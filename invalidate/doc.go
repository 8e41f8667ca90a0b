// Package invalidate turns changes of the source, such as "listing 42 has moved to Paris",
// into invalidations of everything in the caches that depends on them.
//
// [Rules] say for each type of event which ids, tags and caches it affects. A [Bus] applies
// them when the program calls [Bus.Publish] after a change. Package outbox, below this one,
// records events in the transaction that makes the change, so that a crash loses none.
//
//	rules := invalidate.NewRules()
//	invalidate.On(rules, func(e ListingChanged) invalidate.Targets {
//		return invalidate.Targets{
//			invalidate.IDs(listing, e.ID).Because("its page"),
//			invalidate.Tags(inCity.Of(e.City)),
//			invalidate.All(search),
//		}
//	})
//	bus, err := invalidate.NewBus(rules, backend, nil)
//	err = bus.Publish(ctx, ListingChanged{ID: 42, City: "paris"})
//
// Caches are named by their keys.Definition or by themselves. Invalidations may be applied
// more than once and in any order.
package invalidate
