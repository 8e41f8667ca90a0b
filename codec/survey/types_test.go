package survey

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"gorm.io/gorm"
)

// libraries are the modules of the types. The page shows their versions.
var libraries = []string{
	"github.com/google/uuid", "github.com/jackc/pgx/v5", "github.com/shopspring/decimal",
	"github.com/vmihailenco/msgpack/v5", "google.golang.org/protobuf", "gorm.io/gorm",
}

type (
	color  int // text both ways
	state  int // text one way
	weight int // no methods

	money       struct{ cents int64 }        // no methods
	amount      struct{ cents int64 }        // text both ways
	price       struct{ cents int64 }        // JSON both ways
	coin        struct{ Units, Nanos int64 } // exported fields
	page2       struct{ Next *page2 }        // refers to itself
	list[T any] struct {
		Items []T
		Total int
	}
	user struct {
		gorm.Model
		Name string
	}
	customer struct { // replaces the ID of the model
		gorm.Model
		ID string
	}
	audited struct {
		time.Time
		By string
	}
	order struct {
		ID     uuid.UUID
		Total  decimal.Decimal
		Paid   sql.NullTime
		From   netip.Addr
		Colors map[color]int
		Raw    json.RawMessage
	}
	failed struct{ Err error }
	code   struct{ n int } // an error
)

func (c code) Error() string                   { return "code" }
func (c color) MarshalText() ([]byte, error)   { return fmt.Append(nil, int(c)), nil }
func (c *color) UnmarshalText(b []byte) error  { _, err := fmt.Sscan(string(b), (*int)(c)); return err }
func (s state) MarshalText() ([]byte, error)   { return fmt.Append(nil, int(s)), nil }
func (a amount) MarshalText() ([]byte, error)  { return fmt.Append(nil, a.cents), nil }
func (a *amount) UnmarshalText(b []byte) error { _, err := fmt.Sscan(string(b), &a.cents); return err }
func (p price) MarshalJSON() ([]byte, error)   { return fmt.Append(nil, p.cents), nil }
func (p *price) UnmarshalJSON(b []byte) error  { return json.Unmarshal(b, &p.cents) }

var (
	moment = time.Date(2026, 3, 4, 5, 6, 7, 891234567, time.FixedZone("CET", 3600))
	id     = uuid.MustParse("7d444840-9dc0-11d1-b245-5ffdce74fad2")
	link   = &url.URL{Scheme: "https", Host: "example.com", Path: "/a b", RawQuery: "q=1", Fragment: "f"}
)

func rows() []row {
	var all []row
	for _, group := range [][]row{database(), postgres(), numbers(), network(), encoded(), messages(), models(), own()} {
		all = append(all, group...)
	}
	return all
}

func database() []row {
	return []row{
		plain("`sql.NullString`", sql.NullString{}, sql.NullString{String: "a", Valid: true}, sql.NullString{String: "kept"}),
		plain("`sql.NullInt64`", sql.NullInt64{}, sql.NullInt64{Int64: math.MinInt64, Valid: true}),
		plain("`sql.NullFloat64`", sql.NullFloat64{}, sql.NullFloat64{Float64: 1.0 / 3, Valid: true}),
		plain("`sql.NullBool`", sql.NullBool{}, sql.NullBool{Bool: true, Valid: true}),
		plain("`sql.NullTime`", sql.NullTime{}, sql.NullTime{Time: moment, Valid: true}),
		plain("`sql.Null[string]`", sql.Null[string]{}, sql.Null[string]{V: "a", Valid: true}),
		plain("`sql.Null[uuid.UUID]`", sql.Null[uuid.UUID]{}, sql.Null[uuid.UUID]{V: id, Valid: true}),
		plain("`sql.RawBytes`", sql.RawBytes(nil), sql.RawBytes{}, sql.RawBytes("a\xff")),
	}
}

