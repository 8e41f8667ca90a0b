package script

import (
	"github.com/lokroom/strata/store/redisstore/internal/record"
)

var confirmChecks = []check{
	{"confirm", checkConfirm},
	{"confirm/ends", checkConfirmEnds},
	{"confirm/lease", checkConfirmLease},
	{"confirm/whole", checkConfirmWhole},
	{"confirm/full", checkConfirmFull},
}

// timed is a value that tells when it was loaded.
func timed(payload string) record.Record {
	r := text(payload)
	r.LoadedAt, r.Took, r.Tags = 1_700_000_000_123, 77, []string{"t", "city:paris"}
	return r
}

// confirmed returns the arguments of a confirm of r with a new id and LoadedAt.
func confirmed(r record.Record, id string, hard int64, keep uint32, endless int, loadedAt uint64) []any {
	var keeps [8]byte
	record.PutUint64(keeps[:], uint64(keep))
	return []any{
		record.Bytes8(r.ID), id, hard, string(keeps[4:]), endless, record.Bytes8(uint64(r.LoadedAt)), record.Bytes8(loadedAt),
		record.SumChange(uint64(r.LoadedAt), loadedAt, len(r.Payload)), len(value(r)),
	}
}

func checkConfirm(l *lab) {
	long := make([]byte, 3*len(record.Zeros)+5)
	for _, payload := range []string{"v", "", string(long)} {
		l.next()
		r := timed(payload)
		args := confirmed(r, a8, 2*hour, minute, 0, 1_800_000_000_000)
		l.run("confirm", args...).is("nothing there", 0)
		l.gone("refused")
		l.run("lease", a8, minute, none).is("lease", 1, minute, "", "")
		l.run("confirm", args...).is("a lease", 0)
		l.run("set", value(r), hour, "").is("set", 1, hour, 0)
		l.run("confirm", args...).is("it", 1, 2*hour, 0)
		v := l.valued("confirmed", payload, about(2*hour)) // its sum and its end are looked at, too
		l.is("the id", v.id(), a8)
		l.is("the stale part", v.keep(), minute)
		var got record.Record
		if l.err == nil {
			l.err = record.Parse([]byte(v.raw), &got)
		}
		l.is("LoadedAt", int64(got.LoadedAt), 1_800_000_000_000)
		l.is("what else there is", show([]any{int(got.Took), got.Tags}), show([]any{77, r.Tags}))
		l.run("confirm", args...).is("the old id", 0)
		l.is("the id then", l.view().id(), a8)
	}
}

func checkConfirmEnds(l *lab) {
	r := timed("v")
	l.run("set", value(r), hour, "").is("set", 1, hour, 0)
	l.run("confirm", confirmed(r, a8, 0, 0, 0, 5)...).is("without end", 1, 0, 0)
	l.valued("without end", "v", -1)
	r.ID, r.LoadedAt = record.Uint64([]byte(a8)), 5
	l.run("confirm", confirmed(r, b8, hour, minute, 1, 6)...).is("with a soft end", 1, hour, 0)
	l.is("the flag", l.valued("it", "v", about(hour)).flags()&record.FlagEndless, record.FlagEndless)
	r.ID, r.LoadedAt = record.Uint64([]byte(b8)), 6
	l.run("confirm", confirmed(r, c8, minute, 0, 0, 7)...).is("with an end, earlier", 1, minute, 0)
	l.is("the flag", l.valued("it", "v", about(minute)).flags()&record.FlagEndless, 0)
}

// The lease of a stale value ends: what it is for is there.
func checkConfirmLease(l *lab) {
	r := timed("v")
	l.run("set", value(r), hour, "").is("set", 1, hour, 0)
	l.run("lease", a8, minute, id8("v")).is("lease", 1, minute, id8("v"), "")
	l.run("confirm", confirmed(r, b8, hour, 0, 0, 5)...).is("confirm", 1, hour, 0)
	l.is("the token", l.view().token(), none)
	l.run("fill", "T", a8, plain("w"), hour).is("the lease then", 0)
}

// What cannot be done so is left as it is.
func checkConfirmWhole(l *lab) {
	stays := func(what string, r record.Record, args []any) {
		before := l.peek().raw
		l.run("confirm", args...).is(what, 2)
		l.is(what+": the record", l.peek().raw, before)
	}
	r := timed("v")
	l.run("set", value(r), hour, "").is("set", 1, hour, 0)
	other := timed("v")
	other.Payload = []byte("longer")
	stays("another size", r, confirmed(other, a8, hour, 0, 0, 5))
	other = timed("v")
	other.LoadedAt++
	stays("another LoadedAt", r, confirmed(other, a8, hour, 0, 0, 5))

	l.next()
	r = text("v")
	l.run("set", value(r), hour, "").is("set", 1, hour, 0)
	stays("no LoadedAt", r, confirmed(r, a8, hour, 0, 0, 5))

	l.next()
	r = text(record.Bytes8(4) + "v") // looks as if it had one
	l.run("set", value(r), hour, "").is("set", 1, hour, 0)
	stays("no LoadedAt", r, confirmed(record.Record{ID: r.ID, LoadedAt: 4, Payload: []byte("v")}, a8, hour, 0, 0, 5))

	r = timed("v")
	r.Version = 5
	for _, ms := range []int64{0, 2 * minute} {
		l.next()
		l.run("delete", minute, record.Bytes8(5)).is("delete", 0)
		l.run("set", value(r), hour, "").is("set", 1, hour, 0)
		l.pass(ms)
		stays("under a hold", r, confirmed(r, a8, 2*hour, 0, 0, 5))
	}
}

func checkConfirmFull(l *lab) {
	r := timed("v")
	l.run("set", value(r), hour, "").is("set", 1, hour, 0)
	l.whenFull(func() { l.run("confirm", confirmed(r, a8, 2*hour, 0, 0, 5)...).is("full", 2) })
	l.is("the id", l.valued("it stands", "v", about(hour)).id(), id8("v"))
}
