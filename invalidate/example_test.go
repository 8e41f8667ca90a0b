package invalidate_test

import (
	"context"
	"fmt"

	"github.com/lokroom/strata/invalidate"
)

func ExampleBus() {
	// A program passes its *strata.Backend; this one prints what it is asked to do.
	var backend recorder
	bus, err := invalidate.NewBus(marketRules(), &backend, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// After the review was committed:
	err = bus.Publish(context.Background(), ReviewChanged{Listing: 42, User: 7})
	fmt.Println(backend.take(), err)
	// Output: delete map[review-stats:[42] reviews:[42] reviews-by-user:[7]] <nil>
}