func postgres() []row {
	numeric := func(a, b pgtype.Numeric) bool {
		x, err := a.Value()
		y, err2 := b.Value()
		return err == nil && err2 == nil && x == y && a.Exp == b.Exp
	}
	return []row{
		plain("`pgtype.Text`", pgtype.Text{}, pgtype.Text{String: "a", Valid: true}),
		plain("`pgtype.Int4`", pgtype.Int4{}, pgtype.Int4{Int32: -5, Valid: true}),
		plain("`pgtype.Int8`", pgtype.Int8{}, pgtype.Int8{Int64: math.MaxInt64, Valid: true}),
		plain("`pgtype.Float8`", pgtype.Float8{}, pgtype.Float8{Float64: 0.1, Valid: true}),
		plain("`pgtype.Bool`", pgtype.Bool{}, pgtype.Bool{Bool: true, Valid: true}),
		of("`pgtype.Numeric`", numeric, pgtype.Numeric{}, pgtype.Numeric{Int: big.NewInt(12345), Exp: -2, Valid: true}, pgtype.Numeric{NaN: true, Valid: true},
			pgtype.Numeric{InfinityModifier: pgtype.Infinity, Valid: true}, pgtype.Numeric{Int: big.NewInt(12), Exp: 3, Valid: true}, pgtype.Numeric{Int: big.NewInt(0), Valid: true}),
		plain("`pgtype.UUID`", pgtype.UUID{}, pgtype.UUID{Bytes: id, Valid: true}),
		plain("`pgtype.Timestamptz`", pgtype.Timestamptz{}, pgtype.Timestamptz{Time: moment, Valid: true}, pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}),
		plain("`pgtype.Timestamp`", pgtype.Timestamp{}, pgtype.Timestamp{Time: moment.UTC(), Valid: true}),
		plain("`pgtype.Date`", pgtype.Date{}, pgtype.Date{Time: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC), Valid: true}, pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}),
		plain("`pgtype.Time`", pgtype.Time{}, pgtype.Time{Microseconds: 5, Valid: true}),
		plain("`pgtype.Interval`", pgtype.Interval{}, pgtype.Interval{Microseconds: 5, Days: 6, Months: 7, Valid: true}),
		plain("`pgtype.Array[string]`", pgtype.Array[string]{}, pgtype.Array[string]{Elements: []string{"a"}, Dims: []pgtype.ArrayDimension{{Length: 1, LowerBound: 1}}, Valid: true}),
		plain("`pgtype.FlatArray[int32]`", nil, pgtype.FlatArray[int32]{}, pgtype.FlatArray[int32]{1, 2}),
		plain("`pgtype.Range[pgtype.Int4]`", pgtype.Range[pgtype.Int4]{}, pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Unbounded, Valid: true}),
		plain("`pgtype.Hstore`", pgtype.Hstore(nil), pgtype.Hstore{"a": nil, "b": new(string)}),
		plain("`pgtype.Bits`", pgtype.Bits{}, pgtype.Bits{Bytes: []byte{1}, Len: 3, Valid: true}),
		plain("`pgtype.Point`", pgtype.Point{}, pgtype.Point{P: pgtype.Vec2{X: 1, Y: 2}, Valid: true}),
	}
}

func numbers() []row {
	floats := func(a, b *big.Float) bool { return a.Cmp(b) == 0 && a.Prec() == b.Prec() && a.Mode() == b.Mode() }
	return []row{
		plain("`uuid.UUID`", uuid.UUID{}, id),
		plain("`uuid.NullUUID`", uuid.NullUUID{}, uuid.NullUUID{UUID: id, Valid: true}),
		of("`decimal.Decimal`", sameDecimal, decimal.Decimal{}, decimal.RequireFromString("12.340"), decimal.New(12, 3), decimal.RequireFromString("-0.1")),
		of("`decimal.NullDecimal`", func(a, b decimal.NullDecimal) bool { return a.Valid == b.Valid && sameDecimal(a.Decimal, b.Decimal) },
			decimal.NullDecimal{}, decimal.NewNullDecimal(decimal.RequireFromString("12.340"))),
		of("`*big.Int`", func(a, b *big.Int) bool { return a.Cmp(b) == 0 }, nil, new(big.Int), new(big.Int).Lsh(big.NewInt(-3), 100)),
		of("`*big.Rat`", func(a, b *big.Rat) bool { return a.Cmp(b) == 0 }, nil, new(big.Rat), big.NewRat(-1, 3)),
		of("`*big.Float`", floats, nil, new(big.Float), big.NewFloat(0.1), big.NewFloat(1.5).SetPrec(200), new(big.Float).SetMode(big.ToZero).SetPrec(53).SetFloat64(2)),
		plain("`json.Number`", json.Number("1.50"), json.Number("123456789012345678901"), json.Number("")),
		plain("`float64`", 0.1, math.Inf(1), math.SmallestNonzeroFloat64),
	}
}

func sameDecimal(a, b decimal.Decimal) bool { return a.Equal(b) && a.String() == b.String() }

