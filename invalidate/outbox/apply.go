package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lokroom/strata/invalidate"
	"github.com/lokroom/strata/store"
)

// apply applies rows and deletes them, or makes them due again.
func (o *Outbox) apply(ctx context.Context, rows []*row) error {
	var good []*row
	var all invalidate.Targets
	for _, r := range rows {
		if err := o.explain(r); err != nil {
			if err := o.fail(ctx, r, err); err != nil {
				return err
			}
			continue
		}
		good, all = append(good, r), append(all, r.targets...)
	}
	if len(good) == 0 {
		return nil
	}
	err := o.publish(ctx, all)
	switch {
	case err == nil:
		return o.finish(ctx, good)
	case transient(err) || ctx.Err() != nil:
		return errors.Join(err, o.putBack(ctx, good))
	}
	// One of them is refused: find out which.
	for _, r := range good {
		switch err := o.publish(ctx, r.targets); {
		case err == nil:
			err = o.finish(ctx, []*row{r})
			if err != nil {
				return err
			}
		case transient(err):
			return errors.Join(err, o.putBack(ctx, []*row{r}))
		default:
			if err := o.fail(ctx, r, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// explain sets the targets of r.
func (o *Outbox) explain(r *row) error {
	event, err := o.bus.Rules().Decode(r.kind, []byte(r.payload))
	if err != nil {
		return err
	}
	r.targets, err = o.bus.Rules().Explain(event)
	return err
}

func (o *Outbox) publish(ctx context.Context, ts invalidate.Targets) error {
	ctx, cancel := context.WithTimeout(ctx, o.opts.Timeout)
	defer cancel()
	return o.bus.Apply(ctx, ts)
}

// transient reports whether err says nothing about the row.
func transient(err error) bool {
	for _, t := range []error{store.ErrUnavailable, store.ErrReplicas, store.ErrClosed, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// finish deletes applied rows.
func (o *Outbox) finish(ctx context.Context, rows []*row) error {
	var oldest int64
	for _, r := range rows {
		oldest = max(oldest, r.age)
	}
	o.applied.Add(uint64(len(rows)))
	o.lag.Store(int64(time.Duration(oldest) * time.Millisecond))
	ids := idsOf(rows)
	return o.exec(ctx, o.dialect.remove(len(ids)), ids...)
}

// putBack makes rows due after a second, without counting the try.
func (o *Outbox) putBack(ctx context.Context, rows []*row) error {
	ctx = context.WithoutCancel(ctx)
	return o.exec(ctx, o.dialect.extend(len(rows)), append([]any{time.Second.Milliseconds(), -1}, idsOf(rows)...)...)
}

// fail makes r due again because of err. After MaxTries it clears the caches that r may
// affect and moves r aside.
func (o *Outbox) fail(ctx context.Context, r *row, err error) error {
	o.failed.Add(1)
	if r.tries < o.opts.MaxTries {
		o.opts.Logger.Warn("outbox: cannot apply a row; it is tried again", "id", r.id, "kind", r.kind, "try", r.tries, "error", err)
		wait := min(time.Second<<min(r.tries-1, 6), time.Minute)
		return o.exec(ctx, o.dialect.extend(1), wait.Milliseconds(), 0, r.id)
	}
	o.opts.Logger.Error("outbox: cannot apply a row; its caches are cleared, and it is moved to "+stuckTable,
		"id", r.id, "kind", r.kind, "tries", r.tries, "error", err)
	if cerr := o.publish(ctx, o.bus.Fallback(r.kind)); cerr != nil {
		return errors.Join(fmt.Errorf("outbox: clear the caches of a row that cannot be applied: %w", cerr), o.putBack(ctx, []*row{r}))
	}
	if err := o.exec(ctx, o.dialect.setAside(), reason(err), r.id); err != nil {
		return err
	}
	o.aside.Add(1)
	return o.exec(ctx, o.dialect.remove(1), r.id)
}
