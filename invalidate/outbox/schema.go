package outbox

import (
	"fmt"
	"strings"
)

// Schema returns the statements that create the tables of the outbox where they do not exist,
// separated by semicolons and newlines. The names are strata_outbox and strata_outbox_stuck.
// Keep them in the database of the source, because events are part of its transactions.
func Schema(d Dialect) string {
	id, text, num := "text", "text", "bigint"
	options, stuckOptions := "", ""
	switch d {
	case PostgreSQL:
		id = `text COLLATE "C"`
		// Rows live for milliseconds: vacuum often, by number of rows alone.
		options = " WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,\n" +
			"  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000)"
	case SQLite:
		num = "integer"
	case MySQL:
		id, text = "char(32) CHARACTER SET ascii COLLATE ascii_bin", "longtext CHARACTER SET utf8mb4"
		options, stuckOptions = " ENGINE = InnoDB", " ENGINE = InnoDB"
	}
	if d != MySQL { // whose column defaults cannot be these expressions in every version
		id0, num0 := id, num
		return create(table, []string{
			"id " + id0 + " PRIMARY KEY DEFAULT (" + newID[d] + ")",
			"kind " + text + " NOT NULL",
			"payload " + text + " NOT NULL",
			"created " + num0 + " NOT NULL DEFAULT (" + now[d] + ")",
			"due " + num0 + " NOT NULL DEFAULT (" + now[d] + ")",
			"tries integer NOT NULL DEFAULT 0",
		}, options) + stuck(id, text, num, stuckOptions)
	}
	return create(table, []string{
		"id " + id + " PRIMARY KEY",
		"kind " + text + " NOT NULL",
		"payload " + text + " NOT NULL",
		"created " + num + " NOT NULL",
		"due " + num + " NOT NULL",
		"tries integer NOT NULL DEFAULT 0",
	}, options) + stuck(id, text, num, stuckOptions)
}

func stuck(id, text, num, options string) string {
	return create(stuckTable, []string{
		"id " + id + " PRIMARY KEY",
		"kind " + text + " NOT NULL",
		"payload " + text + " NOT NULL",
		"created " + num + " NOT NULL",
		"moved " + num + " NOT NULL",
		"reason " + text + " NOT NULL",
	}, options)
}

func create(name string, columns []string, options string) string {
	return "CREATE TABLE IF NOT EXISTS " + name + " (\n  " + strings.Join(columns, ",\n  ") + "\n)" + options + ";\n"
}

// TriggerSQL returns the statements that make a table record an event for each row that
// changes, for writers that do not use this package: see invalidate.OnRow. columns are those
// that the rule needs. The statements replace earlier triggers of the same table and are
// separated by a line with two hyphens, because triggers contain semicolons.
//
// Triggers fire for updates that change nothing, too. They do not fire for cascaded deletes
// in MariaDB and MySQL: put a trigger on the table that cascades. TRUNCATE records an event in
// PostgreSQL only.
func TriggerSQL(d Dialect, tableName string, columns ...string) (string, error) {
	if tableName == "" || len(columns) == 0 {
		return "", fmt.Errorf("outbox: triggers need a table and at least one column")
	}
	for _, name := range append([]string{tableName}, columns...) {
		if strings.ContainsAny(name, "\x00'\"`\\") || name == "" {
			return "", fmt.Errorf("outbox: %q is not a name that a trigger can have", name)
		}
	}
	t := trigger{d: d, table: tableName, columns: columns}
	switch d {
	case PostgreSQL:
		return t.postgres(), nil
	case SQLite, MySQL:
		return t.perOperation(), nil
	}
	return "", fmt.Errorf("outbox: unknown dialect %v", d)
}

type trigger struct {
	d       Dialect
	table   string
	columns []string
}

// separator is between statements.
const separator = "\n--\n"

// quote quotes a name, which may be qualified by a schema.
func (t trigger) quote(name string) string {
	q := `"`
	if t.d == MySQL {
		q = "`"
	}
	return q + strings.ReplaceAll(name, ".", q+"."+q) + q
}

// name returns the name of a trigger.
func (t trigger) name(suffix string) string {
	_, last, ok := strings.Cut(t.table, ".")
	if !ok {
		last = t.table
	}
	return "strata_outbox_" + last + suffix
}

// object returns an expression of a JSON object of the columns of OLD or NEW.
func (t trigger) object(row string) string {
	f := map[Dialect]string{PostgreSQL: "json_build_object", SQLite: "json_object", MySQL: "JSON_OBJECT"}[t.d]
	var b strings.Builder
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "'%s', %s.%s", c, row, t.quote(c))
	}
	return f + "(" + b.String() + ")"
}

func (t trigger) postgres() string {
	fn, name := t.quote(t.name("")), t.quote(t.name(""))
	body := "CREATE OR REPLACE FUNCTION " + fn + "() RETURNS trigger LANGUAGE plpgsql AS $strata$\nBEGIN\n" +
		"  INSERT INTO " + table + " (kind, payload) VALUES ('row:" + t.table + "', CASE TG_OP\n" +
		"    WHEN 'TRUNCATE' THEN '{\"truncated\":true}'\n" +
		"    WHEN 'INSERT' THEN json_build_object('new', " + t.object("NEW") + ")::text\n" +
		"    WHEN 'DELETE' THEN json_build_object('old', " + t.object("OLD") + ")::text\n" +
		"    ELSE json_build_object('old', " + t.object("OLD") + ", 'new', " + t.object("NEW") + ")::text END);\n" +
		"  RETURN NULL;\nEND $strata$"
	truncate := t.quote(t.name("_truncate"))
	return strings.Join([]string{
		body,
		"DROP TRIGGER IF EXISTS " + name + " ON " + t.quote(t.table),
		"CREATE TRIGGER " + name + " AFTER INSERT OR UPDATE OR DELETE ON " + t.quote(t.table) + " FOR EACH ROW EXECUTE FUNCTION " + fn + "()",
		"DROP TRIGGER IF EXISTS " + truncate + " ON " + t.quote(t.table),
		"CREATE TRIGGER " + truncate + " AFTER TRUNCATE ON " + t.quote(t.table) + " FOR EACH STATEMENT EXECUTE FUNCTION " + fn + "()",
	}, separator)
}

// perOperation returns one trigger for each operation.
func (t trigger) perOperation() string {
	object, columns, values := "json_object", "kind, payload", ""
	if t.d == MySQL {
		object, columns, values = "JSON_OBJECT", "id, kind, payload, created, due", newID[MySQL]+", "
	}
	var out []string
	for _, op := range []struct{ name, payload string }{
		{"INSERT", object + "('new', " + t.object("NEW") + ")"},
		{"UPDATE", object + "('old', " + t.object("OLD") + ", 'new', " + t.object("NEW") + ")"},
		{"DELETE", object + "('old', " + t.object("OLD") + ")"},
	} {
		name, after := t.quote(t.name("_"+strings.ToLower(op.name))), ""
		if t.d == MySQL {
			after = ", " + now[MySQL] + ", " + now[MySQL]
		}
		out = append(out, "DROP TRIGGER IF EXISTS "+name,
			"CREATE TRIGGER "+name+" AFTER "+op.name+" ON "+t.quote(t.table)+" FOR EACH ROW BEGIN "+
				"INSERT INTO "+table+" ("+columns+") VALUES ("+values+"'row:"+t.table+"', "+op.payload+after+"); END")
	}
	return strings.Join(out, separator)
}
