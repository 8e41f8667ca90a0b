package fleet_test

import (
	"context"
	"time"

	"github.com/lokroom/strata/internal/redistest"
)

// Faults of the victim's network.

// hole interrupts the victim's link for longer than MaxDisconnected.
func hole(set func(*redistest.Proxy, bool)) func(context.Context, *fleet) {
	return func(ctx context.Context, f *fleet) {
		f.times(ctx, 100*time.Millisecond, 400*time.Millisecond, func() error {
			set(f.proxy, true)
			f.pause(ctx, historyMaxDisconnected/2, 2*historyMaxDisconnected)
			set(f.proxy, false)
			return nil
		})
	}
}

// often repeats do with the victim's link.
func often(do func(*redistest.Proxy)) func(context.Context, *fleet) {
	return func(ctx context.Context, f *fleet) {
		f.times(ctx, 50*time.Millisecond, 300*time.Millisecond, func() error {
			do(f.proxy)
			return nil
		})
	}
}

func slowLink(ctx context.Context, f *fleet) {
	defer f.proxy.Delay(0)
	often(func(p *redistest.Proxy) { p.Delay(time.Duration(f.rand.IntN(100)) * time.Millisecond) })(ctx, f)
}

func unevenLink(ctx context.Context, f *fleet) {
	defer f.proxy.Delay(0)
	defer f.proxy.Jitter(0)
	often(func(p *redistest.Proxy) {
		p.Delay(time.Duration(f.rand.IntN(20)) * time.Millisecond)
		p.Jitter(time.Duration(f.rand.IntN(200)) * time.Millisecond)
	})(ctx, f)
}

func narrowLink(ctx context.Context, f *fleet) {
	defer f.proxy.Throttle(0)
	often(func(p *redistest.Proxy) { p.Throttle(2_000 + f.rand.IntN(20_000)) })(ctx, f)
}
