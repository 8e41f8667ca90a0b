package script

import (
	"context"
	"errors"
	"fmt"

	"github.com/lokroom/strata/store/redisstore/internal/record"
	"github.com/redis/rueidis"
)

// viewScript tells the time, the life of the key and what is under it, as they are
// at one moment.
var viewScript = New(`
local t=redis.call('TIME')
local v=redis.pcall('GET',KEYS[1])
if type(v)=='table' then v='another type' end
return {t[1]*1000+math.floor(t[2]/1000),redis.call('PTTL',KEYS[1]),v}`)

// passScript makes the record older, as if time had passed for it alone: so no
// test waits for something to run out.
var passScript = New(`
local k,ms=KEYS[1],tonumber(ARGV[1])
local left=redis.call('PTTL',k)
if left>=0 and left<=ms then return redis.call('DEL',k) end
local h=redis.pcall('GETRANGE',k,0,87)
if type(h)~='string' or #h<88 then return 0 end
for _,at in ipairs{21,29} do
  local t=struct.unpack('>I8',h,at)
  if t>0 then redis.call('SETRANGE',k,at-1,struct.pack('>I8',math.max(1,t-ms))) end
end
local s=struct.unpack('>I4',h,57)
if s>0 and s<4294967295 then
  local t=s*1000+struct.unpack('>I2',h,77)-ms
  redis.call('SETRANGE',k,56,struct.pack('>I4',math.floor(t/1000)))
  redis.call('SETRANGE',k,76,struct.pack('>I2',t%1000))
end
if left>=0 then redis.call('PEXPIRE',k,left-ms) end
return 1`)

// pass lets ms pass for the key. With less than 0 the clock of the server was set back.
func (l *lab) pass(ms int64) {
	if l.err == nil {
		l.err = passScript.Run(context.Background(), l.w, l.key, Decimal(ms)).Error()
	}
}

// A view is what is under a key at a moment.
type recordState struct {
	now  int64 // by the clock of the server
	left int64 // PTTL
	raw  string
}

// view looks at the key, and fails the check if what is there is no proper record.
func (l *lab) view() recordState {
	if l.err != nil {
		return recordState{}
	}
	v, err := seen(viewScript.Run(context.Background(), l.w, l.key))
	if err == nil {
		err = v.wrong()
	}
	if err != nil {
		l.failf("%w", err)
		return recordState{}
	}
	return v
}

// seen reads the answer of viewScript.
func seen(r rueidis.RedisResult) (v recordState, err error) {
	list, err := r.ToArray()
	if err != nil {
		return v, err
	}
	if v.now, err = list[0].AsInt64(); err == nil {
		v.left, err = list[1].AsInt64()
	}
	if err == nil && !list[2].IsNil() {
		v.raw, err = list[2].ToString()
	}
	return v, err
}

// mostApart is how far ends may be apart that are meant to be the same, but were
// reckoned from two readings of a clock: lives of the tests differ by more.
const mostApart = 500

// wrong says what is not right about a record, whatever was done to it.
func (v recordState) wrong() error {
	switch {
	case v.raw == "":
		return nil
	case record.KindOf([]byte(v.raw)) == record.KindNone:
		if len(v.raw) < record.HeaderSize {
			return fmt.Errorf("a record of %d bytes", len(v.raw))
		}
		if v.left < 0 {
			return errors.New("a record without a value has no end")
		}
		return nil
	}
	var r record.Record
	if err := record.Parse([]byte(v.raw), &r); err != nil {
		return fmt.Errorf("%w: %q", err, v.raw)
	}
	switch {
	case v.left == -1 && r.EndMs != -1:
		return fmt.Errorf("the key has no end, its record says %d", r.EndMs)
	case v.left >= 0 && v.now+v.left >= record.EndNone*1000:
		return nil // it cannot tell
	case v.left >= 0 && max(r.EndMs-v.now-v.left, v.now+v.left-r.EndMs) > mostApart:
		return fmt.Errorf("the key ends in %d ms, its record says in %d", v.left, r.EndMs-v.now)
	}
	return nil
}

func (v recordState) isValue() bool    { return v.raw != "" && v.raw[0] == 'V' }
func (v recordState) unstorable() bool { return record.IsUnstorable([]byte(v.raw)) }
func (v recordState) flags() byte      { return v.header()[2] }
func (v recordState) id() string       { return v.header()[4:12] }
func (v recordState) token() string    { return v.header()[12:20] }
func (v recordState) leaseLeft() int64 { return v.until(20) }
func (v recordState) holdLeft() int64  { return v.until(28) }
func (v recordState) bracket() string  { return v.header()[36:44] }
func (v recordState) floor() string    { return v.header()[44:52] }
func (v recordState) keep() int64      { return int64(record.Uint32([]byte(v.header()[record.OffKeep:]))) }

// header returns that of the record, or zeros.
func (v recordState) header() string {
	if len(v.raw) < record.HeaderSize {
		return string(make([]byte, record.HeaderSize))
	}
	return v.raw[:record.HeaderSize]
}

// fresh tells whether the value is neither stale nor over.
func (v recordState) fresh() bool {
	return v.isValue() && (v.left > v.keep() || v.left < 0 && v.keep() != record.EndNone)
}

// lasts returns how long the value is there, stale or not: a provisional one is over
// before its key is.
func (v recordState) lasts() int64 {
	if v.flags()&record.FlagProvisional != 0 {
		return v.left - v.keep()
	}
	return v.left
}

// until returns the ms to a time in the record, 0 if it has none.
func (v recordState) until(at int) int64 {
	t := int64(record.Uint64([]byte(v.header()[at:])))
	if t == 0 {
		return 0
	}
	return t - v.now
}

// payload returns that of a value.
func (v recordState) payload() string {
	var r record.Record
	if !v.isValue() || record.Parse([]byte(v.raw), &r) != nil {
		return ""
	}
	return string(r.Payload)
}

// gone fails the check unless there is nothing under the key.
func (l *lab) gone(what string) {
	if v := l.view(); l.err == nil && v.raw != "" {
		l.failf("%s: %q is there", what, v.raw)
	}
}

// holding fails the check unless there is no value, but a hold, with this write intent.
func (l *lab) holding(what string, ms int64, bracket string) recordState {
	v := l.view()
	if l.err == nil && (v.raw == "" || v.isValue()) {
		l.failf("%s: %q, want a record with a hold", what, v.raw)
	}
	if l.err != nil {
		return v
	}
	l.held(what, v, ms, bracket)
	return v
}

// held fails the check unless v has this hold and lasts as long.
func (l *lab) held(what string, v recordState, ms int64, bracket string) {
	if l.err != nil {
		return
	}
	if v.raw == "" {
		l.failf("%s: there is nothing", what)
		return
	}
	l.in(what+": the hold", v.holdLeft(), about(ms))
	l.is(what+": the bracket", v.bracket(), bracket)
	if v.left >= 0 && v.left < v.holdLeft()-mostApart {
		l.failf("%s: the key ends in %d ms, its hold in %d", what, v.left, v.holdLeft())
	}
}

// valued fails the check unless this value is there.
func (l *lab) valued(what, payload string, life any) recordState {
	v := l.view()
	if l.err != nil {
		return v
	}
	l.is(what+": the value", v.payload(), payload)
	if s, ok := life.(span); ok {
		l.in(what+": the life", v.left, s)
	} else {
		l.is(what+": the life", v.left, life)
	}
	return v
}