func network() []row {
	return []row{
		plain("`netip.Addr`", netip.Addr{}, netip.MustParseAddr("::1%eth0"), netip.MustParseAddr("::ffff:1.2.3.4"), netip.MustParseAddr("1.2.3.4")),
		plain("`netip.AddrPort`", netip.AddrPort{}, netip.MustParseAddrPort("[::1]:80")),
		plain("`netip.Prefix`", netip.Prefix{}, netip.MustParsePrefix("10.0.0.0/8")),
		plain("`net.IP`", net.IP(nil), net.IPv4(1, 2, 3, 4), net.IP{1, 2, 3, 4}, net.ParseIP("::1")),
		plain("`net.IPNet`", net.IPNet{IP: net.IP{10, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}),
		plain("`net.HardwareAddr`", net.HardwareAddr(nil), net.HardwareAddr{1, 2, 3, 4, 5, 6}),
		plain("`*url.URL`", nil, link, &url.URL{Scheme: "https", Host: "h", User: url.UserPassword("u", "p")}, &url.URL{Path: "//a"}, &url.URL{}),
		plain("`url.Values`", url.Values(nil), url.Values{"a": {"1", ""}}),
	}
}

func encoded() []row {
	return []row{
		plain("`json.RawMessage`", json.RawMessage(nil), json.RawMessage(`{"a":1}`), json.RawMessage(`{"a": 1}`), json.RawMessage(`null`)),
		plain("`struct{ Raw json.RawMessage }`", struct{ Raw json.RawMessage }{}, struct{ Raw json.RawMessage }{json.RawMessage(`[1]`)}),
		plain("`map[string]any`", map[string]any(nil), map[string]any{"a": "b", "n": 1.5, "l": []any{true, nil}}, map[string]any{"n": 1}, map[string]any{"t": moment}, map[string]any{"u": id}),
		plain("`[]any`", []any{"a", nil}, []any{int64(1)}, []any{[]string{"a"}}),
		plain("`any`", any(nil), any("a"), any(coin{1, 2})),
	}
}

func messages() []row {
	return []row{
		plain("`*timestamppb.Timestamp`", timestamppb.New(moment)),
		plain("`*wrapperspb.StringValue`", wrapperspb.String("a")),
		plain("`*structpb.Struct`", &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewNumberValue(1)}}),
		plain("a struct with a `*timestamppb.Timestamp`", struct{ At *timestamppb.Timestamp }{timestamppb.New(moment)}),
	}
}

func models() []row {
	return []row{
		plain("`gorm.Model`, embedded", user{}, user{Model: gorm.Model{ID: 5, CreatedAt: moment, UpdatedAt: moment}, Name: "a"},
			user{Model: gorm.Model{DeletedAt: gorm.DeletedAt{Time: moment, Valid: true}}}),
		plain("`gorm.Model`, embedded, and another `ID`", customer{}),
		plain("`gorm.DeletedAt`", gorm.DeletedAt{}, gorm.DeletedAt{Time: moment, Valid: true}),
		plain("`time.Time`", time.Time{}, moment, moment.UTC(), time.Unix(0, 0)),
		plain("`time.Time`, embedded beside a field", audited{}),
		plain("`*time.Location`", time.UTC),
		of("a struct of `uuid.UUID`, `decimal.Decimal`, `sql.NullTime`, `netip.Addr`, `map[color]int`, `json.RawMessage`",
			func(a, b order) bool {
				same := sameDecimal(a.Total, b.Total)
				a.Total, b.Total = decimal.Decimal{}, decimal.Decimal{}
				return same && fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
			},
			order{ID: id, Total: decimal.RequireFromString("1.50"), Paid: sql.NullTime{Time: moment, Valid: true}, From: netip.MustParseAddr("1.2.3.4"),
				Colors: map[color]int{1: 2}, Raw: json.RawMessage(`{}`)}),
	}
}

func own() []row {
	return []row{
		plain("an enum without methods", weight(0), weight(-3)),
		plain("an enum with both text methods", color(0), color(7)),
		plain("an enum as a key", map[color]int{1: 2}),
		plain("an enum with `MarshalText` alone", state(1)),
		plain("money with unexported fields", money{5}),
		plain("money with both text methods", amount{}, amount{5}),
		plain("money with both JSON methods", price{}, price{5}),
		plain("money with exported fields", coin{1, 2}),
		plain("a generic page", list[coin]{}, list[coin]{[]coin{{1, 2}}, 1}),
		plain("a generic page of money", list[money]{}),
		plain("a linked list", page2{}, page2{&page2{}}),
		plain("an `error` field", failed{}, failed{errors.New("a")}, failed{fmt.Errorf("wrapped: %w", errors.New("a"))}, failed{code{1}}),
	}
}
