package outbox

import (
	"fmt"
	"strconv"
	"strings"
)

// A Dialect is the SQL of a database.
type Dialect uint8

const (
	// PostgreSQL is version 13 or later.
	PostgreSQL Dialect = iota

	// SQLite is version 3.38 or later. Set a busy_timeout in the DSN of the driver, and for
	// several processes journal_mode=WAL.
	SQLite

	// MySQL is MySQL 8 or MariaDB 10.6, or later.
	MySQL
)

var dialects = [...]string{"PostgreSQL", "SQLite", "MySQL"}

// String returns the name of the dialect.
func (d Dialect) String() string {
	if int(d) < len(dialects) {
		return dialects[d]
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

// Names of the tables.
const (
	table      = "strata_outbox"
	stuckTable = "strata_outbox_stuck"
)

// now is the clock of the database in Unix milliseconds.
var now = [...]string{
	PostgreSQL: "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
	SQLite:     "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
	MySQL:      "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)",
}

// newID is an id that begins with the time, so that rows are appended to the index.
var newID = [...]string{
	PostgreSQL: "lpad(to_hex(" + now[PostgreSQL] + "), 12, '0') || left(replace(gen_random_uuid()::text, '-', ''), 20)",
	SQLite:     "printf('%012x', " + now[SQLite] + ") || lower(hex(randomblob(10)))",
	MySQL:      "CONCAT(LPAD(LOWER(HEX(" + now[MySQL] + ")), 12, '0'), LOWER(LEFT(SHA2(CONCAT(UUID(), RAND()), 256), 20)))",
}

// params returns n parameters, the first of which has the number from.
func (d Dialect) params(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(d.param(from + i))
	}
	return b.String()
}

func (d Dialect) param(n int) string {
	if d == PostgreSQL {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// insert adds n rows; parameters: id, kind, payload, milliseconds until the relay may apply
// the row, for each.
func (d Dialect) insert(n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (id, kind, payload, created, due) VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		at := i*4 + 1
		wait := d.param(at + 3)
		if d == PostgreSQL {
			wait += "::bigint"
		}
		fmt.Fprintf(&b, "(%s, %s, %s)", d.params(at, 3), now[d], now[d]+" + "+wait)
	}
	return b.String()
}

// claim gives up to a number of rows to this relay for a time. Parameters: the time in
// milliseconds, the number. In MySQL it is a query in a transaction, followed by extend.
func (d Dialect) claim() string {
	pick := "SELECT id FROM " + table + " WHERE due <= " + now[d] + " ORDER BY id LIMIT "
	switch d {
	case PostgreSQL:
		return "WITH picked AS MATERIALIZED (" + pick + "$2 FOR UPDATE SKIP LOCKED) " +
			"UPDATE " + table + " AS o SET due = " + now[d] + " + $1::bigint, tries = tries + 1 FROM picked WHERE o.id = picked.id " +
			"RETURNING o.id, o.kind, o.payload, " + now[d] + " - o.created, o.tries"
	case SQLite:
		return "UPDATE " + table + " SET due = " + now[d] + " + ?, tries = tries + 1 WHERE id IN (" + pick + "?) " +
			"RETURNING id, kind, payload, " + now[d] + " - created, tries"
	default:
		return "SELECT id, kind, payload, " + now[d] + " - created, tries + 1 FROM " + table + " WHERE due <= " + now[d] + " ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED"
	}
}

// look returns whether one of the latest rows is due. It reads few rows, however many there
// are, and may miss an older one.
func (d Dialect) look() string {
	return "SELECT EXISTS (SELECT 1 FROM (SELECT due FROM " + table + " ORDER BY id DESC LIMIT 100) AS latest WHERE due <= " + now[d] + ")"
}

// extend makes n claimed rows due after a time and adds to their tries. Parameters: the time
// in milliseconds, the number of tries, the ids.
func (d Dialect) extend(n int) string {
	wait := d.param(1)
	tries := d.param(2)
	if d == PostgreSQL {
		wait, tries = wait+"::bigint", tries+"::int"
	}
	return "UPDATE " + table + " SET due = " + now[d] + " + " + wait + ", tries = tries + " + tries + " WHERE id IN (" + d.params(3, n) + ")"
}

// remove deletes n rows; parameters: the ids.
func (d Dialect) remove(n int) string {
	return "DELETE FROM " + table + " WHERE id IN (" + d.params(1, n) + ")"
}

// setAside copies a row to the table of stuck rows. Parameters: the reason, the id.
func (d Dialect) setAside() string {
	into := "INSERT"
	after := ""
	switch d {
	case MySQL:
		into = "INSERT IGNORE"
	case SQLite:
		into = "INSERT OR IGNORE"
	default:
		after = " ON CONFLICT (id) DO NOTHING"
	}
	reason := d.param(1)
	if d == PostgreSQL {
		reason += "::text"
	}
	return into + " INTO " + stuckTable + " (id, kind, payload, created, moved, reason) " +
		"SELECT id, kind, payload, created, " + now[d] + ", " + reason + " FROM " + table + " WHERE id = " + d.param(2) + after
}

// maxCounted bounds the rows that stats counts.
const maxCounted = 100_000

// stats returns the number of rows, the age in milliseconds of the oldest, and the number of
// stuck rows.
func (d Dialect) stats() string {
	count := func(t string) string {
		return "(SELECT count(*) FROM (SELECT 1 FROM " + t + " LIMIT " + strconv.Itoa(maxCounted) + ") AS some_rows)"
	}
	return "SELECT " + count(table) + ", COALESCE((SELECT " + now[d] + " - created FROM " + table + " ORDER BY id LIMIT 1), 0), " + count(stuckTable)
}
